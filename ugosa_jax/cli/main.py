"""The command line: parse arguments, run a command, print errors.

Options are defined in `ugosa_jax.cli.options`, commands in the other modules of this package. The module of a command,
and with it JAX, is imported only when the command runs, so that `ugosa-jax --help` answers at once.
"""

import argparse
import codecs
import importlib
import io
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro
from tyro.conf import subcommand

from ugosa_jax import __version__, config
from ugosa_jax.cli import annotation_options, library_errors, options
from ugosa_jax.cli.demucs_options import refuse_demucs_options
from ugosa_jax.errors import InputError, to_one_line

COMMANDS: dict[type, tuple[str, str]] = {
    options.Separate: ("separate", "separate"),
    options.Convert: ("weights_commands", "convert"),
    options.ListWeights: ("weights_commands", "list_weights"),
    options.Show: ("weights_commands", "show"),
    options.Download: ("weights_commands", "download"),
    options.Prepare: ("commands", "prepare"),
    options.RunSweep: ("sweep_commands", "run"),
    options.Status: ("sweep_commands", "status"),
    options.Collect: ("sweep_commands", "collect"),
    annotation_options.CheckAnnotation: ("annotate", "check"),
    annotation_options.ConvertAnnotation: ("annotate", "convert"),
    annotation_options.AnnotateStems: ("annotate", "from_stems"),
    annotation_options.SuggestAnnotation: ("suggest", "suggest"),
    options.Evaluate: ("commands", "evaluate"),
    options.Report: ("commands", "report"),
    options.Bench: ("bench", "bench"),
    options.Demo: ("demonstration", "demo"),
    options.Studio: ("commands", "studio"),
}
"""For each type of options, the module in `ugosa_jax.cli` and its function, which returns an exit code."""
UNPRINTABLE = "ugosa_jax_unprintable"
"""Name under which `replace_unprintable` is registered as an error handler of codecs."""
DESCRIPTION = "User-guided one-shot adaptation of music source separation, in JAX."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `ugosa-jax` and return its exit code: 0 done, 1 stopped early, 2 bad input."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    codecs.register_error(UNPRINTABLE, replace_unprintable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=UNPRINTABLE)
    if "--version" in arguments:
        print(f"ugosa_jax {__version__}")
        return 0
    try:
        if nul := [argument for argument in arguments if "\0" in argument]:
            raise InputError(f"{nul[0]!r}: contains a zero byte, which is not allowed in names")
        args = parse_arguments(arguments)
        return find_command(type(args))(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        is_output_closed = type(error) is BrokenPipeError  # as in `ugosa-jax … | head`
        if is_output_closed or (line := library_errors.describe(error)) is None:
            raise
        print(f"error: {to_one_line(line)}", file=sys.stderr)
        return 2


def replace_unprintable(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that a terminal cannot show with question marks, and bytes that are not text with escapes."""
    assert isinstance(error, UnicodeEncodeError)
    unprintable = error.object[error.start : error.end]
    return "".join("?" if character.isprintable() else to_one_line(character) for character in unprintable), error.end


def parse_arguments(arguments: Sequence[str]) -> Any:
    """Parse arguments and return the options of a command; their type is a key of `COMMANDS`.

    Raises:
      InputError: a value is out of range, or an option is one of demucs. Arguments that tyro cannot parse end the
        process with code 2.
    """
    if arguments[:1] == ["separate"]:
        refuse_demucs_options(arguments[1:])
    name = choose_preset(arguments)
    name = name if name in config.PRESETS else "paper"  # tyro reports unknown names
    start = config.get_preset(name)
    separate = options.Separate(song=tyro.MISSING, adapt=start.adapt, separate=start.separate, preset=name)  # pyright: ignore[reportArgumentType]
    commands = (
        Annotated[options.Separate, subcommand("separate", default=separate)]
        | Annotated[options.WeightsCommands, subcommand("weights")]
        | Annotated[options.Prepare, subcommand("prepare")]
        | Annotated[options.SweepCommands, subcommand("sweep")]
        | Annotated[annotation_options.AnnotationCommands, subcommand("annotation")]
        | Annotated[options.Evaluate, subcommand("evaluate")]
        | Annotated[options.Report, subcommand("report")]
        | Annotated[options.Bench, subcommand("bench")]
        | Annotated[options.Demo, subcommand("demo")]
        | Annotated[options.Studio, subcommand("studio")]
    )
    args = tyro.cli(commands, args=arguments, prog="ugosa-jax", description=DESCRIPTION)
    if isinstance(args, options.WeightsCommands | options.SweepCommands | annotation_options.AnnotationCommands):
        return args.action
    return args


def choose_preset(arguments: Sequence[str]) -> str:
    """Return the name of the preset that provides the defaults of all settings.

    It is the last one that the arguments name, or else the default for the weights. If no weights are named, these are
    the best ones installed for `separate`, and the bundled ones for its `--help`.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset")
    parser.add_argument("--weights", default="")
    try:
        known, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:  # an option without its value, for which tyro prints an error
        return "paper"
    if known.preset:
        return known.preset
    if not known.weights and arguments[:1] == ["separate"]:
        if {"--help", "-h"} & {*arguments}:  # without importing JAX
            return config.find_default_preset("mini")
        from ugosa_jax.weights.hub import choose_best

        return config.find_default_preset(choose_best().name)
    return config.find_default_preset(known.weights)


def find_command(of: type) -> Callable[[Any], int]:
    """Import the module of a command and return its function."""
    module, function = COMMANDS[of]
    return getattr(importlib.import_module(f"ugosa_jax.cli.{module}"), function)

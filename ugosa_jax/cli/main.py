"""The command line: parse, call, print.

Options are in `ugosa_jax.cli.options`, commands in the modules beside this one. A command's module, and JAX with it, is
imported when the command is run: `ugosa-jax --help` answers at once.
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
from ugosa_jax.cli import library_errors, options
from ugosa_jax.errors import InputError, one_line

COMMANDS: dict[type, tuple[str, str]] = {
    options.Separate: ("separate", "separate"),
    options.Convert: ("weights", "convert"),
    options.ListWeights: ("weights", "listing"),
    options.Show: ("weights", "show"),
    options.Download: ("weights", "download"),
    options.Prepare: ("prepare", "prepare"),
    options.RunSweep: ("sweep", "run"),
    options.Status: ("sweep", "status"),
    options.Collect: ("sweep", "collect"),
    options.CheckAnnotation: ("annotate", "check"),
    options.ConvertAnnotation: ("annotate", "convert"),
    options.AnnotateStems: ("annotate", "from_stems"),
    options.SuggestAnnotation: ("suggest", "suggest"),
    options.Evaluate: ("evaluate", "evaluate"),
    options.Report: ("report", "report"),
    options.Bench: ("bench", "bench"),
    options.Demo: ("demo", "demo"),
    options.Studio: ("studio", "studio"),
}
"""Options → module of `ugosa_jax.cli`, and the function there that takes them and returns an exit code."""
UNPRINTABLE = "ugosa_jax_unprintable"
"""Name of `replace_unprintable` as a codec's way to handle errors."""
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
            raise InputError(f"{nul[0]!r}: holds a zero byte, which no name has")
        args = parsed(arguments)
        return command(type(args))(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        nobody_reads = type(error) is BrokenPipeError  # what is printed: `ugosa-jax … | head`
        if nobody_reads or (line := library_errors.describe(error)) is None:
            raise
        print(f"error: {one_line(line)}", file=sys.stderr)
        return 2


def replace_unprintable(error: UnicodeError) -> tuple[str, int]:
    """Give a terminal that cannot show λ a question mark, and bytes of a name that are no text as escapes."""
    assert isinstance(error, UnicodeEncodeError)
    unprintable = error.object[error.start : error.end]
    return "".join("?" if character.isprintable() else one_line(character) for character in unprintable), error.end


def parsed(arguments: Sequence[str]) -> Any:
    """Return the options that the arguments say; their type is a key of `COMMANDS`.

    Raises:
      InputError: a value outside its range. What cannot be parsed at all ends the process with code 2.
    """
    name = preset(arguments)
    name = name if name in config.PRESETS else "paper"  # tyro refuses it, unless it is the default
    start = config.PRESETS[name]()
    separate = options.Separate(song=tyro.MISSING, adapt=start.adapt, separate=start.separate, preset=name)  # pyright: ignore[reportArgumentType]
    commands = (
        Annotated[options.Separate, subcommand("separate", default=separate)]
        | Annotated[options.Weights, subcommand("weights")]
        | Annotated[options.Prepare, subcommand("prepare")]
        | Annotated[options.Sweep, subcommand("sweep")]
        | Annotated[options.AnnotationCommand, subcommand("annotation")]
        | Annotated[options.Evaluate, subcommand("evaluate")]
        | Annotated[options.Report, subcommand("report")]
        | Annotated[options.Bench, subcommand("bench")]
        | Annotated[options.Demo, subcommand("demo")]
        | Annotated[options.Studio, subcommand("studio")]
    )
    args = tyro.cli(commands, args=arguments, prog="ugosa-jax", description=DESCRIPTION)
    return args.action if isinstance(args, options.Weights | options.Sweep | options.AnnotationCommand) else args


def preset(arguments: Sequence[str]) -> str:
    """Return the name of the preset whose values are what --help shows and other flags change.

    It is what the arguments name last, or else that of the weights. If these are not named either, and a song is to be
    separated, it is that of the best weights that are there.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset")
    parser.add_argument("--weights", default="")
    try:
        said, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:  # a flag without its value, which tyro refuses in its own words
        return "paper"
    if said.preset:
        return said.preset
    if not said.weights and arguments[:1] == ["separate"] and not {"--help", "-h"} & {*arguments}:
        from ugosa_jax.weights.hub import choose_best  # starts JAX, which --help does without

        return config.find_usual_preset(choose_best().name)
    return config.find_usual_preset(said.weights)


def command(of: type) -> Callable[[Any], int]:
    """Return the function that runs a command, of a module that is imported now."""
    module, function = COMMANDS[of]
    return getattr(importlib.import_module(f"ugosa_jax.cli.{module}"), function)

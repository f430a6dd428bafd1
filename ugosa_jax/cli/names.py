"""Reading of annotations with the options of a command; on a terminal, the user is asked about unknown names."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from ugosa_jax.annotations import annotation, formats
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.unknown_names import UnknownNames, check_override, parse_overrides, read_overrides
from ugosa_jax.annotations.vocabulary import NameRules
from ugosa_jax.cli import annotation_options as options
from ugosa_jax.cli.output import print_line
from ugosa_jax.errors import InputError


def read_with_options(file: Path, how: options.ReadingOptions, sources: Sequence[str]) -> Annotation:
    """Read an annotation with the options of a command.

    Raises:
      InputError: the annotation cannot be interpreted.
    """
    own = {} if how.names is None else read_overrides(how.names)
    stems = {} if how.stems is None else formats.read_stem_names(how.stems)
    names = NameRules({**own, **parse_overrides(how.map)}, how.complete, stems)
    return annotation.read_annotation(file, sources, how.outside, names, how.format, how.unit)


def read_interactively(file: Path, how: options.ReadingOptions, sources: Sequence[str]) -> Annotation:
    """Read an annotation; on a terminal, ask for the meaning of unknown names.

    Raises:
      InputError: the annotation cannot be interpreted, or the input ends.
    """
    asked: dict[str, str] = {}
    while True:
        try:
            labels = read_with_options(file, dataclasses.replace(how, map=(*how.map, *format_pairs(asked))), sources)
        except UnknownNames as error:
            new = [name for name in error.names if name.name and name.name not in asked]
            if not new or not (sys.stdin.isatty() and sys.stdout.isatty()):
                raise
            print(
                f"{len(new)} names are not known. Each may be {', '.join(sources)}; one of them (one of {sources[0]});"
            )
            print("a name that is known (piano); or nothing, which leaves its labels out.")
            for name in new:
                asked[name.name] = ask_meaning(f"{name.name} ({name.describe_place()})", name.hint, sources)
            continue
        if asked:
            print("the next time: " + " ".join(f"--map '{pair}'" for pair in format_pairs(asked)))
        return labels


def ask_meaning(question: str, hint: str, sources: Sequence[str]) -> str:
    """Ask for the meaning of a name until the answer is valid; an empty answer accepts the hint."""
    while True:
        try:
            answer = input(f"  {question}{f' [{hint}, - for nothing]' if hint else ''}: ").strip() or hint
        except EOFError as error:
            raise InputError("names are still unknown, but the input has ended") from error
        if answer in ("", "-"):
            return ""
        try:
            check_override(answer, sources)
        except InputError as error:
            print_line(f"  {error}")
            continue
        return answer


def format_pairs(asked: dict[str, str]) -> list[str]:
    """Return the answers in the form of --map."""
    return [f"{name}={target}" for name, target in asked.items()]


def print_names(labels: Annotation) -> None:
    """Print the meaning of each name in an annotation that is not the name of a source."""
    for written, name in labels.names.items():
        if written.casefold() != name.source.casefold() or name.negated:
            meaning = f"one instrument of {name.source}" if name.instrument else name.source
            perhaps = f"perhaps {' or '.join(name.perhaps)}" if name.perhaps else ""
            print_line(f"name    {written} = {perhaps or meaning}{', silent' if name.negated else ''}")

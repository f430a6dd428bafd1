"""The one exception that means "the input is at fault, not the program"."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


class InputError(Exception):
    """Input that cannot be used; the message is one line that names the file and the line or field.

    The command line prints the message after ``error:`` and exits with code 2.
    """


@contextlib.contextmanager
def error_context(path: str | Path) -> Iterator[None]:
    """Put the name of a file before the message of every InputError raised in the block."""
    try:
        yield
    except InputError as error:
        one_line = " ".join(str(error).split())  # names in a file may hold line breaks, and be long
        raise InputError(f"{path}: {one_line[:500]}") from error


def require(holds: bool, field: str, expected: str, value: object) -> None:
    """Raise InputError unless `holds`, saying which field should have been what."""
    if not holds:
        raise InputError(f"{field} must be {expected}, not {value!r}")


@contextlib.contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Say how to install what the block imports, where a package of an extra of ugosa_jax is missing.

    Raises:
      InputError: it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "ugosa_jax":
            raise
        raise InputError(f"this needs {package}: pip install 'ugosa_jax[{extra}]'") from error


def exit_status(main: Callable[[], int | None]) -> int:
    """Run what a script does; return its own status, 0 for None, or 2 and one line about input that is at fault."""
    try:
        return main() or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

"""The one exception that means "the input is at fault, not the program"."""

import contextlib
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

_ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of what moves the cursor, turns text around, ends a line, or is half a character."""
_JOINERS = "\u200c\u200d"
"""They are of category Cf too, but parts of words and of emoji."""


class InputError(Exception):
    """Input that cannot be used; the message is one line that names the file and the line or field.

    The command line prints the message after ``error:`` and exits with code 2.
    """

    def __init__(self, message: object):
        super().__init__(to_one_line(message))  # names of files may hold anything


def to_one_line(text: object) -> str:
    r"""Return text as one line of a terminal: a line break becomes \n, ESC \x1b, a byte that is no UTF-8 \xff."""
    return "".join(_escape(c) if _is_control(c) else c for c in str(text))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _ESCAPED and character not in _JOINERS


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how os.fsdecode keeps a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


@contextlib.contextmanager
def error_context(path: str | Path) -> Iterator[None]:
    """Put the name of a file before the message of every InputError raised in the block that does not begin with it."""
    try:
        yield
    except InputError as error:
        if str(error).startswith(f"{to_one_line(path)}:"):
            raise
        raise InputError(f"{path}: {str(error)[:500]}") from error  # names in a file may be long


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

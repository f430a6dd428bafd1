"""The exception for invalid input, and how its messages are built."""

import contextlib
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

_ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of characters that move the cursor, change the text direction or end a line, and of surrogates."""
_JOINERS = "\u200c\u200d"
"""Characters of category Cf that are printed nevertheless, because words and emoji contain them."""


class InputError(Exception):
    """Input that cannot be used; the message is one line that names the file and the line or field.

    The command line prints the message after ``error:`` and exits with code 2.
    """

    def __init__(self, message: object):
        super().__init__(to_one_line(message))  # names of files may hold anything


def to_one_line(text: object) -> str:
    r"""Return text as one line with escaped control characters, such as \n, and \xff for a byte that is not UTF-8."""
    return "".join(_escape(c) if _is_control(c) else c for c in str(text))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _ESCAPED and character not in _JOINERS


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8, as decoded by os.fsdecode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


@contextlib.contextmanager
def error_context(path: str | Path) -> Iterator[None]:
    """Prefix the message of an InputError raised in the block with the name of a file, unless it begins with it."""
    try:
        yield
    except InputError as error:
        if str(error).startswith(f"{to_one_line(path)}:"):
            raise
        raise InputError(f"{path}: {str(error)[:500]}") from error  # the message may quote long text of the file


def require(holds: bool, field: str, expected: str, value: object) -> None:
    """Raise InputError "FIELD must be EXPECTED, not VALUE" unless `holds`."""
    if not holds:
        raise InputError(f"{field} must be {expected}, not {value!r}")


@contextlib.contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Raise an error that says how to install an extra of ugosa_jax if the block imports a package that is missing.

    Raises:
      InputError: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "ugosa_jax":
            raise
        raise InputError(f"this needs {package}: pip install 'ugosa_jax[{extra}]'") from error


def exit_status(main: Callable[[], int | None]) -> int:
    """Run the main function of a script and return its exit status; print an InputError and return 2."""
    try:
        return main() or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

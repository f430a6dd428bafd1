"""Files in, text out: the only place where annotations are read from disk."""

import bz2
import re
from pathlib import Path

from ugosa_jax.annotations.formats import foreign
from ugosa_jax.errors import InputError

MAX_BYTES = 16_000_000
"""No annotation is larger, unpacked; a song given in its place is."""


def text_of(path: str | Path) -> str:
    """Return a file's text: UTF-8, UTF-16 with its mark, or else Windows' western code page; bzip2 is unpacked.

    Raises:
      InputError: the file cannot be read, is too large, or is no text.
    """
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # a name with a zero byte
        raise InputError(f"{path!s:.200}: cannot be read ({error})") from error
    if content.startswith(b"BZh"):
        content = _unpacked(content, path)
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: is too large for an annotation")
    foreign.refuse_binary(content, path)
    if content.startswith(b"ooBinaryFile"):
        raise InputError(f"{path}: is a binary Praat file; save it with Save as text file…")
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        text = text.rstrip("\x1a")  # how DOS, and some programs to this day, end a text
        if not re.search(r"[\0-\x08\x0e-\x1f]", text):
            foreign.refuse_text(text, path)
            return text
    raise InputError(f"{path}: is not a text file")


def _unpacked(content: bytes, path: str | Path) -> bytes:
    """Return what was packed; a file that is small packed can be of any size unpacked, so there is a bound."""
    unpacker = bz2.BZ2Decompressor()
    try:
        unpacked = unpacker.decompress(content, MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be unpacked ({error})") from error
    if not unpacker.eof and len(unpacked) <= MAX_BYTES:
        raise InputError(f"{path}: cannot be unpacked: it is cut short")
    return unpacked

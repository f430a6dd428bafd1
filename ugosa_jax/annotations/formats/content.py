"""Reading of a file as text, and of text as JSON or XML. Files that cannot be annotations are refused."""

import bz2
import dataclasses
import json
import math
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ugosa_jax.annotations.formats.label import quote
from ugosa_jax.errors import InputError

MAX_BYTES = 16_000_000
"""Size of the largest annotation, unpacked; a sound file that is given by mistake is larger."""
FOREIGN: dict[str, dict[str, str]] = tomllib.loads(
    resources.files("ugosa_jax.annotations.formats").joinpath("foreign.toml").read_text("utf-8")
)
"""Patterns of files that are not annotations, by kind; comments in the file explain them."""


def read_text(path: str | Path) -> str:
    """Return the text of a file, which may be in UTF-8, UTF-16 or Windows-1252, and compressed with bzip2."""
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # a name with a zero byte
        raise InputError(f"{path!s:.200}: cannot be read ({error})") from error
    if content.startswith(b"BZh"):
        content = _unpack(content, path)
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: is too large for an annotation")
    refuse_suffix(path)
    _refuse(path, "binary", content[:64].decode("latin-1"), re.DOTALL)
    for encoding in _guess_encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        text = text.replace("\ufeff", "").rstrip("\x1a")  # byte order marks; the end of a text file in DOS
        if not re.search(r"[\0-\x08\x0e-\x1f]", text):
            _refuse(path, "text", text.lstrip().replace("\r\n", "\n")[:2000], re.IGNORECASE)
            return text
    raise InputError(f"{path}: is not a text file")


def _guess_encodings(content: bytes) -> list[str]:
    """Return the encodings to try. In UTF-16 without a byte order mark, every other byte of western text is 0."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ["utf-16"]
    zeros = [content[first:2000:2].count(0) for first in (0, 1)]
    if max(zeros) > len(content[:2000]) / 4 > 0 == min(zeros):
        return ["utf-16-be" if zeros[0] else "utf-16-le"]
    return ["utf-8-sig", "cp1252"]


def _unpack(content: bytes, path: str | Path) -> bytes:
    """Unpack bzip2 up to MAX_BYTES, because a small file can unpack to any size."""
    unpacker = bz2.BZ2Decompressor()
    try:
        unpacked = unpacker.decompress(content, MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be unpacked ({error})") from error
    if not unpacker.eof and len(unpacked) <= MAX_BYTES:
        raise InputError(f"{path}: cannot be unpacked: it is cut short")
    return unpacked


def parse_json(text: str, path: str) -> Any:
    """Parse JSON or JSON Lines; accept NaN and Infinity, which some programs write although JSON has no such values."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and (lines := _parse_lines(text)):
            return lines
        raise InputError(f"{path}:{error.lineno}: is not JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:  # numbers with thousands of digits, or thousands of nested brackets
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error


def _parse_lines(text: str) -> list[Any]:
    """Parse JSON Lines; return an empty list if a line is not JSON."""
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return []


def to_number(value: Any, path: str, where: str) -> float:
    """Return a value as a number; raise InputError unless it is a finite number."""
    try:
        result = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise InputError(f"{path}:{where}: {quote(str(value))} is not a number")
    return result


@dataclasses.dataclass
class XmlElement:
    """One element of an XML file."""

    line: int
    name: str
    attributes: dict[str, str]
    text: str = ""
    """Text of the element, without that of the elements inside."""


def parse_xml(text: str, path: str) -> list[XmlElement]:
    """Return all elements in order of their start tags; refuse entities, which could make a small file huge."""
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    elements: list[XmlElement] = []
    unclosed: list[XmlElement] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        elements.append(XmlElement(parser.CurrentLineNumber, name, attributes))
        unclosed.append(elements[-1])

    def add_text(text: str) -> None:
        unclosed[-1].text += text

    def refuse(name: str, *_: object) -> None:
        raise InputError(f"{path}:{parser.CurrentLineNumber}: entity {quote(name)} is not expected in such a file")

    parser.StartElementHandler, parser.EndElementHandler = start, lambda _: unclosed.pop()
    parser.CharacterDataHandler, parser.EntityDeclHandler = add_text, refuse
    body = text.partition("?>")[2] if text.lstrip().startswith("<?xml") else text  # the declared encoding may be wrong
    declaration_lines = text[: len(text) - len(body)].count("\n")
    try:
        parser.Parse("\n" * declaration_lines + body.lstrip(" \t"), True)
    except expat.ExpatError as error:
        raise InputError(f"{path}:{error.lineno}: is not well-formed XML ({expat.ErrorString(error.code)})") from error
    return elements


def refuse_suffix(path: object) -> None:
    """Raise InputError for project files of other programs, known by suffix; the message says what to do instead."""
    _refuse(path, "suffixes", Path(str(path)).suffix, re.IGNORECASE)


def _refuse(path: object, kind: str, start: str, flags: re.RegexFlag) -> None:
    """Raise InputError if a pattern of `foreign.toml` matches the start of a file or its name."""
    for pattern, what in FOREIGN[kind].items():
        if re.match(pattern, start, flags):
            raise InputError(f"{path}: is {what}")

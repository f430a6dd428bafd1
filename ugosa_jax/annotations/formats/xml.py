"""XML, read element by element; entities, which could blow up a small file, are refused."""

from collections.abc import Callable
from typing import NamedTuple
from xml.parsers import expat

from ugosa_jax.annotations.formats.label import shown
from ugosa_jax.errors import InputError


class Handlers(NamedTuple):
    """What is done at each element: functions of its name, its attributes or text, and the line."""

    start: Callable[[str, dict[str, str], int], None]
    end: Callable[[str, str, int], None] = lambda name, text, line: None
    """Its text is what stands directly before the end, within the innermost element."""


def parse(text: str, path: str, handlers: Handlers) -> None:
    """Call the handlers for each element in order.

    Raises:
      InputError: the file is no well-formed XML, or declares entities.
    """
    parser = expat.ParserCreate("utf-8")
    pieces: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        pieces.clear()
        handlers.start(name, attributes, parser.CurrentLineNumber)

    def end(name: str) -> None:
        handlers.end(name, "".join(pieces), parser.CurrentLineNumber)
        pieces.clear()

    def refuse(name: str, *_: object) -> None:
        raise InputError(f"{path}:{parser.CurrentLineNumber}: entity {shown(name)} is not expected in such a file")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = pieces.append
    parser.EntityDeclHandler = refuse
    body = text.partition("?>")[2] if text.lstrip().startswith("<?xml") else text  # it may name another encoding
    declaration_lines = text[: len(text) - len(body)].count("\n")
    try:
        parser.Parse("\n" * declaration_lines + body.lstrip(" \t"), True)
    except expat.ExpatError as error:
        raise InputError(f"{path}:{error.lineno}: is not well-formed XML ({expat.ErrorString(error.code)})") from error

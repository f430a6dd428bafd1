"""Praat's TextGrids, in the long and in the short text format.

Format: Praat manual, "TextGrid file formats". Both are the same series of numbers, texts and flags; whatever else
stands in the file is a comment. A number or a flag stands free, between blanks; a text stands in double quotes,
which are doubled inside it; from an exclamation mark on, a line is a comment.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from ugosa_jax.annotations.formats.clock import is_number
from ugosa_jax.annotations.formats.label import Label, Reading, ordered, shown
from ugosa_jax.errors import InputError

_PIECE = re.compile(r'"(?:[^"]|"")*"|"|![^\n]*|[^\s"]+')


class _Token(NamedTuple):
    line: int
    kind: str
    """number, text or flag."""
    value: str


class _Stream(NamedTuple):
    """Tokens of a file, taken one by one."""

    path: str
    tokens: Iterator[_Token]

    def take(self, kind: str, what: str) -> _Token:
        """Return the next token, which must be of a kind."""
        token = next(self.tokens, None)
        if token is None:
            raise InputError(f"{self.path}: ends where {what} should be")
        if token.kind != kind:
            raise InputError(f"{self.path}:{token.line}: {what} should be a {kind}, not {shown(token.value)}")
        return token

    def seconds(self, what: str) -> float:
        token = self.take("number", what)
        if not math.isfinite(float(token.value)):
            raise InputError(f"{self.path}:{token.line}: {what} {shown(token.value)} is not finite")
        return float(token.value)

    def count(self, what: str) -> int:
        token = self.take("number", what)
        if not (token.value.isdigit() and len(token.value) <= 9):
            raise InputError(f"{self.path}:{token.line}: {what} {shown(token.value)} is no count")
        return int(token.value)

    def stretch(self, what: str) -> tuple[float, float]:
        start_s, end_s = self.seconds(f"xmin of {what}"), self.seconds(f"xmax of {what}")
        if not ordered(start_s, end_s):
            raise InputError(f"{self.path}: {what}: from {start_s:g} to {end_s:g} s is no stretch of a song")
        return start_s, end_s


def read(text: str, path: str) -> Reading:
    """Read all tiers. Where a tier is empty, nothing is said; it was looked at from its xmin to its xmax.

    Raises:
      InputError: the file does not hold what a TextGrid holds, in its order.
    """
    stream = _Stream(path, _tokens(text, path))
    if stream.take("text", "the file type").value not in ("ooTextFile", "ooTextFile short"):
        raise InputError(f"{path}: is no text file of Praat's")
    if (kind := stream.take("text", "the object class").value) != "TextGrid":
        raise InputError(f"{path}: holds {shown(kind)}, not a TextGrid")
    stream.stretch("the TextGrid")
    if stream.take("flag", "whether there are tiers").value != "<exists>":
        return Reading([])
    return Reading([label for _ in range(stream.count("the number of tiers")) for label in _tier(stream)])


def _tier(stream: _Stream) -> list[Label]:
    """Take one tier and return its labels that have a text."""
    kind = stream.take("text", "the class of a tier")
    if kind.value not in ("IntervalTier", "TextTier"):
        raise InputError(f"{stream.path}:{kind.line}: class {shown(kind.value)} is not IntervalTier or TextTier")
    name = stream.take("text", "the name of a tier").value.strip()
    span_s = stream.stretch(f"tier {shown(name)}")
    labels = []
    for _ in range(stream.count("the number of labels")):
        if kind.value == "IntervalTier":
            start_s, end_s = stream.stretch(f"an interval of {shown(name)}")
        else:
            start_s = end_s = stream.seconds(f"a point of {shown(name)}")
        text = stream.take("text", "the text of a label")
        if text.value.strip() and ordered(start_s, end_s):
            words = " ".join(text.value.split())
            label = Label(start_s, end_s, words, stream.path, text.line, container=name, own_words=True, span_s=span_s)
            labels.append(label)
    return labels


def _tokens(text: str, path: str) -> Iterator[_Token]:
    line, at = 1, 0
    for piece in _PIECE.finditer(text):
        line += text.count("\n", at, piece.start())
        at = piece.start()
        word = piece.group()
        if word == '"':
            raise InputError(f"{path}:{line}: a text begins that does not end")
        if word.startswith('"'):
            yield _Token(line, "text", word[1:-1].replace('""', '"'))
        elif re.fullmatch(r"<\w+>", word):
            yield _Token(line, "flag", word)
        elif is_number(word) and "," not in word:
            yield _Token(line, "number", word)

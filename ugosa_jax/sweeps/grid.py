"""A grid of settings, as a user writes it in TOML: a list in ``[adapt]`` means each of its values.

    weights = "mini"

    [songs]
    folder = "prepared"

    [adapt]
    strategy = ["B0", "P-L3:M"]
    lam = [0.1, 1.0, 10.0]
    learning_rate = 1e-3

Sections and keys are the settings of `ugosa_jax.config`: [songs], [adapt], [separate], [evaluate], and [search],
which makes it a search; `ugosa_jax.sweeps.space` has its ranges. A change is one key
with another value, written as in ``adapt.learning_rate=1e-4``.
"""

import collections
import dataclasses
import difflib
import itertools
import re
import tomllib
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from ugosa_jax.config import AdaptConfig, EvaluateConfig, SearchConfig, SeparateConfig, SongsConfig
from ugosa_jax.errors import InputError, error_context
from ugosa_jax.sweeps import space
from ugosa_jax.sweeps.space import Space

SHIPPED = Path(__file__).parent / "grids"
_SECTIONS = {
    "songs": SongsConfig,
    "adapt": AdaptConfig,
    "separate": SeparateConfig,
    "evaluate": EvaluateConfig,
    "search": SearchConfig,
}
_TYPES = {section: typing.get_type_hints(kind) for section, kind in _SECTIONS.items()}
MAX_COMBINATIONS = 10_000
"""Settings that one grid may expand to; more than this is a slip of the pen."""
MAX_CHARACTERS = 1_000_000
"""Of a grid's file."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """A grid, expanded.

    Attributes:
      name: of its file, without the suffix, and its changes.
      text: the file, as it was written, with its changes as comments above it.
      weights: name or file of the network to start from.
      songs: which songs.
      adapt: every combination of settings; those that would give the same result stand here once. None for a search.
      separate: how songs are separated.
      evaluate: how estimates are scored.
      search: how the best settings are searched for, if they are.
      space: what that may choose from.
    """

    name: str
    text: str
    weights: str
    songs: SongsConfig
    adapt: tuple[AdaptConfig, ...]
    separate: SeparateConfig
    evaluate: EvaluateConfig
    search: SearchConfig | None = None
    space: Space | None = None


@dataclasses.dataclass(frozen=True)
class Change:
    """A key of a grid with another value, in TOML's own structure, and as it was written."""

    text: str
    document: dict[str, Any]

    @property
    def label(self) -> str:
        """The text without what does not belong into the name of a folder."""
        return "=".join(re.sub(r"[^\w.+-]+", "-", part).strip("-") for part in self.text.split("=", 1))


def read(name: str, changes: Sequence[Change] = ()) -> Grid:
    """Read a grid from a file, or one that ships with the package by its name.

    Args:
      name: a path, or the name of a grid that ships.
      changes: what holds in place of what the grid says; of one key the last one counts.

    Raises:
      InputError: there is no such grid, it is not TOML, a key is unknown, or a value is not what its key takes.
    """
    path = Path(name)
    if not path.suffix and (SHIPPED / f"{name}.toml").is_file():
        path = SHIPPED / f"{name}.toml"
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        shipped = ", ".join(names())
        raise InputError(f"{name}: cannot be read ({error}); grids that ship with ugosa_jax: {shipped}") from error
    with error_context(path):
        return parse(text, path.stem, changes)


def names() -> list[str]:
    """Return the names of the grids that ship with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def parse(text: str, name: str, changes: Sequence[Change] = ()) -> Grid:
    """Return the grid that a TOML text describes, with some of its keys changed.

    Raises:
      InputError: as `read`.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"has more than {MAX_CHARACTERS} characters; a grid has some lines")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a ValueError that is none of TOML's: a number of too many digits
        raise InputError(f"not TOML: {error}") from error
    for change in changes:
        for key, said in change.document.items():
            before = document.get(key)
            document[key] = before | said if isinstance(before, dict) and isinstance(said, dict) else said
    if changes:
        name = ",".join([name, *(change.label for change in changes)])
        text = "".join(f"# changed: {change.text}\n" for change in changes) + text
    return _of(document, name, text)


def change_of(text: str) -> Change:
    """Return the change that SECTION.KEY=VALUE stands for, or weights=VALUE.

    A value is written as in TOML; one that is not TOML is a text, which so needs no quotes.

    Raises:
      InputError: it is no such thing, the key is unknown, or the value is not what its key takes.
    """
    text = " ".join(text.split())
    name, _, written = (part.strip() for part in text.partition("="))
    if not (name and written):
        raise InputError(f"{text!r}: is not SECTION.KEY=VALUE, such as adapt.learning_rate=1e-4")
    try:
        value = tomllib.loads(f"value = {written}")["value"]
    except (ValueError, RecursionError):
        value = written
    section, dot, key = name.partition(".")
    document = {section: {key: value} if dot else value}
    is_searched = section == "search" or (section == "adapt" and isinstance(value, dict))
    with error_context(f"{text:.80}"):
        _of({"adapt": {"lam": [0.5, 1.0]}, "search": {}} | document if is_searched else document, "", "")
    return Change(f"{name}={written}", document)


def _of(document: dict[str, Any], name: str, text: str) -> Grid:
    """Return the grid that a TOML document describes."""
    _refuse_unknown("", document, ["weights", *_SECTIONS])
    sections = {section: document.get(section, {}) for section in _SECTIONS}
    for section, keys in sections.items():
        if not isinstance(keys, dict):
            raise InputError(f"{section}: must be a section, written [{section}]")
        _refuse_unknown(f"{section}.", keys, [field.name for field in dataclasses.fields(_SECTIONS[section])])
    single = {section: _settings(section, sections[section]) for section in ("songs", "separate", "evaluate")}
    if single["separate"].gate:
        raise InputError('separate.gate: is decided when scoring; write outputs = "gated" under [evaluate]')
    weights = _value("weights", document.get("weights", "tasnet"), str)
    if "search" not in document:
        return Grid(name, text, weights, adapt=combinations(sections["adapt"]), **single)
    asked = _settings("search", sections["search"])
    chosen = space.of(sections["adapt"], lambda key, value: _value(f"adapt.{key}", value, _TYPES["adapt"][key]))
    return Grid(name, text, weights, adapt=(), **single, search=asked, space=chosen)


def combinations(keys: dict[str, Any]) -> tuple[AdaptConfig, ...]:
    """Return the settings of every combination of the values of an ``[adapt]`` section.

    Raises:
      InputError: a list is empty or says something twice, or a value is not what its key takes.
    """
    for key, value in keys.items():
        if isinstance(value, dict):
            raise InputError(f"adapt.{key}: a range is searched, not run: add a section [search]")
    lists = {key: value if isinstance(value, list) else [value] for key, value in keys.items()}
    n_combinations = 1
    for key, values in lists.items():
        if not values:
            raise InputError(f"adapt.{key}: the list is empty, and so is the grid")
        n_combinations *= len(values)
    if n_combinations > MAX_COMBINATIONS:
        many = f"{n_combinations} combinations" if n_combinations < 10**15 else "more combinations than can be counted"
        raise InputError(f"adapt: {many} are more than the {MAX_COMBINATIONS} that a grid may have")
    for key, values in lists.items():
        counts = collections.Counter(_value(f"adapt.{key}", value, _TYPES["adapt"][key]) for value in values)
        value, times = counts.most_common(1)[0]
        if times > 1:
            raise InputError(f"adapt.{key}: {value!r:.60} stands there twice")
    every = (dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values()))
    return tuple(dict.fromkeys(canonical(_settings("adapt", combination)) for combination in every))


def canonical(settings: AdaptConfig) -> AdaptConfig:
    """Return the settings with what their strategy does not look at set to its default."""
    if settings.strategy == "B0":
        return AdaptConfig(strategy="B0")
    if not any(part.startswith("P") for part in (settings.strategy or "P").split("+")):
        settings = dataclasses.replace(settings, lam=AdaptConfig.lam)
    if not settings.pitch_shifts:
        settings = dataclasses.replace(
            settings, pitch_seed=AdaptConfig.pitch_seed, pitch_range_semitones=AdaptConfig.pitch_range_semitones
        )
    return settings


def _settings(section: str, keys: dict[str, Any]) -> Any:
    """Return one section as its dataclass."""
    values = {key: _value(f"{section}.{key}", value, _TYPES[section][key]) for key, value in keys.items()}
    with error_context(f"[{section}]"):
        return _SECTIONS[section](**values)


def _value(key: str, value: Any, kind: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise InputError(f"{key}: holds a zero byte, which no name has")
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise InputError(f"{key}: {error}") from error


def _refuse_unknown(prefix: str, keys: dict[str, Any], known: list[str]) -> None:
    for key in keys:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0)[0]
            raise InputError(f"{prefix}{key}: there is no such key; did you mean {prefix}{nearest}?")

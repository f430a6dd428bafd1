"""Grids of settings, which users write in TOML: a list in ``[adapt]`` stands for each of its values.

    weights = "mini"
    preset = "recommended"

    [songs]
    folder = "prepared"

    [adapt]
    strategy = ["B0", "P-L3:M"]
    lam = [0.1, 1.0, 10.0]
    learning_rate = 1e-3

Sections and keys are the settings of `ugosa_jax.config`: [songs], [adapt], [separate], [evaluate], and [search], which
turns the grid into a search with ranges (`ugosa_jax.sweeps.search_space`). The default values of keys in [adapt] and
[separate] are those of the preset, which by default is that of the weights, as in `ugosa-jax separate`. A change
replaces the value of one key and is written ``adapt.learning_rate=1e-4``.
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

from ugosa_jax.config import (
    AdaptConfig,
    EvaluateConfig,
    SearchConfig,
    SeparateConfig,
    SongsConfig,
    find_default_preset,
    get_preset,
)
from ugosa_jax.errors import InputError, error_context
from ugosa_jax.sweeps import search_space
from ugosa_jax.sweeps.search_space import SearchSpace

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
"""Largest number of settings that a grid may expand to; a larger number is almost certainly a typo."""
MAX_CHARACTERS = 1_000_000
"""Largest number of characters in the file of a grid."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """A grid, expanded to all combinations of its settings.

    Attributes:
      name: name of its file without the suffix, followed by its changes.
      text: content of its file, preceded by comments with the changes.
      weights: name or file of the network; None if neither grid nor command line names one.
      songs: selection of songs.
      adapt: all combinations of settings, without those that would repeat a result; empty for a search.
      separate: settings of the separation.
      evaluate: settings of the scores.
      search: settings of the search; None if the grid has no [search].
      space: settings that the search chooses from.
    """

    name: str
    text: str
    weights: str | None
    songs: SongsConfig
    adapt: tuple[AdaptConfig, ...]
    separate: SeparateConfig
    evaluate: EvaluateConfig
    search: SearchConfig | None = None
    space: SearchSpace | None = None


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of one key of a grid: as the user wrote it, and as a TOML document."""

    text: str
    document: dict[str, Any]

    @property
    def label(self) -> str:
        """The text, reduced to characters that are safe in the name of a folder."""
        return "=".join(re.sub(r"[^\w.+-]+", "-", part).strip("-") for part in self.text.split("=", 1))


def read(name: str, changes: Sequence[Change] = (), weights: str | None = None) -> Grid:
    """Read a grid from a file, or by name if it ships with the package.

    Args:
      name: a path, or the name of a grid that ships with the package.
      changes: values that replace those of the grid; if a key has several, the last one is used.
      weights: name or file of a network that replaces that of the grid.

    Raises:
      InputError: there is no such grid, it is not TOML, a key is unknown, or a value is invalid.
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
        return parse(text, path.stem, changes, weights)


def names() -> list[str]:
    """Return the names of the grids that ship with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def parse(text: str, name: str, changes: Sequence[Change] = (), weights: str | None = None) -> Grid:
    """Return the grid that a TOML text describes; `name` is that of the grid, the other arguments are those of `read`.

    Raises:
      InputError: as `read`.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"has more than {MAX_CHARACTERS} characters, too many for a grid")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a plain ValueError: a number with too many digits
        raise InputError(f"not TOML: {error}") from error
    for change in changes:
        for key, value in change.document.items():
            before = document.get(key)
            document[key] = before | value if isinstance(before, dict) and isinstance(value, dict) else value
    if changes:
        name = ",".join([name, *(change.label for change in changes)])
        text = "".join(f"# changed: {change.text}\n" for change in changes) + text
    return _from_document(document, name, text, weights)


def parse_change(text: str) -> Change:
    """Parse SECTION.KEY=VALUE, weights=VALUE or preset=VALUE.

    A value is written as in TOML; if it is not valid TOML, it is a string, so that strings need no quotes.

    Raises:
      InputError: the text has another form, the key is unknown, or the value is invalid.
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
        _from_document({"adapt": {"lam": [0.5, 1.0]}, "search": {}} | document if is_searched else document)
    return Change(f"{name}={written}", document)


def _from_document(document: dict[str, Any], name: str = "", text: str = "", weights: str | None = None) -> Grid:
    """Return the grid that a TOML document describes."""
    _refuse_unknown("", document, ["weights", "preset", *_SECTIONS])
    sections = {section: document.get(section, {}) for section in _SECTIONS}
    for section, keys in sections.items():
        if not isinstance(keys, dict):
            raise InputError(f"{section}: must be a section, written [{section}]")
        _refuse_unknown(f"{section}.", keys, [field.name for field in dataclasses.fields(_SECTIONS[section])])
    named = {key: _value(key, document[key], str) for key in ("weights", "preset") if key in document}
    weights = weights or named.get("weights")
    start = get_preset(named.get("preset") or find_default_preset(weights or ""))
    single = {
        "songs": _replace_settings(SongsConfig(), "songs", sections["songs"]),
        "separate": _replace_settings(start.separate, "separate", sections["separate"]),
        "evaluate": _replace_settings(EvaluateConfig(), "evaluate", sections["evaluate"]),
    }
    if single["separate"].gate:
        raise InputError('separate.gate: does not apply to sweeps; write outputs = "gated" under [evaluate]')
    if "search" not in document:
        return Grid(name, text, weights, adapt=list_combinations(start.adapt, sections["adapt"]), **single)
    asked = _replace_settings(SearchConfig(), "search", sections["search"])
    space = search_space.parse(
        start.adapt, sections["adapt"], lambda key, value: _value(f"adapt.{key}", value, _TYPES["adapt"][key])
    )
    return Grid(name, text, weights, adapt=(), **single, search=asked, space=space)


def list_combinations(start: AdaptConfig, keys: dict[str, Any]) -> tuple[AdaptConfig, ...]:
    """Return the settings of every combination of the values of an ``[adapt]`` section.

    Args:
      start: settings for the keys that the section does not have.
      keys: the section.

    Raises:
      InputError: a list is empty or repeats a value, or a value is invalid.
    """
    for key, value in keys.items():
        if isinstance(value, dict):
            raise InputError(f"adapt.{key}: ranges are for searches: add a section [search]")
    lists = {key: value if isinstance(value, list) else [value] for key, value in keys.items()}
    n_combinations = 1
    for key, values in lists.items():
        if not values:
            raise InputError(f"adapt.{key}: the list is empty, so that the grid has no settings")
        n_combinations *= len(values)
    if n_combinations > MAX_COMBINATIONS:
        many = f"{n_combinations} combinations" if n_combinations < 10**15 else "more combinations than can be counted"
        raise InputError(f"adapt: {many} are more than the {MAX_COMBINATIONS} that a grid may have")
    for key, values in lists.items():
        counts = collections.Counter(_value(f"adapt.{key}", value, _TYPES["adapt"][key]) for value in values)
        value, times = counts.most_common(1)[0]
        if times > 1:
            raise InputError(f"adapt.{key}: {value!r:.60} is listed twice")
    every = (dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values()))
    return tuple(dict.fromkeys(canonical(_replace_settings(start, "adapt", values)) for values in every))


def canonical(settings: AdaptConfig) -> AdaptConfig:
    """Return settings in which those without effect on their strategy have their defaults."""
    if settings.strategy == "B0":
        return AdaptConfig(strategy="B0")
    if not any(part.startswith("P") for part in (settings.strategy or "P").split("+")):
        settings = dataclasses.replace(settings, lam=AdaptConfig.lam)
    if not settings.pitch_shifts:
        settings = dataclasses.replace(
            settings, pitch_seed=AdaptConfig.pitch_seed, pitch_range_semitones=AdaptConfig.pitch_range_semitones
        )
    return settings


def _replace_settings(start: Any, section: str, keys: dict[str, Any]) -> Any:
    """Return settings with the values of a section."""
    values = {key: _value(f"{section}.{key}", value, _TYPES[section][key]) for key, value in keys.items()}
    with error_context(f"[{section}]"):
        return dataclasses.replace(start, **values)


def _value(key: str, value: Any, kind: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise InputError(f"{key}: contains a zero byte, which is not allowed in names")
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise InputError(f"{key}: {error}") from error


def _refuse_unknown(prefix: str, keys: dict[str, Any], known: list[str]) -> None:
    for key in keys:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0)[0]
            raise InputError(f"{prefix}{key}: there is no such key; did you mean {prefix}{nearest}?")

"""What users decide that names stand for: options of the command line, and a file of their own names.

The file is TOML, with lines such as `"Klavier" = "one of other"`. What is decided is a source (all of it), a name that
is known, `one of` a source, or nothing, which leaves the name's labels out.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from ugosa_jax.annotations.instruments import Names, folded, found
from ugosa_jax.errors import InputError


def parse(pairs: Sequence[str]) -> dict[str, str]:
    """Return what NAME=SOURCE says, for each such text.

    Raises:
      InputError: one of them has no equals sign or no name, or two are for the same name.
    """
    decided: dict[str, str] = {}
    for pair in pairs:
        name, equals, target = (part.strip() for part in pair.rpartition("="))
        if not equals or not name:
            raise InputError(f"map: {pair!r} is not NAME=SOURCE, such as Gesang=vocals or 'piano=one of other'")
        _add(decided, name, target, "map")
    return decided


def read(path: Path) -> dict[str, str]:
    """Return what a file of names says.

    Raises:
      InputError: the file cannot be read, is no TOML, or holds something else than texts.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        hint = 'lines are "NAME" = "SOURCE"'
        raise InputError(f"{path}: is not TOML ({' '.join(str(error).split())[:200]}); {hint}") from error
    decided: dict[str, str] = {}
    for name, target in content.items():
        if not isinstance(target, str):
            raise InputError(f'{path}: {name!r}: is not a text such as "one of other"; lines are "NAME" = "SOURCE"')
        _add(decided, name.strip(), target.strip(), str(path))
    return decided


def check(target: str, sources: Sequence[str]) -> None:
    """Refuse what a name cannot stand for.

    Raises:
      InputError: saying what it could.
    """
    found("x", sources, Names({"x": target}))


def _add(decided: dict[str, str], name: str, target: str, where: str) -> None:
    if folded(name) in map(folded, decided):
        raise InputError(f"{where}: {name!r} is there twice")
    decided[name] = target

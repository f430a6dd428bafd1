"""YAML files that describe weights made of several networks: bags and chains."""

import re
import reprlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from ugosa_jax.errors import InputError, error_context, require

MAX_MEMBERS = 100


def read(path: Path) -> dict[str, Any]:
    """Return the fields of a description.

    Raises:
      InputError: the file cannot be read, is not YAML or has no fields.
    """
    with error_context(path):
        try:
            fields = yaml.safe_load(path.read_text("utf-8"))
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})") from error
        except (
            yaml.YAMLError,
            ValueError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:  # some malformed scalars
            raise InputError(f"is not YAML ({' '.join(str(error).split())[:120]})") from error
        expected = "models: [...] and weights: [...], or chain: [...]"
        require(isinstance(fields, dict), "a description", expected, type(fields).__name__)
        return fields


def check_fields(fields: dict[str, Any], kind: str, known: Collection[str]) -> None:
    """Raise InputError if a description of this kind has a field that is not known."""
    unknown = [str(field)[:40] for field in fields if field not in known]
    require(not unknown, f"fields of {kind}", ", ".join(known), ", ".join(unknown))


def check_names(field: str, names: Any) -> tuple[str, ...]:
    """Return the names of networks that a field lists.

    Raises:
      InputError: the field is not a list of at most `MAX_MEMBERS` different names.
    """
    is_short = isinstance(names, list) and 1 <= len(names) <= MAX_MEMBERS
    is_valid = is_short and all(isinstance(name, str) and re.fullmatch(r"\w[\w-]{0,63}", name) for name in names)
    require(is_valid and len(set(names)) == len(names), field, "a list of different names", reprlib.repr(names)[:100])
    return tuple(names)

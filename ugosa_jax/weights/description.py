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
    """Read the fields of a description.

    Raises:
      InputError: the file cannot be read, is not YAML or has no fields.
    """
    with error_context(path):
        try:
            said = yaml.safe_load(path.read_text("utf-8"))
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})") from error
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:  # odd scalars
            raise InputError(f"is not YAML ({' '.join(str(error).split())[:120]})") from error
        expected = "models: [...] and weights: [...], or chain: [...]"
        require(isinstance(said, dict), "a description", expected, type(said).__name__)
        return said


def check_fields(said: dict[str, Any], what: str, known: Collection[str]) -> None:
    """Refuse fields that nobody knows.

    Raises:
      InputError: there is one.
    """
    unknown = [str(field)[:40] for field in said if field not in known]
    require(not unknown, f"fields of {what}", ", ".join(known), ", ".join(unknown))


def check_names(field: str, names: Any) -> tuple[str, ...]:
    """Return the different names of networks that a field lists.

    Raises:
      InputError: it lists none, or something else.
    """
    few = isinstance(names, list) and 1 <= len(names) <= MAX_MEMBERS
    plain = few and all(isinstance(name, str) and re.fullmatch(r"\w[\w-]{0,63}", name) for name in names)
    require(plain and len(set(names)) == len(names), field, "a list of different names", reprlib.repr(names)[:100])
    return tuple(names)

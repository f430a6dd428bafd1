"""JSON, as far as every format of it is the same."""

import json
import math
from typing import Any

from ugosa_jax.annotations.formats.label import shown
from ugosa_jax.errors import InputError


def parsed(text: str, path: str) -> Any:
    """Return what a JSON file holds; NaN and infinities, which programs write though JSON has none, are numbers.

    Raises:
      InputError: it is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and (lines := _by_lines(text)):
            return lines
        raise InputError(f"{path}:{error.lineno}: is not JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets of thousands of levels
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error


def _by_lines(text: str) -> list[Any]:
    """Return what each line holds, as in JSON Lines; nothing if one is no JSON."""
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return []


def number(value: Any, path: str, where: str) -> float:
    """Return a finite number.

    Raises:
      InputError: the value is none.
    """
    try:
        result = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise InputError(f"{path}:{where}: {shown(str(value))} is not a number")
    return result

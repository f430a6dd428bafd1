"""Dataclasses that check the types and ranges of their fields."""

import functools
import typing
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from ugosa_jax.errors import InputError

_NOUNS = {float: "a number", int: "an integer", bool: "True or False", str: "a text"}


class Checked:
    """Base class of dataclasses whose fields are checked against their types at construction.

    The type of a field may include a range: `Annotated[float, msgspec.Meta(…)]`, whose `description` is used in
    messages. NumPy scalars are accepted as numbers.

    Raises:
      InputError: a field is of another type, or outside its range.
    """

    def __post_init__(self):
        for name, kind in _get_field_types(type(self)).items():
            value = getattr(self, name)
            if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
                value = value.item()  # pyright: ignore[reportAttributeAccessIssue]
            try:
                checked = msgspec.convert(value, kind)
            except (msgspec.ValidationError, OverflowError) as error:
                is_of_another_type = ", got " in str(error)
                raise InputError(f"{name} must be {_describe(kind, is_of_another_type)}, not {value!r:.80}") from error
            object.__setattr__(self, name, checked)


@functools.cache
def _get_field_types(of: type) -> dict[str, Any]:
    """Return the type of each field, with its range."""
    return typing.get_type_hints(of, include_extras=True)


def _describe(kind: Any, by_type: bool) -> str:
    """Return a description of the values that a field accepts: their type if `by_type`, else their range."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        ranges = (str(meta.description) for meta in kind.__metadata__ if isinstance(meta, msgspec.Meta))
        return _describe(parts[0], by_type) if by_type else next(ranges)
    if origin is Literal:
        return f"one of {', '.join(parts)}"
    if type(None) in parts:
        return next(_describe(part, by_type) for part in parts if part is not type(None)) + " (or None)" * by_type
    return _NOUNS.get(kind, "a list of texts")

"""Annotations as people write them: each module reads one tool's files, and `registry` knows which is whose."""

from ugosa_jax.annotations.formats.registry import (
    FORMATS,
    SUFFIXES,
    Format,
    read,
    recognised,
    stem_names,
    written_as,
)

__all__ = ["FORMATS", "SUFFIXES", "Format", "read", "recognised", "stem_names", "written_as"]

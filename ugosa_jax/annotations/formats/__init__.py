"""Annotations as people write them: each module reads one tool's files, and `registry` knows which is whose."""

from ugosa_jax.annotations.formats.registry import (
    FORMATS,
    SUFFIXES,
    Format,
    choose_format,
    read,
    read_folder,
    read_stem_names,
    recognise,
)

__all__ = ["FORMATS", "SUFFIXES", "Format", "choose_format", "read", "read_folder", "read_stem_names", "recognise"]

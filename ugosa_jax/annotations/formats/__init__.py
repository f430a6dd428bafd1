"""Readers and writers of annotation files; `registry` recognises the format of a file."""

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

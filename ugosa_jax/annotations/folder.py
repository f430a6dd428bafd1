"""A folder of annotations, as when each source has its own file."""

from collections.abc import Sequence
from pathlib import Path

from ugosa_jax.annotations import formats, instruments
from ugosa_jax.annotations.formats import Format, foreign
from ugosa_jax.annotations.formats.label import Reading
from ugosa_jax.annotations.instruments import Names
from ugosa_jax.annotations.understand import stem_of
from ugosa_jax.errors import InputError


def read(
    folder: Path, sources: Sequence[str], names: Names | None, format: Format | None, unit: str | None = None
) -> Reading:
    """Return what stands in all files of a folder.

    A file that cannot be read is left out with a warning if it is not named after a source: lyrics, notes to oneself.
    Hidden files, and those with which an office program locks others, are no one's annotations.

    Raises:
      InputError: there are no files, none can be read, or one of a source cannot.
    """
    foreign.refuse_suffix(folder)
    visible = (path for path in folder.iterdir() if not path.name.startswith((".", "~")))
    paths = sorted(path for path in visible if path.suffix.lower() in formats.SUFFIXES and path.is_file())
    if not paths:
        raise InputError(f"{folder}: cannot be read (a folder without files of annotations)")
    readings, warnings = [], []
    for path in paths:
        try:
            reading = formats.read(path, format, unit)
        except InputError as error:
            if _is_of_a_source(path, sources, names) or (path == paths[-1] and not readings):
                raise
            warnings.append(f"{error}; left out: the file is not named after a source")
        else:
            readings.append(reading)
            if not reading.labels and not reading.left_out:
                warnings.append(f"{path}: has no labels: it says nothing")
    return Reading(
        [label for reading in readings for label in reading.labels],
        tuple(warnings) + tuple(warning for reading in readings for warning in reading.warnings),
        left_out=tuple(what for reading in readings for what in reading.left_out),
    )


def _is_of_a_source(path: Path, sources: Sequence[str], names: Names | None) -> bool:
    """Return whether a file, or the end of its name, is called like a source or an instrument that is wanted."""
    words = instruments.normalised(stem_of(path.name)).split()
    tails = [stem_of(path.name), *(" ".join(words[n:]) for n in range(len(words)))]
    found = next((name for tail in tails if (name := instruments.found(tail, sources, names)) is not None), None)
    return found is not None and bool(found.source)

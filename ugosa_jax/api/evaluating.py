"""Evaluation of stems."""

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.api.arguments import as_annotation, check_type, choose_settings
from ugosa_jax.config import EvaluateConfig, Preset
from ugosa_jax.data import loading, stems
from ugosa_jax.data.datasets import Track
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError, require
from ugosa_jax.evaluation import scoring
from ugosa_jax.evaluation.scoring import Evaluation


def evaluate(
    references: Song | str | Path | Mapping[str, np.ndarray],
    estimates: str | Path | Mapping[str, np.ndarray],
    annotation: Annotation | None = None,
    *,
    rate_hz: int | None = None,
    settings: EvaluateConfig | Preset | None = None,
) -> Evaluation:
    """Score estimates of a song's stems against the true stems.

    Example:
      >>> import numpy as np, ugosa_jax as uj
      >>> true = {name: np.random.default_rng(i).normal(size=(1, 24000)) for i, name in enumerate(["voice", "rest"])}
      >>> estimates = {name: samples + 0.1 * true["rest"] for name, samples in true.items()}
      >>> scores = uj.evaluate(true, estimates, rate_hz=8000)
      >>> round(scores.db("voice", "SDR"))
      20

    Args:
      references: the true stems: a folder with a sound file for each source, {source: (C, T)}, or a song with stems.
      estimates: the same sources in a folder or as {source: (C, T)}; they are cut or padded with silence to the length
        of the references.
      annotation: when each source plays; the song's own if None. With an annotation, estimates are also scored after
        muting them where their source is annotated silent.
      rate_hz: sample rate; required if all stems are arrays.
      settings: frames, engine, and which estimates are scored.

    Returns:
      The scores; they print as a table, and `db("vocals", "SDR")` returns one of them.

    Raises:
      InputError: stems are missing, cannot be read, or do not fit each other.
    """
    check_type("references", references, Song | str | Path | Mapping, "a folder, {source: array} or a Song with stems")
    check_type("estimates", estimates, str | Path | Mapping, "a folder or {source: array}")
    song = _read_references(references, rate_hz)
    if as_annotation(annotation) is not None:
        song = dataclasses.replace(song, annotation=annotation)
    shape = song.require_stems().shape[1:]
    if isinstance(estimates, Mapping):
        sounds = _iterate_sounds("estimates", estimates)
        found = {source: stems.fit_length(est_CxT, shape[-1]) for source, est_CxT in sounds}
    else:
        paths = stems.find_stems(Path(estimates), song.sources)
        found, notes = stems.read_estimates(paths, song.mixture.rate_hz, shape)
        for note in notes:
            warnings.warn(note, stacklevel=2)
    return scoring.evaluate(song, found, choose_settings(settings, EvaluateConfig, Preset()))


def _read_references(references: Song | str | Path | Mapping[str, np.ndarray], rate_hz: int | None = None) -> Song:
    """Return a song with its true stems; see `evaluate`."""
    if isinstance(references, Song):
        return references
    if not isinstance(references, Mapping):
        folder = Path(references)
        return loading.load_with_stems(Track(folder.resolve().name, "folder", folder), stems.list_names(folder))
    if rate_hz is None or not references:
        raise InputError("references: arrays need a sample rate (rate_hz), and at least one source")
    found = dict(_iterate_sounds("references", references))
    if len(shapes := {stem_CxT.shape for stem_CxT in found.values()}) > 1:
        raise InputError(f"references: stems must be of one shape (channels, samples), not {sorted(shapes)}")
    stems_SxCxT = np.stack([*found.values()])
    return Song(Audio(stems_SxCxT.sum(0), rate_hz, "references"), stems_SxCxT, tuple(found))


def _iterate_sounds(argument: str, given: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and samples, float32 (C, T), of each sound; errors name the argument."""
    for source, samples_CxT in given.items():
        found_CxT = np.asarray(samples_CxT, np.float32)
        require(found_CxT.ndim == 2, f"{argument}: {source}", "an array (channels, samples)", found_CxT.shape)
        yield source, found_CxT

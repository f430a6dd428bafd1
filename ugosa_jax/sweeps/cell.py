"""A cell of a sweep: one song, adapted with one combination of settings."""

import dataclasses
import hashlib
import json
from typing import Any

from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.separation import refine

RESULTS_VERSION = 2
"""A part of a cell's ID, so that results of different versions are never mixed. It is raised with every change after
which the same settings may score differently, and only then."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A song and the settings that it is processed with.

    Attributes:
      id: hash of everything that determines the result; it names the file of the result.
      song: name of the song.
      adapt: settings of the adaptation.
      determinants: the data that is hashed, which the record of the result includes.
    """

    id: str
    song: str
    adapt: AdaptConfig
    determinants: dict[str, Any] = dataclasses.field(compare=False)


def make_cell(
    song: str,
    song_sha256: str,
    weights: str,
    adapt: AdaptConfig,
    separate: SeparateConfig,
    evaluate: EvaluateConfig,
) -> Cell:
    """Return the cell of a song and settings.

    Args:
      song: name of the song.
      song_sha256: hash of its sound and its annotation.
      weights: fingerprint of the network before adaptation.
      adapt: settings of the adaptation.
      separate: settings of the separation.
      evaluate: settings of the evaluation.
    """
    settings = {"adapt": adapt, "separate": separate, "evaluate": evaluate}
    determinants = {"results_version": RESULTS_VERSION, "song": song, "song_sha256": song_sha256, "weights": weights}
    determinants |= {section: dataclasses.asdict(values) for section, values in settings.items()}
    if separate.refine == "wiener" and separate.wiener_em_steps:
        determinants["separate"]["wiener_piece"] = refine.PIECE  # covariances are estimated piece by piece
    if adapt.precision == "float32":  # keeps the IDs of cells from before there was a choice
        del determinants["adapt"]["precision"]
    text = json.dumps(list(determinants.values()), sort_keys=True)
    return Cell(hashlib.sha256(text.encode()).hexdigest()[:20], song, adapt, determinants)


def drop_lane_settings(adapt: AdaptConfig) -> AdaptConfig:
    """Return settings with default λ and learning rate, which may differ between the lanes of a program."""
    return dataclasses.replace(adapt, lam=AdaptConfig.lam, learning_rate=AdaptConfig.learning_rate)

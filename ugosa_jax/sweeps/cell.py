"""A cell of a sweep: one song, adapted with one combination of settings."""

import dataclasses
import hashlib
import json
from typing import Any

from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.separation import refine

RESULTS_VERSION = 2
"""Part of what names a cell: to be raised with every change after which the same cell may score otherwise, and only
then. Results of another version are never taken for those of this one."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is computed, and the name of its result.

    Attributes:
      id: hash of everything that determines the result, so that a store can tell what it already has.
      song: name of the song.
      adapt: settings of the adaptation.
      determines: what is hashed, as it is written into the record.
    """

    id: str
    song: str
    adapt: AdaptConfig
    determines: dict[str, Any] = dataclasses.field(compare=False)


def cell(
    song: str,
    song_sha256: str,
    weights: str,
    adapt: AdaptConfig,
    separate: SeparateConfig,
    evaluate: EvaluateConfig,
) -> Cell:
    """Return the cell of a song and settings.

    Args:
      song: its name.
      song_sha256: hash of its sound and its annotation.
      weights: fingerprint of the network to start from.
      adapt: how it is adapted.
      separate: how the song is separated.
      evaluate: how the estimates are scored.
    """
    settings = {"adapt": adapt, "separate": separate, "evaluate": evaluate}
    determines = {"results_version": RESULTS_VERSION, "song": song, "song_sha256": song_sha256, "weights": weights}
    determines |= {section: dataclasses.asdict(values) for section, values in settings.items()}
    if separate.refine == "wiener" and separate.wiener_em_steps:
        determines["separate"]["wiener_piece"] = refine.PIECE  # covariances are those of a piece
    if adapt.precision == "float32":  # cells from before there was a choice keep their names
        del determines["adapt"]["precision"]
    text = json.dumps(list(determines.values()), sort_keys=True)
    return Cell(hashlib.sha256(text.encode()).hexdigest()[:20], song, adapt, determines)


def compiled_alike(adapt: AdaptConfig) -> AdaptConfig:
    """Return the settings without what may differ between lanes of one batch."""
    return dataclasses.replace(adapt, lam=AdaptConfig.lam, learning_rate=AdaptConfig.learning_rate)

"""The last stage of a separation: what the network gives is measured, then muted and refined with the annotation.

All that is compared goes through it alike, so that a difference between two separations is one between networks.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from ugosa_jax.config import SeparateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.evaluation.leakage import LeakageMeter
from ugosa_jax.separation import song_separation as separation


class OutputStage:
    """Stems of a song, (S, C, n), stretch by stretch, once.

    Attributes:
      leakage: of the network's own output; complete when all stretches have been taken.
    """

    def __init__(self, own_SxCxn: Iterable[np.ndarray], song: Song, settings: SeparateConfig):
        """Prepare.

        Args:
          own_SxCxn: what the network gives, neither muted nor refined.
          song: with its annotation.
          settings: how stems are muted and refined.
        """
        said, mixture = song.require_annotation(), song.mixture
        self.leakage = LeakageMeter(said, mixture.n_samples, mixture.rate_hz)
        self._stems = self.leakage.measure(own_SxCxn)
        if settings.gate or settings.refine != "none":
            self._stems = separation.refine_blocks(self._stems, song, said, settings)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the stretches."""
        return self._stems

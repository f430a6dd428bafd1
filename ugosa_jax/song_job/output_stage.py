"""The output stage of a separation: measure leakage, then mute and refine the stems with the annotation.

All separations that are compared use the same output stage, so that they differ only in the network.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from ugosa_jax.config import SeparateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.evaluation.leakage import LeakageMeter
from ugosa_jax.separation import song_separation as separation


class OutputStage:
    """An iterator over the refined stems of a song, in blocks (S, C, n).

    Attributes:
      leakage: meter of the leakage of the network's output, complete after the last block.
    """

    def __init__(self, own_SxCxn: Iterable[np.ndarray], song: Song, settings: SeparateConfig):
        """Build the chain of iterators; nothing is computed yet.

        Args:
          own_SxCxn: output of the network, neither muted nor refined.
          song: the song with its annotation.
          settings: whether and how to mute and refine.
        """
        labels, mixture = song.require_annotation(), song.mixture
        self.leakage = LeakageMeter(labels, mixture.n_samples, mixture.rate_hz)
        self._stems = self.leakage.measure(own_SxCxn)
        if settings.gate or settings.refine != "none":
            self._stems = separation.refine_blocks(self._stems, song, labels, settings)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the blocks."""
        return self._stems

"""Leakage: the level of stems where their source is annotated silent; no true stems are needed.

It is measured on the network's output, before the output stage mutes the stems according to the same annotation.

S sources, C channels, n samples.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations.annotation import Annotation

_TINY = 1e-12
"""Mean square of silence, −120 dB."""


class LeakageMeter:
    """A meter for the leakage of stems that arrive in blocks."""

    def __init__(self, annotation: Annotation, n_samples: int, rate_hz: float):
        """Start a measurement.

        Args:
          annotation: when each source plays; where it is unknown, the source counts as playing.
          n_samples: length of the song.
          rate_hz: its sample rate.
        """
        self._sources = annotation.sources
        self._silences = annotations.find_silences(annotation, n_samples, rate_hz)
        self._squares_S = np.zeros(len(annotation.sources))
        self._count_S = np.zeros(len(annotation.sources), int)

    def measure(self, blocks_SxCxn: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield blocks of stems (S, C, n), in the order of the annotation's sources, unchanged, and measure them."""
        done = 0
        for stems_SxCxn in blocks_SxCxn:
            stop = done + stems_SxCxn.shape[-1]
            silent_Sxn = ~self._silences.compute_active(done, stop)
            for s, (stem_Cxn, silent_n) in enumerate(zip(stems_SxCxn, silent_Sxn, strict=True)):
                heard_Cxn = stem_Cxn[:, silent_n]
                self._squares_S[s] += np.square(heard_Cxn, dtype=np.float64).sum()
                self._count_S[s] += heard_Cxn.size
            done = stop
            yield stems_SxCxn

    def compute_db(self) -> dict[str, float]:
        """Return 10 log₁₀ of the mean square where each source is annotated silent; NaN if it never is."""
        mean_S = np.divide(
            self._squares_S, self._count_S, out=np.full(len(self._count_S), np.nan), where=self._count_S > 0
        )
        return dict(zip(self._sources, (10 * np.log10(mean_S + _TINY)).tolist(), strict=True))

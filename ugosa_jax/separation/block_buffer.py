"""A signal that comes in blocks, of which a moving stretch is kept.

C channels, n and T samples.
"""

from collections.abc import Iterable, Iterator

import numpy as np


class BlockBuffer:
    """A signal of T samples that can be read anywhere behind what was let go; silence lies before it and behind it.

    It is taken from `blocks_Cxn` as far as it is asked for, and only once.
    """

    def __init__(self, blocks_Cxn: Iterable[np.ndarray], n_channels: int, n_samples: int):
        self._coming = iter(blocks_Cxn)
        self._n_samples = n_samples
        self._kept = [np.zeros((n_channels, 0), np.float32)]
        self._start = self._stop = 0

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the stretch (C, stop − start), not to be written to.

        Raises:
          ValueError: part of it was let go already, or the signal ends before its T samples.
        """
        first = max(0, start)
        last = max(first, min(stop, self._n_samples))
        if self._start > first < last:
            raise ValueError(f"sample {first} is asked for, those before {self._start} were let go")
        while self._stop < last and first < last:
            block = next(self._coming, None)
            if block is None:
                raise ValueError(f"the signal ends after {self._stop} samples, not {self._n_samples}")
            self._kept.append(block)
            self._stop += block.shape[1]
        if len(self._kept) > 1:
            self._kept = [np.concatenate(self._kept, axis=1)]
        there = self._kept[0][:, first - self._start : last - self._start] if first < last else self._kept[0][:, :0]
        if there.shape[1] == stop - start:
            return there
        read = np.zeros((len(there), stop - start), there.dtype)
        read[:, first - start : last - start] = there
        return read

    def read_and_discard(self, start: int, stop: int) -> np.ndarray:
        """Return a stretch as `read` does; what lies before it is forgotten."""
        self.discard_before(start)
        return self.read(start, stop)

    def discard_before(self, before: int) -> None:
        """Forget the samples before a place, or as many of them as there are by now."""
        whole = np.concatenate(self._kept, axis=1) if len(self._kept) > 1 else self._kept[0]
        n = min(max(0, before - self._start), whole.shape[1])
        self._kept = [whole[:, n:]]
        self._start += n


def split_into_blocks(samples_CxT: np.ndarray, length: int) -> Iterator[np.ndarray]:
    """Yield a signal block by block."""
    for start in range(0, samples_CxT.shape[1], length):
        yield samples_CxT[:, start : start + length]

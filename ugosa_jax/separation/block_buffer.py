"""A buffer over a signal that arrives in blocks.

C channels, T samples of the signal, n samples of a block.
"""

from collections.abc import Iterable

import numpy as np


class BlockBuffer:
    """A signal of T samples that can be read from any position that has not been discarded; outside, it is silent.

    Blocks are taken from the iterator `blocks_Cxn` when a read needs them.
    """

    def __init__(self, blocks_Cxn: Iterable[np.ndarray], n_channels: int, n_samples: int):
        self._blocks = iter(blocks_Cxn)
        self._n_samples = n_samples
        self._kept = [np.zeros((n_channels, 0), np.float32)]
        self._start = self._stop = 0

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the samples from `start` to `stop`, (C, stop − start); do not modify them.

        Raises:
          ValueError: some of them were discarded, or the blocks end before T samples.
        """
        first = max(0, start)
        last = max(first, min(stop, self._n_samples))
        if self._start > first < last:
            raise ValueError(f"sample {first} was discarded, as all before {self._start}")
        while self._stop < last and first < last:
            block = next(self._blocks, None)
            if block is None:
                raise ValueError(f"the signal ends after {self._stop} samples, not {self._n_samples}")
            self._kept.append(block)
            self._stop += block.shape[1]
        if len(self._kept) > 1:
            self._kept = [np.concatenate(self._kept, axis=1)]
        inside = self._kept[0][:, first - self._start : last - self._start] if first < last else self._kept[0][:, :0]
        if inside.shape[1] == stop - start:
            return inside
        padded = np.zeros((len(inside), stop - start), inside.dtype)
        padded[:, first - start : last - start] = inside
        return padded

    def read_and_discard(self, start: int, stop: int) -> np.ndarray:
        """Return the samples from `start` to `stop`, and discard those before `start`."""
        self.discard_before(start)
        return self.read(start, stop)

    def discard_before(self, before: int) -> None:
        """Discard the stored samples before position `before`."""
        whole = np.concatenate(self._kept, axis=1) if len(self._kept) > 1 else self._kept[0]
        n = min(max(0, before - self._start), whole.shape[1])
        self._kept = [whole[:, n:]]
        self._start += n

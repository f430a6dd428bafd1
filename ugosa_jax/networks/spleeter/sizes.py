"""The sizes of a Spleeter network, and the number of frames of a mixture.

The alphabet of shapes, used as suffixes of names in this package:

    T samples · C audio channels · S sources · P pieces of a song · K frames of a piece · F frequencies
    I input channels of a layer · O output channels of a layer
"""

import dataclasses
import itertools
from typing import Literal

from ugosa_jax.config import MAX_RATE_HZ
from ugosa_jax.errors import require

_MAX = 2**16
_MAX_DEPTH = 12
_MAX_SOURCES = 100
"""Limits for damaged or hostile files; published networks are far below."""


@dataclasses.dataclass(frozen=True)
class SpleeterSettings:
    """Sizes of a Spleeter network. The defaults are those of the published network for two stems.

    Raises:
      InputError: a setting is out of its range, or does not fit the others.
    """

    sources: tuple[str, ...] = ("vocals", "accompaniment")
    sample_rate_hz: int = 44100
    channels: int = 2
    """Audio channels."""
    nfft: int = 4096
    """Window of the spectrogram in samples; the hop is a quarter of it."""
    bins: int = 1024
    """Number of frequencies that the network processes, from 0 Hz on; estimates are zero above."""
    piece_frames: int = 512
    """Frames of a piece, which the network processes at once."""
    filters: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    """Channels of each level's encoder, the outermost first."""
    activation: Literal["leaky", "elu"] = "leaky"
    """leaky: LeakyReLU in encoders and ReLU in decoders; elu: ELU in both."""
    mask: Literal["sigmoid", "softmax"] = "sigmoid"
    """Function from logits to each source's share of the mixture's magnitude; softmax is over the sources."""

    def __post_init__(self):
        for name in ("channels", "bins", "piece_frames", "sample_rate_hz"):
            value, most = getattr(self, name), MAX_RATE_HZ if name == "sample_rate_hz" else _MAX
            require(1 <= value <= most, f"model {name}", f"from 1 to {most}", value)
        is_window = 4 <= self.nfft <= _MAX and self.nfft % 4 == 0
        require(is_window, "model nfft", f"a multiple of 4 up to {_MAX}", self.nfft)
        require(self.bins <= self.nfft // 2 + 1, "model bins", f"at most {self.nfft // 2 + 1}", self.bins)
        names = self.sources
        require(1 <= len(names) <= _MAX_SOURCES, "model sources", f"1 to {_MAX_SOURCES} names", len(names))
        require(len(set(names)) == len(names), "model sources", "different names", names)
        is_deep = 2 <= len(self.filters) <= _MAX_DEPTH and all(1 <= n <= _MAX for n in self.filters)
        require(is_deep, "model filters", f"2 to {_MAX_DEPTH} numbers from 1 to {_MAX}", self.filters)
        for name in ("bins", "piece_frames"):
            value = getattr(self, name)
            require(value % self.grain == 0, f"model {name}", f"a multiple of {self.grain}", value)
        require(self.activation in ("leaky", "elu"), "model activation", "leaky or elu", self.activation)
        require(self.mask in ("sigmoid", "softmax"), "model mask", "sigmoid or softmax", self.mask)

    @property
    def S(self) -> int:
        """Number of sources."""
        return len(self.sources)

    @property
    def depth(self) -> int:
        """Number of levels."""
        return len(self.filters)

    @property
    def hop(self) -> int:
        """Hop of the spectrogram in samples."""
        return self.nfft // 4

    @property
    def grain(self) -> int:
        """A number that must divide the numbers of frames and of bins, because each level halves them."""
        return 2**self.depth

    @property
    def encoder_widths(self) -> tuple[tuple[int, int], ...]:
        """Input and output channels of each encoder, the outermost first."""
        return tuple(itertools.pairwise((self.channels, *self.filters)))

    @property
    def decoder_widths(self) -> tuple[tuple[int, int], ...]:
        """Input and output channels of each decoder, the deepest first; all but the deepest also take a skip."""
        given = (*self.filters[-2::-1], 1)
        return ((self.filters[-1], given[0]), *((2 * before, after) for before, after in itertools.pairwise(given)))

    def count_pieces(self, n_samples: int) -> tuple[int, int]:
        """Return (P, K): the number of pieces of a mixture, and the frames of a piece.

        A window of silence precedes the mixture, as in the original. A long mixture is padded to full pieces; one
        shorter than a piece has as many frames as it needs, rounded up to a multiple of `grain`.
        """
        n_frames = -(-(self.nfft + n_samples) // self.hop)
        if n_frames > self.piece_frames:
            return -(-n_frames // self.piece_frames), self.piece_frames
        return 1, -(-n_frames // self.grain) * self.grain

"""The settings of an HTDemucs, and the sizes of its levels that follow from them.

The letters of axes, which are suffixes of names in this package:

    T samples · F frequencies · K frames of the spectrogram · S sources · N tokens · D channels of a token
    C channels of a layer, or audio channels in mix_CxT · O output channels of a layer · H hidden channels
    P taps · L the axis that a strided convolution runs along · Q its length afterwards · M the other axis · R rows
"""

import dataclasses
import functools
import math

from ugosa_jax.config import MAX_RATE_HZ, SOURCES
from ugosa_jax.errors import require


@dataclasses.dataclass(frozen=True)
class Branch:
    """One branch of a level: an encoder layer, and the decoder layer that restores its input shape."""

    kernel: int
    stride: int
    pad: int
    channels_in: int
    """Input channels of the encoder layer."""
    channels: int
    """Output channels of the encoder layer, and input channels of the decoder layer."""
    channels_back: int
    """Output channels of the decoder layer."""
    along_time: bool
    """The strided convolution runs along time, not along frequency."""
    bare: bool = False
    """Both layers are only the strided convolution: no gated convolution, no residual branch, no skip."""

    def strided_length(self, n: int) -> int:
        """Return the output length of the encoder layer for an input of length `n`.

        Along time, the input is padded to a multiple of the stride.
        """
        n = -(-n // self.stride) * self.stride if self.along_time else n
        return (n + 2 * self.pad - self.kernel) // self.stride + 1


@dataclasses.dataclass(frozen=True)
class Level:
    """The layers of one depth: encoder and decoder, spectrogram and wave. Level 1 is the outermost."""

    number: int
    norm: bool
    freqs_in: int
    freqs: int
    freq: Branch
    time: Branch | None


@dataclasses.dataclass(frozen=True)
class Settings:
    """Architecture of an HTDemucs. The defaults are those of the published `htdemucs`.

    Raises:
      InputError: a setting is out of its range, or the layers would not fit together.
    """

    sources: tuple[str, ...] = SOURCES
    sample_rate_hz: int = 44100
    channels: int = 2
    """Audio channels."""
    segment_samples: int | None = 343_980
    """Length that every input is zero-padded to; None: inputs are taken as they are."""
    nfft: int = 4096
    """Length of the spectrogram's window in samples; the hop is a quarter of it."""
    depth: int = 4
    width: int = 48
    """Channels of the outermost spectrogram layer."""
    wave_width: int = 48
    """Channels of the outermost wave layer."""
    growth: int = 2
    """Factor by which the number of channels grows from one level to the next."""
    kernel: int = 8
    stride: int = 4
    time_stride: int = 2
    """Stride along time of spectrogram layers after the one that leaves one frequency; kernels are twice as long."""
    rewrite: bool = True
    """Every layer has a gated convolution in addition to the strided one."""
    context: int = 1
    """Neighbours on either side that the decoder's gated convolution sees."""
    encoder_context: int = 0
    """The same for the encoder."""
    norm_starts: int = 4
    """Levels with a number greater than this have GroupNorm; the outermost level is number 1."""
    norm_groups: int = 4
    dconv_encoder: bool = True
    """Encoder layers have the dilated residual branch."""
    dconv_decoder: bool = True
    """Decoder layers have the dilated residual branch."""
    dconv_depth: int = 2
    dconv_dilates: bool = True
    """The dilation doubles from one residual block to the next."""
    dconv_compression: float = 8.0
    embedding_weight: float = 0.2
    """Weight of the frequency embedding; 0: there is none."""
    embedding_scale: float = 10.0
    bottom: int = 512
    """Channels of the transformer; 0: as many as the deepest level has."""
    layers: int = 5
    """Layers of the transformer in each branch; 0: there is no transformer."""
    heads: int = 8
    hidden_scale: float = 4.0
    cross_first: bool = False
    """Odd layers are cross-attention and even ones self-attention, rather than the reverse."""
    norm_in: bool = True
    norm_in_groups: int = 0
    """0: each token is normalised alone; n: all tokens together, channels in n groups."""
    layer_norm_groups: int = 0
    """The same for the norms inside a layer."""
    norm_first: bool = True
    norm_out_groups: int = 1
    """Groups of the norm after a layer, over all tokens; 0: there is none."""
    layer_scale: bool = True
    gelu: bool = True
    """The transformer's activation is GELU, not ReLU."""
    max_period: float = 10000.0
    position_weight: float = 1.0

    def __post_init__(self):
        names = self.sources
        require(isinstance(names, tuple) and bool(names), "sources", "a tuple of names", names)
        require(all(isinstance(name, str) and name for name in names), "sources", "non-empty strings", names)
        require(len(set(names)) == len(names) <= _MAX_SOURCES, "sources", f"up to {_MAX_SOURCES} names", names)
        for field in dataclasses.fields(self)[1:]:
            self._check(field.name, field.default)
        self._check_fit()

    def _check(self, name: str, default: object) -> None:
        value = getattr(self, name)
        if name == "segment_samples" and value is None:
            return
        kind = type(default)
        fits = type(value) is kind or (kind is float and type(value) is int)
        require(fits, name, f"of type {kind.__name__}", value)
        if not isinstance(value, int | float) or kind is bool:
            return
        least = 1 if name in _AT_LEAST_1 else 0
        most = _MAX_OF.get(name, _MAX)
        require(least <= value <= most, name, f"between {least} and {most}", value)

    def _check_fit(self) -> None:
        require(self.nfft % 8 == 0, "nfft", "a multiple of 8", self.nfft)
        require(
            not self.norm_out_groups or self.norm_first, "norm_out_groups", "0 without norm_first", self.norm_out_groups
        )
        deepest = self.levels[-1]
        for level in self.levels:
            self._check_level(level)
        if not self.layers:
            require(self.bottom == 0, "bottom", "0 without a transformer", self.bottom)
            return
        width = self.width * self.growth ** (self.depth - 1)
        time = deepest.time
        require(time is not None, "depth", "small enough that both branches reach the transformer", self.depth)
        same = deepest.freq.channels == width and time is not None and time.channels == width
        require(same, "wave_width", f"{self.width}", self.wave_width)
        D = self.token_channels
        require(D % self.heads == 0, "heads", f"a divisor of {D} channels", self.heads)
        require(D % 4 == 0, "channels of the transformer", "a multiple of 4", D)
        for name in ("norm_in_groups", "layer_norm_groups", "norm_out_groups"):
            groups = getattr(self, name)
            require(groups == 0 or D % groups == 0, name, f"a divisor of {D} channels", groups)

    def _check_level(self, level: Level) -> None:
        """Check that decoder layers restore the shapes of encoder inputs, and that norms and residual branches fit."""
        freq, where = level.freq, f"level {level.number}"
        for branch in filter(None, (level.freq, level.time)):
            require(branch.channels <= _MAX, f"channels of {where}", f"at most {_MAX}", branch.channels)
            back = branch.kernel - 2 * branch.pad
            single = not branch.along_time and level.freqs == 1
            require(
                single or back == branch.stride,
                f"kernel of {where}",
                f"one that fits stride {branch.stride}",
                branch.kernel,
            )
            if self.dconv_encoder or self.dconv_decoder:
                least = self.dconv_compression
                require(branch.channels >= least, f"channels of {where}", f"at least {least}", branch.channels)
            if level.norm:
                for channels in {branch.channels, 2 * branch.channels, branch.channels_back}:
                    require(
                        channels % self.norm_groups == 0, "norm_groups", f"a divisor of {channels}", self.norm_groups
                    )
        if not freq.along_time:
            back = (level.freqs - 1) * freq.stride + freq.kernel - 2 * freq.pad
            fits = freq.strided_length(level.freqs_in) == level.freqs and back == level.freqs_in
            require(fits, "nfft", f"divisible by the strides ({where}: {level.freqs_in} frequencies)", self.nfft)
        if level.time is not None and level.time.bare:
            strides = self.stride**level.number
            require(strides == self.hop, f"nfft (the branches join at {where})", f"{4 * strides}", self.nfft)

    @property
    def S(self) -> int:
        """Number of sources."""
        return len(self.sources)

    @property
    def hop(self) -> int:
        """Distance between consecutive frames of the spectrogram, in samples."""
        return self.nfft // 4

    @property
    def token_channels(self) -> int:
        """Channels of the transformer."""
        return self.bottom or self.width * self.growth ** (self.depth - 1)

    @functools.cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels, outermost first."""
        levels = []
        freqs = self.nfft // 2
        C_freq, C_time = 2 * self.channels, self.channels
        back_freq, back_time = C_freq * self.S, C_time * self.S
        O_freq, O_time = self.width, self.wave_width
        for number in range(1, self.depth + 1):
            last_freqs = 1 < freqs <= self.kernel
            along_time = freqs == 1
            if last_freqs:
                O_freq = O_time = max(O_freq, O_time)
            if along_time:
                kernel, stride = 2 * self.time_stride, self.time_stride
            else:
                kernel, stride = freqs if last_freqs else self.kernel, self.stride
            pad = 0 if last_freqs else kernel // 4
            freq = Branch(kernel, stride, pad, C_freq, O_freq, back_freq, along_time)
            time = Branch(
                self.kernel, self.stride, self.kernel // 4, C_time, O_time, back_time, along_time=True, bare=last_freqs
            )
            freqs_in, freqs = freqs, 1 if freqs <= self.kernel else freqs // self.stride
            norm = number > self.norm_starts
            levels.append(Level(number, norm, freqs_in, freqs, freq, None if along_time else time))
            C_freq = back_freq = O_freq
            C_time = back_time = O_time
            O_freq, O_time = self.growth * O_freq, self.growth * O_time
        return tuple(levels)

    def count_frames(self, n_samples: int) -> int:
        """Return the number of frames of the spectrogram of `n_samples`."""
        return math.ceil(n_samples / self.hop)

    def list_lengths(self, n_samples: int) -> tuple[tuple[int, int], ...]:
        """Return the lengths of each encoder level's inputs: (spectrogram branch, wave branch)."""
        K, T, lengths = self.count_frames(n_samples), n_samples, []
        for level in self.levels:
            lengths.append((K, T))
            K = level.freq.strided_length(K) if level.freq.along_time else K
            T = level.time.strided_length(T) if level.time is not None else T
        return tuple(lengths)


_MAX_SOURCES = 100
_MAX = 2**16
_MAX_OF = {
    "sample_rate_hz": MAX_RATE_HZ,
    "segment_samples": 2**26,
    "depth": 16,
    "layers": 100,
    "dconv_depth": 16,
    "context": 100,
    "encoder_context": 100,
}
"""Upper limits, so that a manipulated file cannot request an enormous network. Published networks are far below."""
_AT_LEAST_1 = (
    *("sample_rate_hz", "channels", "segment_samples", "nfft", "depth", "width", "wave_width", "growth", "kernel"),
    *("stride", "time_stride", "norm_groups", "dconv_compression", "heads", "max_period"),
)

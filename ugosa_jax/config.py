"""Settings: frozen dataclasses, the only place where defaults stand."""

import dataclasses
import sys
from typing import Annotated, Literal

from msgspec import Meta

from ugosa_jax.checked import Checked
from ugosa_jax.errors import require

Precision = Literal["float32", "bfloat16"]
InputLevel = Literal["standard", "natural"]
"""How loud a network wants its mixtures: with mean 0 and standard deviation 1 over the song, or as they are."""
FeatureStorage = Literal["auto", "float32", "bfloat16", "lean", "recompute"]
ScoringEngine = Literal["bsseval", "museval"]
Refine = Literal["none", "residual", "wiener"]
Outputs = Literal["both", "gated", "plain"]
Subset = Literal["train", "test"]
Metric = Literal["SDR", "SIR", "SAR", "ISR"]


MAX_PIECE_S = 600.0
"""Ten minutes: no piece of a song that is processed at once is longer, so that counts of numbers fit into 32 bits."""
MAX_REPEATS = 1000
"""Shifts of a song, or of the pitch of every segment: each costs as much as the first; more is a slip of the pen."""
MAX_OVERLAP = 0.99
"""A hundred chunks over every sample."""
MAX_EPOCHS = 1_000_000
"""More than any run takes."""
ACTIVATION_THRESHOLD = 0.15
"""θ of eq. (2) in the paper's text."""


CHUNK_S = 10.0
"""Length of the pieces that a network sees if it takes any length and nothing else was said, as in the paper's code."""
OVERLAP = 0.25
"""Share of such a piece that it has in common with the next one, as in the Demucs repository."""
MAX_RATE_HZ = 768_000
"""Highest sample rate of sound and of networks; anything else in a header is damage."""
SOURCES = ("drums", "bass", "other", "vocals")
"""What networks for music usually separate, in the order of MUSDB18 and of the Demucs repository."""

_LARGEST = sys.float_info.max
_STRATEGY = r"(B0|[PBR]-\w{1,8}:\w{1,8})"

NotNegative = Annotated[float, Meta(ge=0, le=_LARGEST, description="at least 0 and finite")]
Positive = Annotated[float, Meta(gt=0, le=_LARGEST, description="above 0 and finite")]
Seconds = Annotated[float, Meta(gt=0, le=MAX_PIECE_S, description=f"above 0, at most {MAX_PIECE_S}")]
Fade = Annotated[float, Meta(ge=0, le=MAX_PIECE_S, description=f"at least 0, at most {MAX_PIECE_S}")]
Repeats = Annotated[int, Meta(ge=0, le=MAX_REPEATS, description=f"at least 0, at most {MAX_REPEATS}")]
StrategyName = Annotated[
    str,
    Meta(
        pattern=rf"^{_STRATEGY}(\+{_STRATEGY})*$",
        description="B0, or a loss P, B or R, a start and an end, such as P-L3:M",
    ),
]
Share = Annotated[float, Meta(ge=0, le=MAX_OVERLAP, description=f"at least 0, at most {MAX_OVERLAP}")]
Seed = Annotated[int, Meta(ge=0, description="at least 0")]


@dataclasses.dataclass(frozen=True)
class AdaptConfig(Checked):
    """How a network is adapted to one song. The defaults are the paper's.

    Raises:
      InputError: a value outside its range.
    """

    strategy: StrategyName | None = None
    """A loss P, B or R, a start and an end: P-L3:M; the paper's Table 1 has L1 to L5 and D, M or 3. B0 adapts nothing.
    The network's own default if not given: P-L3:M for ConvTasNet."""
    lam: NotNegative = 1.0
    """λ of eq. (1): weight of the sound predicted where a source is annotated silent."""
    learning_rate: Positive = 1e-5
    """Step size of Ranger."""
    epochs: Annotated[int, Meta(ge=1, le=MAX_EPOCHS, description=f"at least 1, at most {MAX_EPOCHS}")] = 10
    """Passes over the song."""
    segment_s: Seconds | None = None
    """Length of a training segment in seconds; if not given, the paper's 4 s, or what the network was trained on."""
    hop_s: Seconds | None = None
    """Time from one segment's start to the next one's in seconds; one segment if not given."""
    pitch_shifts: Repeats = 0
    """Randomly pitch-shifted copies of every segment that are trained on beside it (needs librosa)."""
    pitch_range_semitones: Annotated[float, Meta(ge=0, le=48, description="between 0 and 48")] = 12.0
    """Pitch shifts are drawn uniformly from ± this many semitones."""
    centralise_gradients: bool = True
    """Subtract each gradient's mean before RAdam, as the reference's optimizer does."""
    features: FeatureStorage = "auto"
    """How the output of the frozen stages is kept between epochs; lean: without what is cheap to compute again.
    auto: the first of float32, lean and recompute that fits into memory."""
    pitch_seed: Seed = 0
    """Seed of the pitch shifts."""
    shuffle_seed: Seed = 0
    """Seed of the order of the segments, another one in every epoch; 0: they come in time order."""
    precision: Precision = "float32"
    """bfloat16: products of matrices are rounded to it, and on a GPU or TPU what lies between them too, which halves
    what their memory moves; weights and sums stay float32. Separation is float32 in any case."""


@dataclasses.dataclass(frozen=True)
class SeparateConfig(Checked):
    """How a whole song is separated.

    Raises:
      InputError: a value outside its range.
    """

    chunk_s: Seconds | None = None
    """Length of the pieces that the network sees in seconds; memory grows with it, not with the song.
    If not given, 10 s, or the one length that the network takes."""
    overlap: Share | None = None
    """Share of a chunk that it has in common with the next one, cross-faded with triangular weights.
    If not given, a quarter; Spleeter's pieces follow each other without, as published, unless chunk_s is given."""
    shifts: Repeats = 0
    """Random delays that the result is averaged over; 0: the song is separated once, not delayed."""
    max_shift_s: Seconds = 0.5
    """Longest of these delays in seconds."""
    gate: bool = False
    """Mute every source where it is annotated silent."""
    fade_s: Fade = 0.01
    """Fade at the ends of a muted stretch, inside it, in seconds."""
    shift_seed: Seed = 0
    """Seed of the delays."""
    refine: Refine = "none"
    """How stems are made to add up to the mixture; both ways mute sources where they are annotated silent.
    residual: what their sum lacks is dealt to the sources that play; wiener: masks on the spectrogram first."""
    wiener_window: Annotated[
        int, Meta(ge=64, le=65536, multiple_of=4, description="a multiple of 4 from 64 to 65536")
    ] = 4096
    """Samples of a window of the spectrogram."""
    wiener_exponent: Annotated[float, Meta(gt=0, le=4, description="above 0, at most 4")] = 1.0
    """Of the magnitudes that share out the mixture: 1 amplitudes, 2 powers."""
    wiener_em_steps: Annotated[int, Meta(ge=0, le=10, description="between 0 and 10")] = 0
    """Steps of expectation maximisation over channels, in pieces of half a minute; 0: each channel by itself."""


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Checked):
    """How estimates are compared with the true stems. The defaults are those of the paper's code.

    Raises:
      InputError: a value outside its range.
    """

    window_s: Seconds = 2.0
    """Length of the frames that are scored one by one in seconds."""
    hop_s: Seconds = 1.5
    """Time from one frame's start to the next one's in seconds."""
    engine: ScoringEngine = "bsseval"
    """What computes SDR, ISR, SIR and SAR: ugosa_jax.evaluation.bsseval, or the museval package, which is slower."""
    outputs: Outputs = "both"
    """Whether estimates are scored as they are (plain), muted where their source is annotated silent (gated), or both
    ways where there is an annotation."""


@dataclasses.dataclass(frozen=True)
class SongsConfig(Checked):
    """Which songs with stems are worked on.

    Raises:
      InputError: a value outside its range.
    """

    folder: str | None = None
    """Root of the data set: MUSDB18, MUSDB18-HQ, or a folder of songs as `ugosa-jax prepare` writes it."""
    subset: Subset = "test"
    """Part of MUSDB18; other folders have no parts."""
    limit: Annotated[int, Meta(ge=1, description="at least 1")] | None = None
    """Only the first so many songs, in the order of their names; all if not given."""
    names: tuple[str, ...] = ()
    """Only these songs; all if none are given."""


@dataclasses.dataclass(frozen=True)
class SearchConfig(Checked):
    """How the best settings of a grid are searched for.

    Raises:
      InputError: a value outside its range.
    """

    score: Metric = "SDR"
    """What is to be as high as possible: its mean over songs and sources, where a source is not silent itself."""
    settings: Annotated[int, Meta(ge=1, le=10_000, description="from 1 to 10000")] = 32
    """Settings that are tried."""
    together: Annotated[int, Meta(ge=1, le=1000, description="from 1 to 1000")] = 8
    """Settings that are tried at a time, and random ones to begin with."""
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="from 0 to 4294967295")] = 0
    """Of what is tried: the same search with the same seed tries the same settings."""


@dataclasses.dataclass(frozen=True)
class PrepareConfig(Checked):
    """How songs with stems are made ready for experiments.

    Raises:
      InputError: a value outside its range.
    """

    seed: Seed = 0
    """Decides, together with a song's name, which source is silent in which stretch."""
    sources: tuple[str, ...] = SOURCES
    """Names of the stems; those of MUSDB18 if not given."""
    threshold: Positive = ACTIVATION_THRESHOLD
    """θ of eq. (2): the confidence above which a stem counts as active."""
    as_is: bool = False
    """Silence nothing: only compute the activations, for songs that are to be used as they are."""
    encoding: Literal["float", "16"] = "16"
    """Samples of the sound: 16-bit integers, as the paper's code writes them, or 32-bit float.
    Stems that were once MP3 or AAC, as MUSDB18's, are empty up high: there BSSEval needs the rounding noise."""

    def __post_init__(self):
        super().__post_init__()
        names = {source.casefold() for source in self.sources}
        require(0 < len(names) == len(self.sources), "sources", "different names, at least one", self.sources)


@dataclasses.dataclass(frozen=True)
class Preset:
    """Settings that belong together; it is taken wherever one of its parts is.

    Raises:
      InputError: a part is of another kind.
    """

    adapt: AdaptConfig = AdaptConfig()
    separate: SeparateConfig = SeparateConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    activation_threshold: float = ACTIVATION_THRESHOLD
    """θ of eq. (2): the confidence above which a stem counts as active."""

    def __post_init__(self):
        for name, kind in {"adapt": AdaptConfig, "separate": SeparateConfig, "evaluate": EvaluateConfig}.items():
            part = getattr(self, name)
            require(isinstance(part, kind), f"preset: {name}", f"of {kind.__name__}", type(part))


def paper() -> Preset:
    """Return the settings of the paper's text; what the text leaves open is this project's choice."""
    return Preset()


def recommended() -> Preset:
    """Return the settings that improve SDR most for `mini`; they are untested with other networks."""
    return Preset(
        AdaptConfig("R-L3:M", learning_rate=1e-3, shuffle_seed=1),
        SeparateConfig(refine="wiener"),
    )


def reference() -> Preset:
    """Return the defaults of the paper's code. Its loss weight γ = 1 is λ = 1/4 in the paper's eq. (1)."""
    return Preset(
        AdaptConfig(lam=0.25, segment_s=10.0, hop_s=1.0, pitch_shifts=2),
        SeparateConfig(overlap=0.0, shifts=10),
        activation_threshold=0.01,
    )


def masks() -> Preset:
    """Return settings that adapt nothing: the annotation shapes the masks alone. For Spleeter no better are known."""
    return Preset(AdaptConfig("B0"), SeparateConfig(refine="wiener"))


PRESETS = {"recommended": recommended, "paper": paper, "reference": reference, "masks": masks}
"""What settings may start from."""
_USUAL = {"mini": "recommended"} | dict.fromkeys(("spleeter", "spleeter_4stems", "spleeter_5stems"), "masks")


def find_usual_preset(weights: str) -> str:
    """Return the preset that weights start from; for a chain, "spleeter+mini", that of its last network.

    Networks of a chain that do not have the stages of its strategy are not adapted.
    """
    return _USUAL.get(weights.rpartition("+")[2], "paper")

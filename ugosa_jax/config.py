"""Settings as frozen dataclasses, with ranges and defaults; command line and grids are generated from them."""

import dataclasses
import sys
from typing import Annotated, Literal

from msgspec import Meta

from ugosa_jax.checked import Checked
from ugosa_jax.errors import require

Precision = Literal["float32", "bfloat16"]
InputLevel = Literal["standard", "natural"]
"""Level of the mixtures that a network expects: standardised (mean 0 and deviation 1 over the song), or unchanged."""
FeatureStorage = Literal["auto", "float32", "bfloat16", "lean", "recompute"]
ScoringEngine = Literal["bsseval", "museval"]
Refine = Literal["none", "residual", "wiener"]
Outputs = Literal["both", "gated", "plain"]
Subset = Literal["train", "test"]
Metric = Literal["SDR", "SIR", "SAR", "ISR"]


MAX_PIECE_S = 600.0
"""Length of the longest piece of a song that is processed at once, so that sizes of arrays fit into 32 bits."""
MAX_REPEATS = 1000
"""Largest number of shifts of a song, or pitch shifts of a segment; larger values are almost certainly typos."""
MAX_OVERLAP = 0.99
"""Largest overlap of chunks; every sample is then in a hundred of them."""
MAX_EPOCHS = 1_000_000
"""Largest number of epochs; larger values are almost certainly typos."""
ACTIVATION_THRESHOLD = 0.15
"""θ of eq. (2) in the paper's text."""


CHUNK_S = 10.0
"""Default length of a chunk in seconds, for networks that take any length, as in the paper's code."""
OVERLAP = 0.25
"""Default overlap of chunks, as in the Demucs repository."""
MAX_RATE_HZ = 768_000
"""Highest sample rate of sound and of networks; a higher one in a file's header means that the file is damaged."""
SOURCES = ("drums", "bass", "other", "vocals")
"""Default sources, in the order of MUSDB18 and of the Demucs repository."""

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
    """Settings of the adaptation of a network to one song. `AdaptConfig()` has the values of the paper.

    Raises:
      InputError: a value outside its range.
    """

    strategy: StrategyName | None = None
    """Loss and tuned stages, as LOSS-START:END, such as P-L3:M; B0 adapts nothing. Losses: P, eq. (1) of the paper; B,
    only its reconstruction term; R, B and remixes of the song's estimated stems in alternation. ConvTasNet has the
    starts L1 to L5 and the ends D, M and 3 of the paper's Table 1, by default P-L3:M."""
    lam: NotNegative = 1.0
    """λ of eq. (1): weight of sound that the network estimates where a source is annotated silent."""
    learning_rate: Positive = 1e-5
    """Step size of Ranger."""
    epochs: Annotated[int, Meta(ge=1, le=MAX_EPOCHS, description=f"at least 1, at most {MAX_EPOCHS}")] = 10
    """Number of passes over the song."""
    segment_s: Seconds | None = None
    """Length of a training segment in seconds; by default the paper's 4 s, or the length the network was trained on."""
    hop_s: Seconds | None = None
    """Time from the start of a segment to that of the next in seconds; by default the length of a segment."""
    pitch_shifts: Repeats = 0
    """Number of randomly pitch-shifted copies of every segment to train on as well (needs librosa)."""
    pitch_range_semitones: Annotated[float, Meta(ge=0, le=48, description="between 0 and 48")] = 12.0
    """Largest pitch shift; shifts are uniform in ± this many semitones."""
    centralise_gradients: bool = True
    """Subtract the mean of each gradient before RAdam, as the reference does."""
    features: FeatureStorage = "auto"
    """How the output of the frozen stages is stored between epochs: as float32 or bfloat16; lean: without parts that
    are cheap to recompute; recompute: not at all; auto: the first of float32, lean and recompute that fits into memory.
    """
    pitch_seed: Seed = 0
    """Seed of the pitch shifts."""
    shuffle_seed: Seed = 0
    """Seed of the random order of the segments, which differs between epochs; 0: time order."""
    precision: Precision = "float32"
    """bfloat16: run matrix products in bfloat16, and on a GPU or TPU also store the arrays between them in it, which
    halves memory traffic; weights and sums stay float32. Separation is always float32."""


@dataclasses.dataclass(frozen=True)
class SeparateConfig(Checked):
    """Settings of the separation of a song.

    Raises:
      InputError: a value outside its range.
    """

    chunk_s: Seconds | None = None
    """Length of a chunk in seconds; memory grows with it, not with the song.
    By default 10 s, or the only length that the network takes."""
    overlap: Share | None = None
    """Overlap of chunks, relative to their length, cross-faded with triangular weights. By default a quarter; Spleeter
    separates pieces side by side, as published, unless chunk_s or overlap is given."""
    shifts: Repeats = 0
    """Number of random delays over which the result is averaged; 0: separate once, without delay."""
    max_shift_s: Seconds = 0.5
    """Longest of these delays in seconds."""
    gate: bool = False
    """Mute every source where it is annotated silent."""
    fade_s: Fade = 0.01
    """Length of the fades inside both ends of a muted interval in seconds."""
    shift_seed: Seed = 0
    """Seed of the delays."""
    refine: Refine = "none"
    """How stems are made to add up to the mixture; both methods mute sources where they are annotated silent.
    residual: divide the residual among the sources that play; wiener: apply masks to the spectrogram first."""
    wiener_window: Annotated[
        int, Meta(ge=64, le=65536, multiple_of=4, description="a multiple of 4 from 64 to 65536")
    ] = 4096
    """Window of the spectrogram in samples."""
    wiener_exponent: Annotated[float, Meta(gt=0, le=4, description="above 0, at most 4")] = 1.0
    """Exponent of the magnitudes in the masks: 1 amplitudes, 2 powers."""
    wiener_em_steps: Annotated[int, Meta(ge=0, le=10, description="between 0 and 10")] = 0
    """Steps of expectation maximisation over channels, in pieces of half a minute; 0: separate masks per channel."""


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Checked):
    """Settings of the scoring of estimates. The defaults are those of the paper's code.

    Raises:
      InputError: a value outside its range.
    """

    window_s: Seconds = 2.0
    """Length of a scored frame in seconds."""
    hop_s: Seconds = 1.5
    """Time from the start of a frame to that of the next in seconds."""
    engine: ScoringEngine = "bsseval"
    """Implementation of SDR, ISR, SIR and SAR: ugosa_jax.evaluation.bsseval, or the slower museval package."""
    outputs: Outputs = "both"
    """Score estimates unchanged (plain), muted where their source is annotated silent (gated), or both; without an
    annotation, both means plain."""


@dataclasses.dataclass(frozen=True)
class SongsConfig(Checked):
    """The songs with stems to use.

    Raises:
      InputError: a value outside its range.
    """

    folder: str | None = None
    """Root of the data set: MUSDB18, MUSDB18-HQ, or a folder of songs as `ugosa-jax prepare` writes it."""
    subset: Subset = "test"
    """Subset of MUSDB18; ignored for other folders."""
    limit: Annotated[int, Meta(ge=1, description="at least 1")] | None = None
    """Number of songs to use, the first ones in alphabetical order; by default all."""
    names: tuple[str, ...] = ()
    """Names of the songs to use; by default all."""


@dataclasses.dataclass(frozen=True)
class SearchConfig(Checked):
    """Settings of the search for the best settings.

    Raises:
      InputError: a value outside its range.
    """

    score: Metric = "SDR"
    """The score to maximise: its mean over songs and sources, in frames where the source itself is not silent."""
    settings: Annotated[int, Meta(ge=1, le=10_000, description="from 1 to 10000")] = 32
    """Number of settings to try."""
    together: Annotated[int, Meta(ge=1, le=1000, description="from 1 to 1000")] = 8
    """Number of settings that are tried in parallel; the first of these groups is random."""
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="from 0 to 4294967295")] = 0
    """Seed of the search; the same search with the same seed tries the same settings."""


@dataclasses.dataclass(frozen=True)
class PrepareConfig(Checked):
    """Settings of the preparation of songs with stems for experiments.

    Raises:
      InputError: a value outside its range.
    """

    seed: Seed = 0
    """Seed that determines, together with a song's name, when each source is silenced."""
    sources: tuple[str, ...] = SOURCES
    """Names of the stems; by default those of MUSDB18."""
    threshold: Positive = ACTIVATION_THRESHOLD
    """θ of eq. (2): the confidence above which a stem counts as active."""
    as_is: bool = False
    """Use the songs unchanged: compute their activations, but silence no source."""
    encoding: Literal["float", "16"] = "16"
    """Sample format: 16-bit integers, as in the paper's code, or 32-bit float. Stems decoded from MP3 or AAC, such as
    MUSDB18's, are empty at high frequencies, where BSSEval needs the rounding noise of 16 bits."""

    def __post_init__(self):
        super().__post_init__()
        names = {source.casefold() for source in self.sources}
        require(0 < len(names) == len(self.sources), "sources", "different names, at least one", self.sources)


@dataclasses.dataclass(frozen=True)
class Preset:
    """Settings of adaptation, separation and evaluation together; `settings=` accepts it in place of any of them.

    Raises:
      InputError: a part is of another type.
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


PRESETS = {
    "recommended": Preset(AdaptConfig("R-L3:M", learning_rate=1e-3, shuffle_seed=1), SeparateConfig(refine="wiener")),
    "paper": Preset(),
    "reference": Preset(
        # The loss weight γ = 1 of the paper's code is λ = 1/4 in eq. (1).
        AdaptConfig(lam=0.25, segment_s=10.0, hop_s=1.0, pitch_shifts=2),
        SeparateConfig(overlap=0.0, shifts=10),
        activation_threshold=0.01,
    ),
    "masks": Preset(AdaptConfig("B0"), SeparateConfig(refine="wiener")),
}
"""Presets by name; see `get_preset`."""
_DEFAULT_PRESETS = {"mini": "recommended"} | dict.fromkeys(("spleeter", "spleeter_4stems", "spleeter_5stems"), "masks")


def get_preset(name: str) -> Preset:
    """Return the settings of a preset.

    Args:
      name: one of
        "recommended": the settings that improve SDR most for `mini`; they are untested with other networks.
        "paper": the settings of the paper's text, with our choice where the text leaves one open.
        "reference": the defaults of the paper's code.
        "masks": no adaptation; the annotation only affects Wiener masks. The default for Spleeter.

    Raises:
      InputError: there is no preset of this name.
    """
    require(name in PRESETS, "preset", f"one of {', '.join(PRESETS)}", name)
    return PRESETS[name]


def find_default_preset(weights: str) -> str:
    """Return the name of the default preset for weights; for a chain, "spleeter+mini", that of its last network.

    Networks of a chain that lack the stages of the strategy are not adapted.
    """
    return _DEFAULT_PRESETS.get(weights.rpartition("+")[2], "paper")

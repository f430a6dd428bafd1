"""What the JSON files of a results directory hold."""

from typing import Any, Literal, NotRequired, TypedDict


class Adapt(TypedDict):
    """Settings of an adaptation, as `config.AdaptConfig`; no older record lacks what is required here."""

    strategy: str
    lam: float
    learning_rate: float
    epochs: int
    segment_s: float | None
    hop_s: float | None
    pitch_shifts: int
    pitch_range_semitones: float
    centralise_gradients: bool
    features: str
    pitch_seed: int
    shuffle_seed: NotRequired[int]
    """Records from before there was a choice have none: time order."""
    precision: NotRequired[str]
    """None is float32."""


class Wanted(TypedDict):
    """A cell that a plan asks for."""

    id: str
    song: str
    adapt: Adapt


class PlanHead(TypedDict):
    """What plans of every format have."""

    format: int


class Plan(PlanHead):
    """plan.json: what a sweep was asked for."""

    results_version: int
    grid: str
    weights: str
    cells: list[Wanted]


class Score(TypedDict):
    """As `evaluation.scoring.Score.row`."""

    gated: bool
    rule: str
    source: str
    metric: str
    value_db: float | None
    n_frames: int
    reason: NotRequired[str | None]


class Losses(TypedDict):
    """Means of one epoch; None stands for a step that was not taken."""

    total: float | None
    reconstruction: float | None
    activation: float | None


class Timing(TypedDict):
    """As `adaptation.engine.Timing`."""

    compile_s: float
    prefix_s: float
    steps_s: float


class Adaptation(TypedDict):
    """How a cell's adaptation went, and what it took."""

    losses: list[Losses]
    stopped_at: tuple[int, int] | None
    timing: Timing
    device: str
    separation_s: float
    evaluation_s: float
    lanes: int
    process_peak_bytes: int | None


class CellHead(TypedDict):
    """What determines a cell's result, and what became of it."""

    id: str
    status: Literal["done", "failed"]
    error: str | None
    results_version: int
    song: str
    song_sha256: str
    weights: str
    adapt: Adapt
    separate: dict[str, Any]
    evaluate: dict[str, Any]
    environment: dict[str, str]


class Done(CellHead):
    """cells/ID.json of a cell that is done."""

    n_tuned: int
    adaptation: Adaptation
    scores: list[Score]
    notes: list[str]

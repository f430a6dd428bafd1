"""The structure of the JSON files in a results directory."""

from typing import Any, Literal, NotRequired, TypedDict


class AdaptSettings(TypedDict):
    """The fields of `config.AdaptConfig`; records of all versions have the required keys."""

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
    """Missing in records of older versions, which used segments in time order."""
    precision: NotRequired[str]
    """If missing, float32."""


class PlannedCell(TypedDict):
    """A cell of a plan."""

    id: str
    song: str
    adapt: AdaptSettings


class PlanHead(TypedDict):
    """The keys that plans of all formats have."""

    format: int


class SweepPlan(PlanHead):
    """plan.json: the cells of a sweep."""

    results_version: int
    grid: str
    weights: str
    cells: list[PlannedCell]


class ScoreRow(TypedDict):
    """A score, as returned by `evaluation.scoring.Score.row`."""

    gated: bool
    rule: str
    source: str
    metric: str
    value_db: float | None
    n_frames: int
    reason: NotRequired[str | None]


class CellAdaptation(TypedDict):
    """The fields of `song_job.record.AdaptationRecord`, and measurements of the batch."""

    losses: list[dict[str, float | None]]
    stopped_at: tuple[int, int] | None
    timing: dict[str, float]
    device: str
    separation_s: float
    evaluation_s: float
    lanes: int
    process_peak_bytes: int | None


class CellHead(TypedDict):
    """cells/ID.json: everything that determines the result of a cell, and its status."""

    id: str
    status: Literal["done", "failed"]
    error: str | None
    results_version: int
    song: str
    song_sha256: str
    weights: str
    adapt: AdaptSettings
    separate: dict[str, Any]
    evaluate: dict[str, Any]
    environment: dict[str, str]


class DoneCell(CellHead):
    """cells/ID.json of a cell that is done."""

    n_tuned: int
    adaptation: CellAdaptation
    scores: list[ScoreRow]
    notes: list[str]

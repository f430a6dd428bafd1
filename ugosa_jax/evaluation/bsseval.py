"""BSSEval v4: SDR, ISR, SIR and SAR of estimates against the true stems, frame by frame.

S sources, C channels, I = S · C channels of all sources, T samples, K frames, M metrics, L taps, F frequencies,
O outputs of filters.

The scores are those of museval 0.4.1, `metrics.bss_eval` without permutation: filters of 512 taps are fitted on the
whole song, then applied to each frame separately. Let s be the true stem, ŝ its estimate, P_j the projection of ŝ onto
delayed copies of the channels of s, and P its projection onto those of all stems; then

    SDR = |s|² / |ŝ − s|²    ISR = |s|² / |P_j − s|²    SIR = |P_j|² / |P − P_j|²    SAR = |P|² / |ŝ − P|²

in decibels, where |·|² sums over the channels, the samples of a frame and the 511 samples in which the filters decay.
The matrix factorisations that depend only on the stems are computed once for all estimates of a song.

Vincent, Gribonval, Févotte, "Performance measurement in blind audio source separation", IEEE TASLP 14(4), 2006;
Stöter, Liutkus, Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018.
"""

import dataclasses
from typing import Literal, NamedTuple

import numpy as np

from ugosa_jax.config import EvaluateConfig
from ugosa_jax.errors import InputError, require
from ugosa_jax.evaluation import least_squares
from ugosa_jax.evaluation.least_squares import BLOCK, GROUP, Basis, L
from ugosa_jax.threads import map_in_threads

METRICS = ("SDR", "ISR", "SIR", "SAR")
UNDEFINED, NO_ERROR, NO_SIGNAL = "no frame is scored", "infinite: no error", "minus infinity: no signal"
"""Reasons why a score is not a finite number, for JSON."""

Rule = Literal["museval", "target"]
"""Which frames are scored. "museval": frames in which no stem and no estimate is silent, the same for all sources; a
sound is silent if the sum of its channels is zero. "target": for each source, frames in which its own stem is not
silent; a stem is silent if all its samples are zero."""


@dataclasses.dataclass(frozen=True)
class PreparedStems:
    """The stems of a song, with the matrix factorisations that the scores of all its estimates share.

    Attributes:
      stems_SxCxT: the stems, not copied.
      frames: for each frame, its first sample and the sample after its last.
      own: for each source, the least-squares problem on its channels.
      joint: the least-squares problem on the channels of all sources.
    """

    stems_SxCxT: np.ndarray
    frames: list[tuple[int, int]]
    own: list[Basis]
    joint: Basis


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores in decibels of each source (row) and frame (column), float64.

    A score is NaN where it is 0/0, and where the source's own stem is silent; it is infinite where there is no error.

    Attributes:
      sdr_SxK: source to distortion.
      isr_SxK: image to spatial distortion.
      sir_SxK: source to interference.
      sar_SxK: source to artifacts.
      dropped_K: whether museval drops a frame for all sources.
    """

    sdr_SxK: np.ndarray
    isr_SxK: np.ndarray
    sir_SxK: np.ndarray
    sar_SxK: np.ndarray
    dropped_K: np.ndarray

    def mask_frames(self, rule: Rule) -> dict[str, np.ndarray]:
        """Return the scores (S, K) by metric, with NaN in frames that `rule` leaves out."""
        left_out_K = self.dropped_K & (rule == "museval")
        arrays = (self.sdr_SxK, self.isr_SxK, self.sir_SxK, self.sar_SxK)
        return {name: np.where(left_out_K, np.nan, array) for name, array in zip(METRICS, arrays, strict=True)}


class Summary(NamedTuple):
    """The median score of each source, and the number of frames that it is computed from.

    As in museval, it is the median over frames with finite scores. It is infinite if the scores of all frames are, as
    for a perfect estimate, and NaN if no frame is scored.
    """

    median_S: np.ndarray
    frames_S: np.ndarray


def prepare(stems_SxCxT: np.ndarray, rate_hz: float, settings: EvaluateConfig) -> PreparedStems:
    """Compute the matrix factorisations that the scores of all estimates of a song share.

    Args:
      stems_SxCxT: the true stems; a source that is silent throughout has no scores.
      rate_hz: their sample rate.
      settings: length and hop of the frames.

    Raises:
      InputError: a frame or hop is shorter than a sample, there are no samples, or one is not finite.
    """
    frames = split_frames(stems_SxCxT.shape[-1], rate_hz, settings)
    stems_IxT, n_channels = _flatten_channels(stems_SxCxT), stems_SxCxT.shape[1]
    correlation_IxIxL = least_squares.correlate(stems_IxT, stems_IxT)
    if not np.isfinite(correlation_IxIxL).all():
        raise InputError("stems: a sample is NaN, infinite or too large")
    starts = range(0, len(stems_IxT), n_channels)
    return PreparedStems(
        stems_SxCxT,
        frames,
        [least_squares.prepare_basis(stems_IxT, correlation_IxIxL, range(i, i + n_channels)) for i in starts],
        least_squares.prepare_basis(stems_IxT, correlation_IxIxL, range(len(stems_IxT))),
    )


def score(prepared: PreparedStems, est_SxCxT: np.ndarray) -> Scores:
    """Score estimates of a prepared song.

    An estimate that is silent in a frame is scored too: its SDR and SAR are 0 dB there. An estimate that is silent
    throughout has an SDR and ISR of 0 dB; its SIR and SAR, 0/0, are NaN. A source whose stem is silent causes no
    interference.

    Args:
      prepared: the stems, from `prepare`.
      est_SxCxT: the estimates, in the order of the stems.

    Raises:
      InputError: the estimates differ in shape from the stems, or a sample is not finite.
    """
    check_shape(prepared.stems_SxCxT, est_SxCxT)
    stems_IxT, est_IxT = _flatten_channels(prepared.stems_SxCxT), _flatten_channels(est_SxCxT)
    n_sources, n_channels, _ = est_SxCxT.shape
    correlation_IxIxL = least_squares.correlate(stems_IxT, est_IxT)
    if not np.isfinite(correlation_IxIxL).all():
        raise InputError("estimates: a sample is NaN, infinite or too large")
    own_IxIxL = np.zeros_like(correlation_IxIxL)
    for source, basis in enumerate(prepared.own):
        outputs = slice(source * n_channels, (source + 1) * n_channels)
        own_IxIxL[:, outputs] = least_squares.solve_filters(basis, correlation_IxIxL[:, outputs])
    joint_IxIxL = least_squares.solve_filters(prepared.joint, correlation_IxIxL)
    response_FxIxO = least_squares.compute_response(np.concatenate([own_IxIxL, joint_IxIxL], axis=1))

    def score_frame(frame: tuple[int, int]) -> np.ndarray:
        return _to_db(*_compute_energies(stems_IxT, est_IxT, response_FxIxO, frame, n_sources))

    scores_MxSxK = np.stack(map_in_threads(score_frame, prepared.frames), axis=-1)
    return mask_silent(scores_MxSxK, prepared.stems_SxCxT, est_SxCxT, prepared.frames)


def summarise(scores: Scores, rule: Rule) -> dict[str, Summary]:
    """Return the median over the scored frames, and their number, by metric."""

    def select_finite(row_K: np.ndarray) -> np.ndarray:
        finite = np.isfinite(row_K)
        return row_K[finite if finite.any() else ~np.isnan(row_K)]

    def summarise_metric(scores_SxK: np.ndarray) -> Summary:
        rows = [select_finite(row_K) for row_K in scores_SxK]
        with np.errstate(invalid="ignore"):  # the median of ∞ and −∞ is NaN
            medians = [float(np.median(row_K)) if row_K.size else np.nan for row_K in rows]
        return Summary(np.array(medians), np.array([row_K.size for row_K in rows]))

    return {metric: summarise_metric(scores_SxK) for metric, scores_SxK in scores.mask_frames(rule).items()}


def split_frames(n_samples: int, rate_hz: float, settings: EvaluateConfig) -> list[tuple[int, int]]:
    """Return the frames of museval: (first sample, sample after the last). A song shorter than a frame is one frame."""
    window, hop = int(settings.window_s * rate_hz), int(settings.hop_s * rate_hz)
    require(window >= 1, "window_s", "at least one sample long", settings.window_s)
    require(hop >= 1, "hop_s", "at least one sample long", settings.hop_s)
    require(n_samples >= 1, "stems", "at least one sample long", n_samples)
    starts = range(0, n_samples - window + 1, hop) if window < n_samples else [0]
    return [(start, min(start + window, n_samples)) for start in starts]


def find_cancelled(sounds_SxCxT: np.ndarray, frames: list[tuple[int, int]]) -> np.ndarray:
    """Return Boolean (S, K): whether the channels sum to zero throughout a frame, which museval calls silent."""
    return np.array([[not sound_CxT[:, a:b].sum(0).any() for a, b in frames] for sound_CxT in sounds_SxCxT])


def _compute_energies(
    stems_IxT: np.ndarray, est_IxT: np.ndarray, response_FxIxO: np.ndarray, frame: tuple[int, int], n_sources: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return numerators and denominators of the four ratios in one frame, (M, S) each.

    The frame is cut out before it is filtered, so that the filters start from silence and decay after its end.
    """
    first, last = frame
    numerators, denominators = np.zeros((2, len(METRICS), n_sources))
    for start in range(first, last + L - 1, GROUP):
        stop = start + min(GROUP, -(-(last + L - 1 - start) // BLOCK) * BLOCK)
        past_and_stems_IxT = least_squares.take_piece(stems_IxT, start - L + 1, stop, first, last)
        s = past_and_stems_IxT[:, L - 1 :].reshape(len(stems_IxT), -1, BLOCK)
        e = least_squares.take_piece(est_IxT, start, stop, first, last).reshape(s.shape)
        own, joint = np.split(least_squares.apply_filters(past_and_stems_IxT, response_FxIxO), 2)
        numerators += [_sum_squares(x, n_sources) for x in (s, s, own, joint)]
        denominators += [_sum_squares(x, n_sources) for x in (e - s, own - s, joint - own, e - joint)]
    return numerators, denominators


def _sum_squares(x_IxNxT: np.ndarray, n_sources: int) -> np.ndarray:
    return np.einsum("int,int->i", x_IxNxT, x_IxNxT).reshape(n_sources, -1).sum(axis=1)


def _to_db(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):  # ±∞, and NaN for 0/0
        return 10 * np.log10(numerators / denominators)


def mask_silent(
    scores_MxSxK: np.ndarray,
    stems_SxCxT: np.ndarray,
    est_SxCxT: np.ndarray,
    frames: list[tuple[int, int]],
) -> Scores:
    """Return the scores of METRICS, in this order, as Scores: NaN where the source's own stem is silent."""
    silent_SxK = np.array([[not stem_CxT[:, a:b].any() for a, b in frames] for stem_CxT in stems_SxCxT])
    dropped_K = np.any(find_cancelled(stems_SxCxT, frames) | find_cancelled(est_SxCxT, frames), axis=0)
    sdr_SxK, isr_SxK, sir_SxK, sar_SxK = np.where(silent_SxK, np.nan, scores_MxSxK)
    return Scores(sdr_SxK, isr_SxK, sir_SxK, sar_SxK, dropped_K)


def _flatten_channels(sounds_SxCxT: np.ndarray) -> np.ndarray:
    return sounds_SxCxT.reshape(-1, sounds_SxCxT.shape[-1])


def check_shape(stems_SxCxT: np.ndarray, est_SxCxT: np.ndarray) -> None:
    """Raise InputError unless estimates have the shape of the stems."""
    expected = f"of the shape of the stems, (sources, channels, samples) = {stems_SxCxT.shape}"
    require(est_SxCxT.shape == stems_SxCxT.shape, "estimates", expected, est_SxCxT.shape)

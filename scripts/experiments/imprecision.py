"""Degraded annotations: intervals that are missing, inexact or wrong.

Adaptation uses only the silent intervals of an annotation, because unknown counts as active in the loss. So these
functions change lists of silent intervals (rests). The random numbers depend only on a seed and the song's name: with a
jitter of 0.5 s, each boundary moves twice as far as with 0.25 s.
"""

import dataclasses
import random
from collections.abc import Sequence

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval, merge_overlaps

WRITTEN_S = 1.0
"""Shortest rest that a person is assumed to write down; many rests of stems last hundredths of a second."""
SEED = 0
RESOLUTION_HZ = 1000
"""Annotations are compared with each other in steps of a millisecond."""


@dataclasses.dataclass(frozen=True)
class Condition:
    """A way to degrade an annotation. The changes are made in the order of the fields.

    Attributes:
      name: name of the folder with its results.
      label: its description in tables.
      drafted: whether a network drafts the annotation; otherwise the true one is degraded.
      shortest_s: length below which silent intervals are dropped.
      share_kept: share of each silent interval that is kept, counted from its start.
      max_rests: largest number of silent intervals of the song that are kept; all if None.
      jitter_s: each boundary moves by a random time, uniform within ± this.
      share_wrong: share of the annotated silence in which the source really plays.
    """

    name: str
    label: str
    drafted: bool = False
    shortest_s: float = WRITTEN_S
    share_kept: float = 1.0
    max_rests: int | None = None
    jitter_s: float = 0.0
    share_wrong: float = 0.0


CONDITIONS = (
    Condition("exact", "exact, every rest", shortest_s=0.0),
    Condition("long", f"exact, rests of {WRITTEN_S:g} s and more"),
    *(Condition(f"jitter-{s:g}", f"boundaries off by up to {s:g} s", jitter_s=s) for s in (0.1, 0.25, 0.5, 1.0)),
    Condition("wrong-10", "10 % of the silence is wrong", share_wrong=0.1),
    Condition("suggest", "suggested draft, not corrected", drafted=True),
    *(Condition(f"few-{n}", f"{n} of the rests, no more", max_rests=n) for n in (4, 2, 1)),
)
"""All conditions, in the order of runs and tables."""


def degrade(truth: Annotation, duration_s: float, condition: Condition, song: str) -> Annotation:
    """Return the true annotation, degraded according to `condition`.

    Args:
      truth: the exact annotation.
      duration_s: length of the song.
      condition: the changes; must not be `drafted`.
      song: name of the song; seeds the random numbers.
    """
    all_rests = list_rests(truth, duration_s)
    rests = [rest for rest in all_rests if rest.end_s - rest.start_s >= condition.shortest_s]
    rests = shorten_rests(rests, condition.share_kept)
    if condition.max_rests is not None:
        rests = draw_few(rests, condition.max_rests, song)
    rests = move_boundaries(rests, duration_s, condition.jitter_s, song)
    if condition.share_wrong:
        rests = [*rests, *draw_false_rests(rests, all_rests, duration_s, condition.share_wrong, song)]
    return to_annotation(rests, duration_s, truth.sources)


def measure_claims(annotated: Annotation, truth: Annotation, duration_s: float) -> tuple[int, float, float]:
    """Return the number of silent intervals, their total length, and the part of it that is wrong, in seconds.

    Silence is wrong where the source is not silent in `truth`.
    """
    n_samples = round(duration_s * RESOLUTION_HZ)
    silent_SxT, truly_SxT = (
        ~annotation.compute_active_mask(one, n_samples, RESOLUTION_HZ) for one in (annotated, truth)
    )
    silent_s, wrong_s = (mask_SxT.sum() / RESOLUTION_HZ for mask_SxT in (silent_SxT, silent_SxT & ~truly_SxT))
    return len(list_rests(annotated, duration_s)), silent_s, wrong_s


def list_rests(annotated: Annotation, duration_s: float) -> list[Interval]:
    """Return the silent intervals of an annotation, cut at the song's end."""
    silent = (i for i in annotation.make_explicit(annotated, duration_s).intervals if i.state == "silent")
    return _merge_intervals(silent, duration_s)


def shorten_rests(rests: Sequence[Interval], share: float) -> list[Interval]:
    """Return the first `share` of each interval."""
    shortened = [dataclasses.replace(r, end_s=r.start_s + share * (r.end_s - r.start_s)) for r in rests]
    return [rest for rest in shortened if rest.start_s < rest.end_s]


def draw_few(rests: Sequence[Interval], max_rests: int, song: str) -> list[Interval]:
    """Return `max_rests` random intervals; a larger `max_rests` returns the same ones and more."""
    draw = _make_generator("few", song)
    drawn = sorted(rests, key=lambda _: draw.random())[:max_rests]
    return sorted(drawn, key=lambda rest: (rest.start_s, rest.source))


def move_boundaries(rests: Sequence[Interval], duration_s: float, jitter_s: float, song: str) -> list[Interval]:
    """Move each boundary by a uniform ± `jitter_s`, except the song's ends; drop intervals of negative length."""
    draw = _make_generator("jitter", song)
    moved = []
    for rest in rests:
        before_s, after_s = (jitter_s * (2 * draw.random() - 1) for _ in range(2))
        start_s = rest.start_s + before_s if rest.start_s > 0 else 0.0
        end_s = rest.end_s + after_s if rest.end_s < duration_s else duration_s
        moved.append(dataclasses.replace(rest, start_s=start_s, end_s=end_s))
    return _merge_intervals(moved, duration_s)


def draw_false_rests(
    rests: Sequence[Interval], true_rests: Sequence[Interval], duration_s: float, share: float, song: str
) -> list[Interval]:
    """Return false silent intervals: with them, `share` of the annotated silence of each source is wrong.

    Each source gets one false rest, at a random place of the time in which it plays. A true rest within it splits it.
    """
    draw = _make_generator("wrong", song)
    found = []
    for source in dict.fromkeys(rest.source for rest in rests):
        claimed_s = sum(rest.end_s - rest.start_s for rest in rests if rest.source == source)
        plays = _find_gaps([rest for rest in true_rests if rest.source == source], duration_s)
        plays_s = sum(end - start for start, end in plays)
        wanted_s = min(plays_s, claimed_s * share / (1 - share))
        first_s = draw.random() * (plays_s - wanted_s)  # measured in the time in which the source plays
        for start, end in plays:
            start_s, end_s = start + max(0.0, first_s), min(end, start + first_s + wanted_s)
            if start_s < end_s:
                found.append(Interval(start_s, end_s, source, "silent"))
            first_s -= end - start
    return found


def to_annotation(rests: Sequence[Interval], duration_s: float, sources: tuple[str, ...]) -> Annotation:
    """Return an annotation that marks only the rests; all other time is unknown."""
    nothing = (Interval(0.0, duration_s, sources[0], "unknown"),)
    return Annotation(merge_overlaps(rests) or nothing, sources, "unknown")


def _find_gaps(rests: Sequence[Interval], duration_s: float) -> list[tuple[float, float]]:
    edges = [0.0, *(time_s for rest in rests for time_s in (rest.start_s, rest.end_s)), duration_s]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


def _merge_intervals(rests, duration_s: float) -> list[Interval]:
    """Clip intervals to the song, drop empty ones, and join those that overlap."""
    cut = (dataclasses.replace(r, start_s=max(0.0, r.start_s), end_s=min(r.end_s, duration_s)) for r in rests)
    return list(merge_overlaps(rest for rest in cut if rest.start_s < rest.end_s))


def _make_generator(purpose: str, song: str) -> random.Random:
    """Return a generator that draws the same numbers in every version of Python."""
    return random.Random(f"{SEED}/{purpose}/{song}")

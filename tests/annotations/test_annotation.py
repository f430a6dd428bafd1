"""Annotations: formats, refusals and their messages, masks and gains."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation, Interval
from ugosa_jax.errors import InputError

SOURCES = ("drums", "bass", "other", "vocals")
VOCALS = (Interval(0.5, 1.25, "vocals"), Interval(2.0, 3.0, "vocals"))


def read(tmp_path, content: str | bytes, outside=None) -> Annotation:
    path = tmp_path / "song.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return annotation.read_annotation(path, SOURCES, outside)


def read_error(tmp_path, content: str | bytes) -> str:
    """Return the one line with which `content` is refused, without the folder."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert message.startswith(str(tmp_path))
    assert "\n" not in message
    return message.removeprefix(f"{tmp_path}/")


def make_annotation(*intervals: Interval, outside="unknown", sources=SOURCES) -> Annotation:
    return Annotation(annotation.merge_overlaps(intervals), sources, outside)


# Formats


@pytest.mark.parametrize(
    "content",
    [
        "0.5,1.25,vocals\n2,3,vocals\n",
        "start,end,source\n0.5,1.25,vocals\n2,3,vocals",
        "Start, End, Source, State\n0.5, 1.25, vocals, active\n2, 3, Vocals , ACTIVE\n",
        "# mine\n\n0.5,1.25,vocals,\n  # more\n,,,\n2.0,3.0,vocals,,,\n",
        "0.5,1.25,vocals\r\n2,3,vocals\r\n",
        "0.5,1.25,vocals\r2,3,vocals",
        "\ufeff0.5,1.25,vocals\n2,3,vocals\n",
        "start;end;source\n0,5;1,25;vocals\n2;3;vocals\n",
        '"0,5","1,25","vocals"\n"2","3","vocals"\n',
        "start\tend\tsource\n0,5\t1,25\tvocals\n2\t3\tvocals\n",
        "0.5\t1.25\tvocals\tactive\n2\t3\tvocals\n",
        "0.500000\t1.250000\tvocals\n2.000000\t3.000000\tvocals active\n",
        "0,500000\t1,250000\tvocals\n\\\t100,0\t2000,0\n2,000000\t3,000000\tVocals:Active\n\\\t-1\t-1\n",
        "2,3,vocals\n0.5,1,vocals\n.75,125e-2,vocals\n",
        "2,3,vocals\n2.5,2.75,vocals\n0.5,1.25,vocals\n0.5,1.25,vocals\n",
    ],
)
def test_read_accepts_tables_of_all_kinds(tmp_path, content):
    read_back = read(tmp_path, content)
    assert read_back == Annotation(VOCALS, SOURCES, "silent")
    assert read_back.path == str(tmp_path / "song.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252"])
def test_read_accepts_all_encodings(tmp_path, encoding):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    content = f"{mark}start\tend\tsource\r\n# naïve\r\n0,5\t1,25\tvocals\r\n2\t3\tvocals\r\n"
    assert read(tmp_path, content.encode(encoding)).intervals == VOCALS


def test_sources_may_have_names_of_several_words(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("0\t1\tlead vocals\n1\t2\tlead vocals silent\n2\t3\tLead Vocals: unknown\n3\t4\tsilent\n")
    intervals = annotation.read_annotation(path, ("lead vocals", "silent")).intervals
    assert [(i.source, i.state) for i in intervals] == [
        *(("lead vocals", state) for state in ("active", "silent", "unknown")),
        ("silent", "active"),
    ]


def test_intervals_know_their_lines(tmp_path):
    assert [i.line for i in read(tmp_path, "# one\n\n0,1,bass\n\n2,3,drums\n").intervals] == [3, 5]


@pytest.mark.parametrize(
    ("content", "outside"),
    [
        ("0,1,vocals", "silent"),
        ("0,1,vocals,active\n1,2,bass", "silent"),
        ("0,1,vocals\n1,2,vocals,silent", "unknown"),
        ("0,1,vocals\n1,2,vocals,unknown", "unknown"),
    ],
)
def test_outside_by_default(tmp_path, content, outside):
    assert read(tmp_path, content).outside == outside
    for given_outside in ("silent", "unknown"):
        assert read(tmp_path, content, given_outside).outside == given_outside


# Refusals


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "song.csv: has no intervals"),
        ("start,end,source\n# nothing\n", "song.csv: has no intervals"),
        ("x,1,bass", "song.csv:1: start 'x' is not a number of seconds"),
        ("0,1:75,bass", "song.csv:1: end '1:75' is not a number of seconds"),
        ("nan,1,bass", "song.csv:1: start 'nan' is not a number"),
        ("0,inf,bass", "song.csv:1: end 'inf' is not a number"),
        ("0,1e999,bass", "song.csv:1: end '1e999' is not finite"),
        ("0,1_0,bass", "song.csv:1: end '1_0' is not a number"),
        ("0,٣,bass", "song.csv:1: end '٣' is not a number"),
        ("0;1.000,5;bass", "song.csv:1: end '1.000,5' is not a number"),
        ("0,1,bass\n,,bass", "song.csv:2: start '' is not a number"),
        ("#\n-1,1,bass", "song.csv:2: start '-1' is negative"),
        ("2,1,bass", "song.csv:1: end '1' is before the start, 2"),
        (
            "1.5\t1.5\tbass",
            "song.csv: no label says when a source plays: 1 point label ('bass') without length: mark regions",
        ),
        (
            "0,1,vox",
            "song.csv:1: source 'vox' is not one of drums, bass, other, vocals; map it to a source, or to nothing "
            "to leave it out: --map 'vox=vocals'",
        ),
        (
            "0\t1\tvoclas silent",
            "song.csv:1: source 'voclas' is not one of drums, bass, other, vocals; map it to a source",
        ),
        (
            "0,1,\n",
            "song.csv:1: source 'song' is not one of drums, bass, other, vocals (a file of 1 label); its labels are "
            "empty, so name it after a source, such as vocals.txt, or map it to one: --map "
            "'song='",
        ),
        ("0,1,bass,loud", "song.csv:1: state 'loud' is not one of active, silent, unknown"),
        ("0\t1\tbass quiet", "song.csv:1: source 'bass quiet' is not one of drums, bass, other, vocals"),
        ("0,1", "song.csv:1: source 'song' is not one of drums, bass, other, vocals (a file of 1 label)"),
        ("0,1,bass\n0,1", "song.csv:2: fields: 2 instead of start,end,source or start,end,source,state"),
        ("0,5,1,25,vocals", "song.csv:1: fields: 5 instead of"),
        ("0,1,bass\n0,1,bass,active,x", "song.csv:2: fields: 5 instead of"),
        ("0,1,bass\n\\,100,x", r"song.csv:2: start '\\' is not a number"),
        ("0,2,bass\n1,3,bass,silent", "song.csv:2: state 'silent' of bass contradicts 'active' of line 1"),
        ("1,3,bass,silent\n0,9,bass", "song.csv:1: state 'silent' of bass contradicts 'active' of line 2"),
        ("0,1,bass\0", "song.csv: is not a text file"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "song.csv: is a sound or video file: the annotation comes first, then the song"),
        (b"\x81\x8d\x8f", "song.csv: is not a text file"),
        (b"\xff\xfe0", "song.csv: is not a text file"),
        ("0,1," + "x" * 200_000, "song.csv:1: line cannot be split into fields"),
        ("0,1," + "x" * 5_000, f"song.csv:1: source '{'x' * 40}…' is not one of"),
        ("9" * 50_000 + "x,1,bass", f"song.csv:1: start '{'9' * 40}…' is not a number"),
    ],
)
def test_bad_lines_are_refused_by_file_line_and_field(tmp_path, content, message):
    assert read_error(tmp_path, content).startswith(message)


def test_an_unknown_name_gets_no_far_fetched_guess(tmp_path):
    assert read_error(tmp_path, "0,1,kazoo").endswith("--map 'kazoo='")


def test_missing_files_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read \(No such file"):
        annotation.read_annotation(tmp_path / "none.csv", SOURCES)
    with pytest.raises(InputError, match="cannot be read"):
        annotation.read_annotation(tmp_path, SOURCES)


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ugosa_jax.annotations.formats.content.MAX_BYTES", 10)
    assert read_error(tmp_path, "0,1,vocals\n") == "song.csv: is too large for an annotation"


def check_fuzz(path, content: bytes) -> None:
    """Read any bytes: the result is an annotation that can be written and read again, or a one-line InputError."""
    path.write_bytes(content)
    try:
        result = annotation.read_annotation(path, SOURCES)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
        return
    assert annotation.compute_active_mask(result, 1000, 100.0).shape == (4, 1000)
    annotation.write_annotation(result, path)
    assert annotation.read_annotation(path, SOURCES, result.outside) == result


fuzz = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
words = ["0", "1", "2,5", "3.5", "1e3", "-1", "nan", "vocals", "BASS", "vocals:silent", "silent", "active"]
marks = [",", ",", ";", "\t", "\t", "\n", "\n", "\r\n", "\\", "#", '"', ":", " ", "\f", "\ufeff", "\u2028", "é"]
tokens = st.sampled_from(words + marks)


@fuzz
@given(content=st.binary(max_size=200))
def test_read_survives_any_bytes(tmp_path, content):
    check_fuzz(tmp_path / "a", content)


@fuzz
@given(text=st.text(max_size=200), encoding=st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_any_text(tmp_path, text, encoding):
    check_fuzz(tmp_path / "a", text.encode(encoding, "replace"))


@fuzz
@given(text=st.lists(tokens, max_size=40).map("".join))
def test_read_survives_any_tokens(tmp_path, text):
    check_fuzz(tmp_path / "a", text.encode())


times = st.floats(0, 100, allow_nan=False)
lines = st.tuples(times, times, st.sampled_from(SOURCES), st.sampled_from(annotation.STATES))


@fuzz
@given(rows=st.lists(lines, max_size=6), delimiter=st.sampled_from(",;\t"))
def test_read_survives_any_lines(tmp_path, rows, delimiter):
    check_fuzz(tmp_path / "a", "\n".join(delimiter.join(map(str, row)) for row in rows).encode())


# Writing


def test_read_returns_what_write_wrote(tmp_path):
    result = make_annotation(
        Interval(0.1 + 0.2, 1 / 3, "bass"),
        Interval(1e-9, 1e4, "vocals", "unknown"),
        Interval(1 / 3, 2, "bass", "silent"),
    )
    annotation.write_annotation(result, tmp_path / "new" / "a.csv")
    assert annotation.read_annotation(tmp_path / "new" / "a.csv", SOURCES) == result
    assert (tmp_path / "new" / "a.csv").read_text().splitlines()[:2] == [
        "start,end,source,state",
        "1e-09,10000.0,vocals,unknown",
    ]


def test_write_accepts_numpy_times_and_odd_names(tmp_path):
    name = 'a, "b"; c'
    result = make_annotation(Interval(np.float64(0.5), np.float64(1.5), name), sources=(name,), outside="silent")  # type: ignore[arg-type]
    annotation.write_annotation(result, tmp_path / "a.csv")
    assert annotation.read_annotation(tmp_path / "a.csv", (name,)) == result


def test_write_refuses_a_path_below_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        annotation.write_annotation(make_annotation(*VOCALS), tmp_path / "file" / "a.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# Meaning


def test_overlapping_intervals_that_agree_are_merged():
    merged = annotation.merge_overlaps(
        [
            Interval(0, 2, "bass", line=1),
            Interval(1, 3, "bass", line=2),
            Interval(2, 2.5, "bass", line=3),
            Interval(3, 4, "bass", "silent", line=4),  # touching is no overlap
            Interval(1, 2, "drums", "silent", line=5),  # nor is another source
        ]
    )
    assert merged == (Interval(0, 3, "bass"), Interval(1, 2, "drums", "silent"), Interval(3, 4, "bass", "silent"))
    assert [i.line for i in merged] == [2, 5, 4]  # of the line that reaches furthest


def test_intervals_that_overlap_by_a_rounding_only_touch():
    touching = Interval(0, 1 + 1e-9, "bass"), Interval(1, 2, "bass", "silent")
    assert annotation.merge_overlaps(touching) == (Interval(0, 1, "bass"), Interval(1, 2, "bass", "silent"))
    with pytest.raises(InputError, match="contradicts"):
        annotation.merge_overlaps((Interval(0, 1.00001, "bass"), Interval(1, 2, "bass", "silent")))


def test_a_written_file_claims_no_silence_that_the_annotation_does_not(tmp_path):
    result = make_annotation(Interval(0, 1, "bass"), outside="unknown")
    annotation.write_annotation(result, tmp_path / "a.csv")
    copy = annotation.read_annotation(tmp_path / "a.csv", SOURCES)
    assert copy.outside == "unknown"
    annotation.check_against(copy, 1.0)  # the unknown past the end of the song claims nothing


def test_make_explicit_writes_out_silence():
    result = make_annotation(
        Interval(1, 2, "bass"), Interval(3, 4, "bass", "unknown"), Interval(0, 5, "drums"), outside="silent"
    )
    assert annotation.make_explicit(result, 5.0) == make_annotation(
        Interval(0, 1, "bass", "silent"),
        Interval(0, 5, "drums"),
        Interval(1, 2, "bass"),
        Interval(2, 3, "bass", "silent"),
        Interval(3, 4, "bass", "unknown"),
        Interval(4, 5, "bass", "silent"),
    )


def test_mask_of_activity_only():
    result = make_annotation(Interval(0.2, 0.5, "vocals"), outside="silent")
    mask_SxT = annotation.compute_active_mask(result, 10, 10)
    assert mask_SxT[:3].all()  # sources that are not mentioned are unknown
    np.testing.assert_array_equal(np.flatnonzero(mask_SxT[3]), [2, 3, 4])


def test_mask_of_states():
    result = make_annotation(
        Interval(0, 0.2, "bass"), Interval(0.3, 0.5, "bass", "silent"), Interval(0.5, 0.7, "bass", "unknown")
    )
    np.testing.assert_array_equal(np.flatnonzero(~annotation.compute_active_mask(result, 10, 10)[1]), [3, 4])
    result = Annotation(result.intervals, SOURCES, "silent")
    np.testing.assert_array_equal(
        np.flatnonzero(~annotation.compute_active_mask(result, 10, 10)[1]), [2, 3, 4, 7, 8, 9]
    )


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [
        (0.0, 0.1, [0]),
        (0.1, 0.3, [1, 2]),
        (0.14, 0.26, [1, 2]),  # nearest samples
        (0.15, 0.35, [2, 3]),  # halves upwards
        (0.3 - 1e-12, 0.4 + 1e-12, [3]),  # times that floating point cannot hold
        (0.41, 0.44, []),
        (0.8, 1.3, [8, 9]),
        (0.8, 1e308, [8, 9]),
        (5.0, 6.0, []),
    ],
)
def test_mask_boundaries(start_s, end_s, expected):
    mask_SxT = annotation.compute_active_mask(make_annotation(Interval(start_s, end_s, "bass", "silent")), 10, 10)
    np.testing.assert_array_equal(np.flatnonzero(~mask_SxT[1]), expected)
    assert mask_SxT[[0, 2, 3]].all()


def test_gains_fade_inside_the_silence():
    gain_SxT = annotation.compute_gains(make_annotation(Interval(3, 15, "bass", "silent")), 20, 1, fade_s=4)
    fade = [0.75, 0.5, 0.25, 0]
    expected = [1, 1, 1, *fade, 0, 0, 0, 0, *fade[::-1], 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(gain_SxT[1], np.float32(expected))
    np.testing.assert_array_equal(gain_SxT[[0, 2, 3]], np.ones((3, 20)))
    assert gain_SxT.dtype == np.float32


@pytest.mark.parametrize("fade_s", [0, 0.3, 1])
def test_gains_without_fades_equal_the_mask(fade_s):
    result = make_annotation(Interval(3, 15, "bass", "silent"))
    np.testing.assert_array_equal(
        annotation.compute_gains(result, 20, 1, fade_s),
        annotation.compute_active_mask(result, 20, 1).astype(np.float32),
    )


def test_gains_do_not_fade_at_the_ends_of_the_song():
    result = make_annotation(
        Interval(0, 4, "bass", "silent"), Interval(6, 9, "bass", "silent"), Interval(0, 9, "drums", "silent")
    )
    gain_SxT = annotation.compute_gains(result, 9, 1, fade_s=2)
    np.testing.assert_array_equal(gain_SxT[1], [0, 0, 0, 0.5, 1, 1, 0.5, 0, 0])
    assert not gain_SxT[0].any()


@pytest.mark.parametrize("length", range(1, 12))
def test_gains_follow_the_distance_to_the_nearest_sound(length):
    gain_T = annotation.compute_gains(make_annotation(Interval(3, 3 + length, "bass", "silent")), 20, 1, fade_s=4)[1]
    n = np.arange(20)
    distance = np.clip(np.minimum(n - 2, 3 + length - n), 0, None)
    np.testing.assert_array_equal(gain_T, np.maximum(0, 1 - distance / 4).astype(np.float32))


@pytest.mark.parametrize("times_s", [(8, 10), (8, 10.5), (9.99, 10.1)])
def test_an_interval_may_end_half_a_second_past_the_song(times_s):
    annotation.check_against(make_annotation(Interval(*times_s, "bass")), 10.0)


@pytest.mark.parametrize(
    ("times_s", "message"),
    [
        ((8, 10.6), r"end 10\.6 s is past the end of the song, which lasts 10\.000 s"),
        ((10, 10.2), "start 10 s is past the end"),
        ((12, 13), "start 12 s is past the end"),
    ],
)
def test_an_interval_past_the_end_is_refused(tmp_path, times_s, message):
    result = read(tmp_path, f"# mine\n{times_s[0]},{times_s[1]},bass\n")
    with pytest.raises(InputError, match=rf"song\.csv:2: {message}"):
        annotation.check_against(result, 10.0)


def test_silent_seconds_of_each_source():
    bass = Interval(1, 3, "bass"), Interval(4, 5, "bass", "unknown"), Interval(9, 10.5, "bass", "silent")
    drums = Interval(2, 4, "drums", "silent")
    assert annotation.count_silent_seconds(make_annotation(*bass, drums), 10) == {
        "drums": 2,
        "bass": 1,
        "other": 0,
        "vocals": 0,
    }
    result = make_annotation(*bass, drums, outside="silent")
    assert annotation.count_silent_seconds(result, 10) == {"drums": 10, "bass": 7, "other": 0, "vocals": 0}


@settings(deadline=None)
@given(
    rows=st.lists(lines.filter(lambda row: row[0] < row[1]), max_size=6),
    outside=st.sampled_from(["silent", "unknown"]),
)
def test_silent_seconds_equal_those_of_the_mask(rows, outside):
    try:
        result = make_annotation(*(Interval(*row) for row in rows), outside=outside)
    except InputError:
        return
    silent_s = (~annotation.compute_active_mask(result, 50_000, 1000)).sum(axis=1) / 1000
    counted_s = list(annotation.count_silent_seconds(result, 50.0).values())
    np.testing.assert_allclose(counted_s, silent_s, atol=0.001 * (len(rows) + 1))  # a boundary: half a sample


@given(
    seed=st.integers(0, 2**32 - 1),
    n_samples=st.integers(1, 300),
    rate_hz=st.sampled_from([44100, 48000, 22050, 10]),
)
def test_mask_to_intervals_and_back(seed, n_samples, rate_hz):
    mask_SxT = np.random.default_rng(seed).random((4, n_samples)) < 0.8
    result = annotation.from_mask(mask_SxT, rate_hz, SOURCES)
    np.testing.assert_array_equal(annotation.compute_active_mask(result, n_samples, rate_hz), mask_SxT)
    covered = annotation.compute_active_mask(Annotation(result.intervals, SOURCES, "silent"), n_samples, rate_hz)
    np.testing.assert_array_equal(covered, mask_SxT)  # nothing is left outside


def test_mask_of_a_long_song_survives_the_file(tmp_path):
    mask_SxT = np.repeat(np.random.default_rng(0).random((4, 180)) < 0.5, 44_111, axis=1)[:, 7:]
    annotation.write_annotation(annotation.from_mask(mask_SxT, 44100, SOURCES), tmp_path / "a.csv")
    result = annotation.read_annotation(tmp_path / "a.csv", SOURCES)
    np.testing.assert_array_equal(annotation.compute_active_mask(result, mask_SxT.shape[1], 44100), mask_SxT)

"""Files like those in bug reports of other programs are read as meant, or refused with a clear message."""

import json
from pathlib import Path

import pytest

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.vocabulary import NameRules
from ugosa_jax.errors import InputError

FOLDER = Path(__file__).parents[1] / "data" / "annotations" / "reports"
SOURCES = ("drums", "bass", "other", "vocals")


def read(path: Path, **how) -> Annotation:
    return annotation.read_annotation(path, SOURCES, names=NameRules(), **how)


def read_text(tmp_path: Path, name: str, text: str | bytes, **how) -> Annotation:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(path, **how)


def list_spans(result: Annotation) -> list[tuple[str, str, float, float]]:
    return [(i.source, i.state, i.start_s, i.end_s) for i in result.intervals]


def read_error(tmp_path: Path, name: str, text: str | bytes, **how) -> str:
    with pytest.raises(InputError) as caught:
        read_text(tmp_path, name, text, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{tmp_path}/")


# ELAN


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="{units}">{media}</HEADER><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="{start}"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="{end}"/></TIME_ORDER>
<TIER TIER_ID="vocals"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">
<ANNOTATION_VALUE>la</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>
"""


def make_elan(start="1000", end="4000", media="", units="milliseconds") -> str:
    return EAF.format(start=start, end=end, media=media, units=units)


def make_medium(name: str, origin: str | None, kind: str = "audio/x-wav") -> str:
    at = "" if origin is None else f' TIME_ORIGIN="{origin}"'
    return f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///{name}" MIME_TYPE="{kind}"{at}/>'


def test_elan_times_begin_at_the_time_origin():
    result = read(FOLDER / "time_origin.eaf")
    assert list_spans(result) == [("vocals", "active", 5, 9)]
    (warning,) = result.warnings
    assert warning.startswith(f"{FOLDER / 'time_origin.eaf'}:3: TIME_ORIGIN 5000: ")
    assert "'song.wav'" in warning


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (make_medium("song.wav", None), (1, 4)),
        (make_medium("song.wav", "0"), (1, 4)),
        (make_medium("song.wav", "2500.0"), (3.5, 6.5)),
        (make_medium("song.wav", "-2000"), (0, 2)),
        (make_medium("clip.mp4", "0", "video/mp4") + make_medium("song.wav", "500"), (1.5, 4.5)),
        (make_medium("clip.mp4", "700", "video/mp4"), (1.7, 4.7)),
        (make_medium("a.wav", "500") + make_medium("b.wav", "500"), (1.5, 4.5)),
    ],
)
def test_time_origin_of_the_sound_counts(tmp_path, media, expected):
    (interval,) = read_text(tmp_path, "a.eaf", make_elan(media=media)).intervals
    assert (interval.start_s, interval.end_s) == pytest.approx(expected)


def test_sounds_with_different_origins_are_refused(tmp_path):
    message = read_error(tmp_path, "a.eaf", make_elan(media=make_medium("a.wav", "0") + make_medium("b.wav", "500")))
    assert message.startswith("a.eaf:2: TIME_ORIGIN: ")
    assert "b.wav (500 ms)" in message


@pytest.mark.parametrize(("start", "end"), [("1000.0", "4000.0"), ("1000.5", "4000,25"), ("1e3", "4000")])
def test_elan_times_with_a_decimal_point(tmp_path, start, end):
    (interval,) = read_text(tmp_path, "a.eaf", make_elan(start, end)).intervals
    assert interval.start_s == float(start) / 1000
    assert interval.end_s == float(end.replace(",", ".")) / 1000


def test_elan_counts_frames_only_where_their_length_is_known(tmp_path):
    result = read_text(tmp_path, "a.eaf", make_elan("25", "50", units="PAL-frames"))
    assert list_spans(result) == [("vocals", "active", 1, 2)]
    assert read_error(tmp_path, "a.eaf", make_elan(units="NTSC-frames")).startswith(
        "a.eaf:2: TIME_UNITS 'NTSC-frames' "
    )


@pytest.mark.parametrize(("field", "value"), [("TIME_VALUE", "-5"), ("TIME_VALUE", "1.000.5"), ("TIME_VALUE", "nan")])
def test_invalid_elan_times_are_refused(tmp_path, field, value):
    assert read_error(tmp_path, "a.eaf", make_elan(value)).startswith(f"a.eaf:3: {field} {value!r} ")


# RTTM


def test_a_recording_whose_name_holds_a_blank():
    assert list_spans(read(FOLDER / "name_with_blank.rttm")) == [("vocals", "active", 2.5, 5.5)]


@pytest.mark.parametrize(
    "line",
    [
        "SPEAKER song 1 2.5 3.0 <NA> <NA> vocals <NA> <NA>",
        "SPEAKER song 1 2.5 3.0 <NA> <NA> vocals 0.9",
        "SPEAKER song 1 2.5 3.0 <NA> <NA> vocals",
        "SPEAKER take 2 of my song.wav 1 2.5 3.0 <NA> <NA> vocals <NA> <NA>",
        "SPEAKER 01 1 2 song 1 2.5 3.0 <NA> <NA> vocals <NA> <NA>",
        "SPEAKER my song.wav 1 2.5 3.0 <NA> <NA> Lead Vocals <NA> <NA>",
        "SPEAKER song 1 2.5 3.0 <NA> <NA> Lead Vocals 2 <NA> <NA>",
    ],
)
def test_names_of_rttm_may_hold_blanks(tmp_path, line):
    assert list_spans(read_text(tmp_path, "a.rttm", line + "\n")) == [("vocals", "active", 2.5, 5.5)]


@pytest.mark.parametrize(
    "line", ["SPEAKER my song 1 2.5 3.0 x y vocals <NA> <NA>", "SPEAKER my song 2 1 2.5 3.0 x y vocals"]
)
def test_shifted_fields_of_rttm_are_never_read_as_times(tmp_path, line):
    message = read_error(tmp_path, "a.rttm", line + "\n", format="rttm")
    assert message.startswith("a.rttm:1: start ")
    assert "does the recording's name contain a space?" in message


def test_recordings_of_rttm_that_differ_behind_a_blank_are_several(tmp_path):
    lines = "".join(f"SPEAKER my {name} 1 2.5 3.0 <NA> <NA> vocals <NA> <NA>\n" for name in ("a.wav", "b.wav"))
    assert read_error(tmp_path, "a.rttm", lines).startswith("a.rttm: holds 2 recordings ('my a.wav', 'my b.wav')")


# Tables


def test_bids_events_are_labelled_by_trial_type():
    assert list_spans(read(FOLDER / "bids_events.tsv")) == [("vocals", "active", 1, 3), ("drums", "active", 4, 6)]


def test_bids_n_a_counts_as_empty(tmp_path):
    result = read_text(
        tmp_path, "events.tsv", "onset\tduration\ttrial_type\tvalue\n1\t2\tvocals\t7\n5\tn/a\tvocals\tn/a\n"
    )
    assert list_spans(result) == [("vocals", "active", 1, 3)]


def test_the_only_column_of_texts_is_taken_for_the_labels(tmp_path):
    result = read_text(tmp_path, "a.csv", "onset,offset,what_plays,loudness\n1,2,vocals,3\n4,6,drums,5\n")
    assert list_spans(result) == [("vocals", "active", 1, 2), ("drums", "active", 4, 6)]
    assert result.warnings[0].startswith(f"{tmp_path}/a.csv:1: column 'what_plays' ")
    assert result.warnings[1] == f"{tmp_path}/a.csv:1: columns left out: 'loudness'"


def test_several_columns_of_texts_are_not_guessed_from(tmp_path):
    table = "onset,offset,who,mood\n1,2,vocals,sad\n4,6,drums,glad\n"
    message = read_error(tmp_path, "a.csv", table)
    assert "columns left out: 'who', 'mood'" in message
    assert list_spans(read_text(tmp_path, "vocals.csv", table)) == [
        ("vocals", "active", 1, 2),
        ("vocals", "active", 4, 6),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", (FOLDER / "dcase_three_recordings.tsv").read_text()),
        ("a.csv", "start,end,label,audio_file\n0,1,vocals,x.wav\n0,1,drums,y.wav\n0,1,drums,z.wav\n"),
        ("a.txt", "a.wav\t1\t2\tvocals\nb.wav\t3\t5\tvocals\nc.wav\t1\t5\tdrums\n"),
        ("a.json", '[{"start":0,"end":1,"label":"vocals","file":"a.wav"},{"start":0,"end":1,"label":"x","file":"b"},'
                   '{"start":0,"end":1,"label":"x","file":"c"}]'),
    ],
)  # fmt: skip
def test_a_table_of_several_recordings_is_refused(tmp_path, name, text):
    assert read_error(tmp_path, name, text).startswith(f"{name}: holds 3 recordings (")


def test_a_table_of_one_recording_is_read(tmp_path):
    result = read_text(
        tmp_path, "a.tsv", "filename\tonset\toffset\tevent_label\na.wav\t1\t2\tvocals\na.wav\t3\t4\tdrums\n"
    )
    assert list_spans(result) == [("vocals", "active", 1, 2), ("drums", "active", 3, 4)]
    assert list_spans(read_text(tmp_path, "b.txt", "a.wav\t1\t2\tvocals\na.wav\t3\t4\tdrums\n")) == list_spans(result)


# Files of folders


@pytest.mark.parametrize("name", ["._vocals.txt", "~$vocals.csv", ".vocals.txt", ".~lock.vocals.csv#", "~vocals.txt"])
def test_hidden_and_lock_files_are_no_annotations(tmp_path, name):
    (tmp_path / "vocals.txt").write_text("0\t1\tvocals\n")
    (tmp_path / name).write_bytes(b"\0\x05\x16\x07\0\x02\0\0Mac OS X        \0\x02\0\0\0\x09")
    assert list_spans(read(tmp_path)) == [("vocals", "active", 0, 1)]


def test_a_folder_of_hidden_files_is_refused(tmp_path):
    (tmp_path / "._vocals.txt").write_bytes(b"\0\x05\x16\x07")
    with pytest.raises(InputError, match="a folder without files of annotations"):
        read(tmp_path)
    with pytest.raises(InputError, match="is what macOS keeps beside a file"):
        read(tmp_path / "._vocals.txt")


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a", b"\x1a\x1a"])
@pytest.mark.parametrize("text", [b"0,1,vocals", b"0\t1\tvocals", "0\t1\tvocals\té".encode("cp1252")[:-2]])
def test_control_z_at_the_end_is_ignored(tmp_path, text, end):
    assert list_spans(read_text(tmp_path, "a.txt", text + end)) == [("vocals", "active", 0, 1)]


def test_control_z_elsewhere_is_refused(tmp_path):
    assert "is not a text file" in read_error(tmp_path, "a.csv", b"0,1,vo\x1acals\n")


# REAPER


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("R1,vocals, lead,1.000,2.500,1.500", "vocals, lead"),
        ("R1,vocals, take 2, 3.5,0:01.000,0:02.500,0:01.500", "vocals, take 2, 3.5"),
        ("R1,vocals,1.000,2.500,1.500", "vocals"),
        ('R1,"vocals, lead",1.000,2.500,1.500', "vocals, lead"),
    ],
)
@pytest.mark.parametrize("colour", ["", ",Color"])
def test_reaper_names_may_hold_commas(tmp_path, row, text, colour):
    for value in ("",) if not colour else (",", ",FF00FF", ",808080"):
        table = f"#,Name,Start,End,Length{colour}\nM1,a, b,0.500,,{value}\n{row}{value}\n"
        result = read_text(tmp_path, "a.csv", table, format="reaper")
        assert list_spans(result) == [("vocals", "active", 1, 2.5)]
        assert "point label 'a, b'" in result.warnings[0]
        assert list(result.names) == [text]


# Label Studio


def make_region(start=1.0, end=2.5, labels=("vocals",), id="x", **more):
    value = {"start": start, "end": end, "channel": 0, "labels": list(labels), **more}
    return {"id": id, "type": "labels", "value": {key: v for key, v in value.items() if v != []}}


def make_tasks(*results) -> str:
    return json.dumps([{"id": 1, "data": {"audio": "a.wav"}, "annotations": [{"result": list(results)}]}])


@pytest.mark.parametrize(
    ("unfinished", "missing"),
    [
        (make_region(labels=(), id="y"), "labels"),
        (make_region(end=None, id="y"), "end"),
        (make_region(start=None, end=None, id="y"), "start and end"),
        ({"id": "y", "type": "labels", "value": {"start": 3.0, "channel": 0}}, "end and labels"),
        ({"id": "y", "type": "labels", "value": {"start": 3.0, "end": 4.0, "labels": None}}, "labels"),
    ],
)
def test_an_unfinished_region_is_left_out(tmp_path, unfinished, missing):
    result = read_text(tmp_path, "a.json", make_tasks(make_region(), unfinished))
    assert list_spans(result) == [("vocals", "active", 1, 2.5)]
    assert result.warnings == (f"{tmp_path}/a.json:[0].annotations[0].result[1]: left out: a region without {missing}",)


def test_a_transcript_of_a_labelled_region_adds_no_region(tmp_path):
    result = read_text(tmp_path, "a.json", make_tasks(make_region(), make_region(labels=(), text=["la la"])))
    assert list_spans(result) == [("vocals", "active", 1, 2.5)]
    assert not result.warnings


def test_regions_without_labels_belong_to_the_source_of_the_file(tmp_path):
    assert list_spans(read_text(tmp_path, "vocals.json", make_tasks(make_region(labels=())))) == [
        ("vocals", "active", 1, 2.5)
    ]


def test_an_unfinished_region_of_json_min_is_left_out(tmp_path):
    regions = [{"start": 1, "end": 2.5, "labels": ["vocals"]}, {"start": 3, "end": 4, "channel": 0}]
    task = [{"audio": "a.wav", "id": 1, "label": regions}]
    result = read_text(tmp_path, "a.json", json.dumps(task))
    assert list_spans(result) == [("vocals", "active", 1, 2.5)]
    assert len(result.warnings) == 1


# Labels


@pytest.mark.parametrize(
    "label",
    [
        *("silence bass", "bass out", "!bass", "-bass", "−bass", "no bass", "w/o bass", "bass: out", "bass (out)"),
        *("tacet bass", "silent bass", "silence: bass", "bass off", "bass aus", "bass: muted", "bass absent"),
        *("no more bass", "Silence of Bass", "bass -> out", "ohne Bass"),
    ],
)
def test_labels_for_a_resting_source_are_silent(tmp_path, label):
    result = read_text(tmp_path, "a.txt", f"0\t1\t{label}\n2\t3\tbass\n")
    assert list_spans(result) == [("bass", "silent", 0, 1), ("bass", "active", 2, 3)]


@pytest.mark.parametrize("label", ["+bass", "bass in", "- bass", "Bass"])
def test_labels_for_a_playing_source_are_active(tmp_path, label):
    assert list_spans(read_text(tmp_path, "a.txt", f"0\t1\t{label}\n")) == [("bass", "active", 0, 1)]


@pytest.mark.parametrize(
    "label", ["bass drops out", "bass muted", "mute bass", "bass out 2", "bass stops", "Bass DI Out"]
)
def test_ambiguous_labels_are_asked_about_as_silence(tmp_path, label):
    assert read_error(tmp_path, "a.txt", f"0\t1\t{label}\n").endswith(f"--map '{label}=no bass'")
    names = NameRules({label: "no bass"})
    assert list_spans(annotation.read_annotation(tmp_path / "a.txt", SOURCES, names=names)) == [
        ("bass", "silent", 0, 1)
    ]


@pytest.mark.parametrize("label", ["Kick Out", "KickOut", "kick in", "Trumpet (muted)", "mute trumpet"])
def test_microphones_and_mutes_are_active(tmp_path, label):
    (interval,) = read_text(tmp_path, "a.txt", f"0\t1\t{label}\n").intervals
    assert interval.state == "active"


# Label files from issues of other libraries


HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n30\n<exists>\n1\n'
GRID = HEAD + '"IntervalTier"\n"vocals"\n0\n30\n1\n1\n2\n"la"\n'


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-16", "utf-8-sig", "utf-8"])
def test_a_textgrid_is_read_in_any_encoding(tmp_path, encoding):
    result = read_text(tmp_path, "a.TextGrid", GRID.encode(encoding))
    assert [(i.start_s, i.end_s) for i in result.intervals if i.state == "active"] == [(1, 2)]


def test_joined_files_with_byte_order_marks_are_read(tmp_path):
    result = read_text(tmp_path, "a.txt", "\ufeff0\t1\tvocals\n\ufeff2\t3\tdrums\n")
    assert list_spans(result) == [("vocals", "active", 0, 1), ("drums", "active", 2, 3)]


def test_a_chronological_textgrid_is_refused_with_advice(tmp_path):
    text = '"Praat chronological TextGrid text file"\n0 30\n1\n"IntervalTier" "vocals" 0 30\n\n1 1 2\n"la"\n'
    assert read_error(tmp_path, "a.TextGrid", text).startswith("a.TextGrid: is a chronological TextGrid: ")


@pytest.mark.parametrize("name", ["a.txt", "a.lab", "a"])
def test_two_tabs_before_a_label_are_read(tmp_path, name):
    result = read_text(tmp_path, name, "0.000\t0.980\t\tdrums\n0.980\t22.291\t\tvocals\n")
    assert list_spans(result) == [("drums", "active", 0, 0.98), ("vocals", "active", 0.98, 22.291)]


@pytest.mark.parametrize(("name", "mark"), [("a.lab", "\t\t"), ("a.txt", "\t"), ("a.csv", ",")])
def test_a_last_label_that_ends_a_rounding_before_it_starts_is_left_out(tmp_path, name, mark):
    rows = [("0.5", "162.922", "vocals"), ("162.922", "162.907", "silence")]
    result = read_text(tmp_path, name, "".join(mark.join(row) + "\n" for row in rows))
    assert list_spans(result) == [("vocals", "active", 0.5, 162.922)]
    assert result.warnings == (f"{tmp_path}/{name}:2: left out: point label 'silence'",)
    message = read_error(tmp_path, name, f"5{mark}4.9{mark}vocals\n")
    assert message.startswith(f"{name}:1: end '4.9' is before the start, 5")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "-0.000100\t1.0\tvocals\n"),
        ("a.tsv", "onset\tduration\ttrial_type\n-0.5\t1.5\tvocals\n"),
        ("a.csv", "start,end,label\n-0.25,1,vocals\n"),
    ],
)
def test_a_label_that_begins_a_little_before_the_song_is_cut(tmp_path, name, text):
    assert list_spans(read_text(tmp_path, name, text)) == [("vocals", "active", 0, 1)]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [("a.txt", "-5\t1.0\tvocals\n", 1), ("a.tsv", "onset\tduration\ttrial_type\n-5\t6\tvocals\n", 2)],
)
def test_a_label_that_begins_long_before_the_song_is_refused(tmp_path, name, text, line):
    assert read_error(tmp_path, name, text) == f"{name}:{line}: start '-5' is negative"


def test_an_event_without_an_onset_is_left_out(tmp_path):
    result = read_text(tmp_path, "a.tsv", "onset\tduration\ttrial_type\nn/a\t1\tvocals\n1\t2\tvocals\n")
    assert list_spans(result) == [("vocals", "active", 1, 3)]
    assert result.warnings == (f"{tmp_path}/a.tsv:2: left out: no start",)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("start_ms,duration_s", "1000,2"),
        ("start (s),duration (ms)", "1,2000"),
        ("start_ms,end_ms", "1000,3000"),
        ("begin time (s),end_ms", "1,3000"),
        ("Begin Time - ss.msec,End Time - ss.msec", "1,3"),
    ],
)
def test_each_column_has_its_own_unit(tmp_path, header, row):
    assert list_spans(read_text(tmp_path, "a.csv", f"{header},label\n{row},vocals\n")) == [("vocals", "active", 1, 3)]


@pytest.mark.parametrize("first", [0, 1])
def test_line_numbers_of_pandas_are_ignored(tmp_path, first):
    result = read_text(tmp_path, "a.csv", f"{first},1.0,2.0,vocals\n{first + 1},3.0,4.0,drums\n")
    assert list_spans(result) == [("vocals", "active", 1, 2), ("drums", "active", 3, 4)]


def test_a_header_between_blanks_is_read(tmp_path):
    assert list_spans(read_text(tmp_path, "a.lab", "start end label\n0 1 vocals\n")) == [("vocals", "active", 0, 1)]


RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File\t{}\n"


@pytest.mark.parametrize("name", ["Annotation", "Species", "Common Name"])
def test_selection_tables_of_raven_are_read(tmp_path, name):
    rows = "1\tWaveform 1\t1\t3.5\t4.0\t5\t7\ta.wav\tvocals\n1\tSpectrogram 1\t1\t3.5\t4.0\t5\t7\ta.wav\tvocals\n"
    assert list_spans(read_text(tmp_path, "a.txt", RAVEN.format(name) + rows)) == [("vocals", "active", 3.5, 4.0)]
    several = rows + rows.replace("a.wav", "b.wav")
    assert read_error(tmp_path, "a.txt", RAVEN.format(name) + several).startswith("a.txt: holds 2 recordings")


@pytest.mark.parametrize(
    "entry",
    [
        {"start": 1, "end": 2, "text": "hello you", "speaker": "vocals"},
        {"start": 1, "end": 2, "data": {"label": "vocals"}, "attributes": {}},
        {"start": 1, "end": 2, "attributes": {}, "data": {"note": "vocals"}},
        {"start": 1, "end": 2, "content": "vocals", "color": "red"},
        {"startTime": 1, "endTime": 2, "labelText": "vocals"},
    ],
)
def test_json_of_players_and_transcripts_is_read(tmp_path, entry):
    assert list_spans(read_text(tmp_path, "a.json", json.dumps([entry]))) == [("vocals", "active", 1, 2)]


def test_the_speaker_beside_a_transcript_is_the_name(tmp_path):
    result = read_text(tmp_path, "a.csv", "start,end,text,speaker\n0,1,hello you,vocals\n")
    assert list_spans(result) == [("vocals", "active", 0, 1)]

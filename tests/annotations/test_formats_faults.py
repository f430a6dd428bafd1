"""Faulty files as users have them are read as meant, or refused with advice."""

import json
import math
import unicodedata
from pathlib import Path

import pytest

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.formats import medleydb
from ugosa_jax.cli import annotation_options as options
from ugosa_jax.cli import names
from ugosa_jax.errors import InputError

FOLDER = Path(__file__).parents[1] / "data" / "annotations" / "faults"
SOURCES = ("drums", "bass", "other", "vocals")
DRUMS, BASS, OTHER, VOCALS = SOURCES


def count_seconds(path: Path, duration_s: float, **how) -> dict[str, tuple[float, float]]:
    """Return {source: active and silent seconds} for the sources that the annotation mentions."""
    result = names.read_with_options(path, options.ReadingWithSources(**how), SOURCES)
    states = annotation.count_state_seconds(result, duration_s)
    spoken = {source: (s["active"], s["silent"]) for source, s in states.items() if s["active"] or s["silent"]}
    return {source: (round(a, 6), round(b, 6)) for source, (a, b) in spoken.items()}


def read_error(path: Path, **how) -> str:
    """Return the message with which a file is refused, without its folder."""
    with pytest.raises(InputError) as caught:
        names.read_with_options(path, options.ReadingWithSources(**how), SOURCES)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path.parent}/")


@pytest.mark.parametrize(
    ("file", "how", "duration_s", "expected"),
    [
        ("01_sil_in_vocal_tier.TextGrid", {}, 30, {VOCALS: (10, 20)}),
        ("03_milliseconds.csv", {"unit": "ms"}, 50, {VOCALS: (30, 20)}),
        ("03_samples.txt", {"unit": "44100"}, 40, {VOCALS: (20, 20)}),
        ("05_unnamed_marker", {}, 40, {VOCALS: (35.576, 4.424)}),
        ("05_unnamed_point", {}, 10, {VOCALS: (3, 7)}),
        ("07_map_and_number.txt", {"map": ("Gesang=vocals",)}, 10, {VOCALS: (7.75, 0)}),
        ("09_suggestion_Bass_voice.txt", {}, 10, {VOCALS: (3, 0)}),
        ("09_suggestion_Chor.txt", {}, 10, {VOCALS: (3, 0)}),
        ("09_suggestion_batterie.txt", {}, 10, {DRUMS: (3, 7)}),
        ("10_nan_confidence.jams", {}, 30, {VOCALS: (5, 25)}),
        ("11_sections_and_sources.jams", {}, 30, {VOCALS: (5, 25)}),
        ("12_audition.csv", {}, 20, {VOCALS: (2.093, 17.907)}),
        ("14_label_studio.json", {}, 10, {VOCALS: (2.5, 7.5)}),
        ("15_diarization.rttm", {}, 20, {VOCALS: (2.1, 17.9)}),
        ("17_header_de.csv", {}, 10, {VOCALS: (2, 8)}),
        ("17_header_label.csv", {}, 10, {VOCALS: (2, 8)}),
        ("17_header_onset.tsv", {}, 10, {VOCALS: (2, 8)}),
        ("17_header_start_time.csv", {}, 10, {VOCALS: (2, 8)}),
        ("20_copy_suffix", {}, 10, {VOCALS: (6, 4)}),
        ("20_double_suffix", {}, 10, {VOCALS: (6, 4)}),
        ("20_take_suffix", {}, 10, {BASS: (6, 4)}),
        ("23_folder_with_lyrics", {}, 10, {VOCALS: (3, 7)}),
        ("25_losslesscut.csv", {}, 100, {VOCALS: (86.52, 13.48)}),
        ("27_unknown_names.txt", {"map": ("intro=",)}, 20, {DRUMS: (4, 0), BASS: (1, 0), VOCALS: (3, 0)}),
        ("31_names_in_brackets.txt", {}, 10, {VOCALS: (3, 0)}),
    ],
)
def test_files_that_were_misread_are_read(file, how, duration_s, expected):
    assert count_seconds(FOLDER / file, duration_s, **how) == expected


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "02_sv_time_values.csv",
            "02_sv_time_values.csv: is a time-value layer of Sonic Visualiser, which has no durations",
        ),
        (
            "03_milliseconds.csv",
            "03_milliseconds.csv:2: end 45000: whole numbers up to 12.5 hours, if seconds; give their unit",
        ),
        (
            "03_samples.txt",
            "03_samples.txt:2: end 1323000: whole numbers up to 368 hours, if seconds; give their unit",
        ),
        (
            "04_only_points.txt",
            "04_only_points.txt: no label says when a source plays: 2 point labels ('verse', 'chorus')",
        ),
        ("16_project.rpp", "16_project.rpp: is a REAPER project: export its regions with View > Region/Marker Manager"),
        (
            "27_unknown_names.txt",
            "27_unknown_names.txt:4: source 'intro' is not one of drums, bass, other, vocals; map it to "
            "a source, or to nothing to leave it out: --map 'intro='",
        ),
        (
            "29_in_out_markers.txt",
            "29_in_out_markers.txt: no label says when a source plays: 2 point labels ('vocals in', 'vocals out')",
        ),
    ],
)
def test_files_that_were_misread_are_refused_with_advice(file, message):
    assert read_error(FOLDER / file).startswith(message)


def test_an_unlabelled_stem_is_left_out_as_unknown():
    path = FOLDER / "22_unlabeled_ACTIVATION_CONF.lab"
    assert read_error(path).endswith(
        "give the stems' sources with --stems METADATA.yaml, or map them yourself: --map 'S01=' --map 'S02='"
    )
    how = {"stems": FOLDER / "22_unlabeled_METADATA.yaml"}
    result = names.read_with_options(path, options.ReadingWithSources(**how), SOURCES)
    assert f"{path}:2: left out: stem 'S02': its instruments are unknown, or of several sources" in result.warnings
    # Where S02 plays, it may be a drum, so drums are unknown; where it is silent, S01 decides.
    assert count_seconds(path, 15, complete=True, **how) == {DRUMS: (10, 0)}


def test_a_stem_of_two_sources_is_left_out(tmp_path):
    (tmp_path / "conf.lab").write_text("time,S01,S02\n0,0.1,0.9\n5,0.1,0.1\n10,0.9,0.1\n15,0.9,0.1\n")
    (tmp_path / "meta.yaml").write_text(
        "stems:\n  S01: {instrument: drum set}\n  S02: {instrument: [drum machine, piano]}\n"
    )
    how = {"stems": tmp_path / "meta.yaml", "complete": True}
    assert count_seconds(tmp_path / "conf.lab", 20, **how) == {DRUMS: (10, 5)}


GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n30\n<exists>\n{n}\n{tiers}'


def make_grid(**tiers: list[tuple[float, float, str]]) -> str:
    """Return a TextGrid of 30 s in the short format."""
    body = "".join(
        f'"IntervalTier"\n"{name}"\n0\n30\n{len(entries)}\n'
        + "".join(f'{a}\n{b}\n"{text}"\n' for a, b, text in entries)
        for name, entries in tiers.items()
    )
    return GRID.format(n=len(tiers), tiers=body)


ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0"><HEADER TIME_UNITS="milliseconds"/><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="4250"/>
<TIME_SLOT TIME_SLOT_ID="ts3"/></TIME_ORDER>
<TIER TIER_ID="vocals"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>la la</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>li</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="notes"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
<ANNOTATION_VALUE>nice</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"""
LAYER = (
    '<sv><data><model id="1" sampleRate="1000" dimensions="3" subtype="{}" dataset="0"/><dataset id="0">'
    '<point frame="1000" value="60" duration="500" level="0.8" label=""/></dataset></data>'
    '<display><layer id="2" name="Notes" model="1" presentationName="{}"/></display></sv>'
)


@pytest.mark.parametrize(
    ("file", "content", "how", "expected"),
    [
        # One bad line.
        (
            "x_SOURCEID.lab",
            "start_time,end_time,instrument_label\n0.5,2.5,singer\n3.0,3.0,drum set\n4,6,drum set\n",
            {},
            {VOCALS: (2, 0), DRUMS: (2, 0)},
        ),
        ("x.csv", "start,end,label,confidence\n0,1,vocals,\n1,2,vocals,NaN\n", {}, {VOCALS: (2, 28)}),
        # Names.
        ("x.txt", "1\t4\tGesang\n", {}, {VOCALS: (3, 27)}),
        ("x.txt", "1\t4\tKrach\n", {"map": ("krach=vocals",)}, {VOCALS: (3, 27)}),
        ("x.txt", "1\t4\tKrach\n", {"map": ("krach=one of vocals",)}, {VOCALS: (3, 0)}),
        ("x.txt", unicodedata.normalize("NFD", "1\t4\tbatería\n"), {}, {DRUMS: (3, 27)}),
        ("x.txt", unicodedata.normalize("NFD", "1\t4\tgüí\n"), {"map": ("GÜÍ=drums",)}, {DRUMS: (3, 27)}),
        ("x.txt", "1\t4\tviolon\n", {}, {OTHER: (3, 0)}),
        ("x.txt", "1\t4\tbass:\n5\t6\tVocals [chorus]\n", {}, {BASS: (3, 27), VOCALS: (1, 0)}),
        ("x.txt", "1\t4\tvocals - silent\n5\t7\tdrums: rest\n8\t9\tkein Gesang\n", {}, {VOCALS: (0, 4), DRUMS: (0, 2)}),
        # Words for silence.
        ("vocals.lab", "0 3 sil\n3 6 la\n6 9 sp\n", {}, {VOCALS: (3, 27)}),
        ("x.lab", "0 3 sil\n3 6 vocals\n", {}, {VOCALS: (3, 27)}),
        ("x.TextGrid", make_grid(drums=[(0, 10, "silence"), (10, 30, "")]), {}, {DRUMS: (0, 10)}),
        ("x.TextGrid", make_grid(bass=[(0, 5, "#"), (5, 9, "-"), (9, 12, "riff"), (12, 30, "")]), {}, {BASS: (3, 27)}),
        (
            "x.TextGrid",
            make_grid(vocals=[(0, 9, ""), (9, 30, "x")], words=[(9, 10, "la")], phones=[(9, 10, "HH")]),
            {"map": ("words=", "phones=")},
            {VOCALS: (21, 9)},
        ),
        # Exporters.
        (
            "x.txt",
            "Marker file version: 1\nTime format: Time\nvocals\t00:00:01.500\t00:00:04.000\nMarker 1\t00:00:05.000\n",
            {},
            {VOCALS: (2.5, 27.5)},
        ),
        ("x.csv", "sep=;\nstart;end;source\n0,5;2,5;vocals\n", {}, {VOCALS: (2, 28)}),
        ("x.csv", "#;Name;Start;End;Length\nR1;vocals;0:00,500;0:02,500;0:02,000\n", {}, {VOCALS: (2, 28)}),
        ("x.eaf", ELAN, {}, {VOCALS: (3.75, 26.25)}),
        ("x.svl", LAYER.format("note", "Violin"), {}, {OTHER: (0.5, 0)}),
        ("x.svl", LAYER.format("box", "Vox"), {}, {VOCALS: (0.5, 29.5)}),
        (
            "x.csv",
            "0.500000000,60,1.250000000,0.8,vocals\n2.000000000,62,1.000000000,0.8,vocals\n",
            {},
            {VOCALS: (2.25, 27.75)},
        ),
        (
            "x.csv",
            "START,END,EXTENT START,EXTENT END,LABEL\n0.500000000,1.750000000,200,400,vocals\n",
            {},
            {VOCALS: (1.25, 28.75)},
        ),
        ("violin.txt", "0.5\t1.0\tA3\n1.0\t2.0\tC#4\n", {}, {OTHER: (1.5, 0)}),
        ("violin.txt", "0.5\t1.0\tA3\n1.0\t2.0\tB3\n3\t4\tDb4\n", {}, {OTHER: (2.5, 0)}),
        ("vocals.txt", "0.5\t1.0\tB3\n1.0\t2.0\tDb3\n", {}, {VOCALS: (1.5, 28.5)}),
        ("vocals.txt", "0.5\t1.0\tVox\n1.0\t2.0\tB3\n", {}, {VOCALS: (0.5, 29.5), OTHER: (1, 0)}),
        ("vocals.txt", "0.5\t1.0\tDb3\n1.0\t2.0\tB3\n", {"map": ["B3=drums", "Db3="]}, {DRUMS: (1, 29)}),
        ("x.txt", "0\tvocals\n10\tvocals silent\n20\tvocals\n", {}, {VOCALS: (20, 10)}),
        ("x.csv", "1.500000000,vocals\n3.000000000,bass\n", {}, {VOCALS: (1.5, 28.5), BASS: (27, 3)}),
        ("x.csv", "Début;Fin;Étiquette\n0,5;2,5;voix\n", {}, {VOCALS: (2, 28)}),
        ("x.csv", "inicio,fin,etiqueta\n0.5,2.5,Voz\n", {}, {VOCALS: (2, 28)}),
        ("x.csv", "inizio;fine;nome\n0,5;2,5;Voce\n", {}, {VOCALS: (2, 28)}),
        ("x.csv", "início,fim,rótulo\n0.5,2.5,Vocais\n", {}, {VOCALS: (2, 28)}),
        ("x.tsv", "Anfang\tDauer\tName\n0,5\t2\tGesang\n", {}, {VOCALS: (2, 28)}),
        ("x.csv", "id,label,start,duration,color\n1,vocals,0.5,2,red\n", {}, {VOCALS: (2, 28)}),
        ("x.csv", "Name,In,Out\nvocals,0:01.5,0:04\n", {}, {VOCALS: (2.5, 27.5)}),
        ("x.csv", "Start (ms),End (ms),Label\n500,2500,vocals\n", {}, {VOCALS: (2, 28)}),
        (
            "x.txt",
            "Tier\tBegin Time - hh:mm:ss.ms\tEnd Time - hh:mm:ss.ms\tAnnotation\nvocals\t00:00:00.5\t00:00:02.0\tla\n",
            {},
            {VOCALS: (1.5, 28.5)},
        ),
        ("x.csv", "tmin,tier,text,tmax\n0.5,vocals,la,1.25\n1.25,vocals,sil,3\n", {}, {VOCALS: (0.75, 29.25)}),
        ("x.csv", "vocals,0.5,2.5\ndrums,3,4\n", {}, {VOCALS: (2, 28), DRUMS: (1, 29)}),
        ("x.csv", "start,end,source,state\n0,1,vocals,on\n1,2,vocals,off\n2,3,vocals,pause\n", {}, {VOCALS: (1, 2)}),
        ("x.csv", "time,vocals,drums\n0,1,0\n1,0,1\n2,0,1\n", {}, {VOCALS: (1, 2), DRUMS: (2, 1)}),
        ("x.csv", "start,end,vocals,drums\n0,1,1,0\n1,2,0,1\n", {}, {VOCALS: (1, 1), DRUMS: (1, 1)}),
        ("x.json", '{"vocals": [[0, 1], [2, 3]], "drums": [[1, 2]]}', {}, {VOCALS: (2, 28), DRUMS: (1, 29)}),
        ("x.txt", "1\t4\tVOX_LEAD_01.wav\n", {}, {VOCALS: (3, 0)}),
        ("x.csv", "start;end;source;state\n0;5;vocals;aktiv\n5;9;vocals;stumm\n", {}, {VOCALS: (5, 4)}),
        ("bass.csv", "0.5,2.5\n3,4\n", {}, {BASS: (3, 27)}),
        ("x.lab", "0 30000000 vocals\n", {"unit": "100ns"}, {VOCALS: (3, 27)}),
        ("x.json", json.dumps([{"start": 1, "end": 2.5, "label": "vocals"}]), {}, {VOCALS: (1.5, 28.5)}),
        (
            "x.json",
            json.dumps({"segments": [{"start": "0:01", "end": "0:02.5", "label": "vocals"}]}),
            {},
            {VOCALS: (1.5, 28.5)},
        ),
        (
            "x.jsonl",
            '{"start":0,"end":1,"label":"vocals"}\n{"start":2,"end":3,"label":"vocals"}\n',
            {},
            {VOCALS: (2, 28)},
        ),
        (
            "x.json",
            json.dumps([{"audio": "a.wav", "id": 1, "label": [{"start": 1.5, "end": 4, "labels": ["vocals"]}]}]),
            {},
            {VOCALS: (2.5, 27.5)},
        ),
        (
            "x.rttm",
            "SPKR-INFO s 1 <NA> <NA> <NA> unknown A <NA>\nSPEAKER s 1 1.5 2 <NA> <NA> A 0.9 <NA>\n",
            {"map": ("A=vocals",)},
            {VOCALS: (2, 28)},
        ),
    ],
)
def test_texts_that_were_misread_are_read(tmp_path, file, content, how, expected):
    (tmp_path / file).write_text(content)
    assert count_seconds(tmp_path / file, 30, **how) == expected


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "x.txt",
            "1\t2\tzyx\n2\t3\tOH\n3\t4\tdrums & bass\n4\t5\tzyx\n",
            "x.txt: 2 names are not one of drums, bass, other, vocals: 'zyx' (2 times, first 1 to 2 s, line 1), "
            "'drums & bass' (3 to 4 s, line 3); map each to a source, or to nothing to leave them out: "
            "--map 'zyx=' --map 'drums & bass='",
        ),
        (
            "x.txt",
            "1\t2\tloud guitar thing\n",
            "x.txt:1: source 'loud guitar thing' is not one of drums, bass, other, vocals; "
            "map it to a source, or to nothing to leave it out: --map 'loud guitar thing=one of other'",
        ),
        (
            "x.TextGrid",
            make_grid(vocals=[(10, 20, "x")], words=[(10, 12, "la"), (12, 13, "li")]),
            "x.TextGrid:23: source 'words' is not one of drums, bass, other, vocals (a tier or layer of 2 labels: "
            "'la', 'li'); map it to a source, or to nothing to leave it out: --map 'words='",
        ),
        (
            "x.txt",
            "".join(f"{n}\t{n + 1}\tw{n}w\n" for n in range(50)),
            "x.txt: 50 names are not one of drums, bass, other, vocals: 'w0w' (0 to 1 s, line 1), ",
        ),
        ("x.txt", "1.0\tvocals in\n4.0\tvocals out\n", "x.txt: no label says when a source plays: 2 point labels"),
        (
            "x.csv",
            "15000.5,200000.0,vocals\n",
            "x.csv:1: end 200000: numbers up to 55.6 hours, if seconds; give their unit",
        ),
        (
            "x.csv",
            "foo,bar,baz\n1,2,vocals\n",
            "x.csv:1: header 'foo,bar,baz' has no columns for start and end: call the",
        ),
        ("x.txt", "1 - 4 vocals\n5 - 6 drums\n", "x.txt:1: no field is a time; a line is start,end,source"),
        (
            "x.csv",
            "In,Out,Name\n00:00:01:12,00:00:02:00,vocals\n",
            "x.csv:2: start '00:00:01:12' is not a number of seconds",
        ),
        ("x.csv", "nonsense\n", "x.csv:1: no field is a time; a line is start,end,source"),
        (
            "x.csv",
            "0.00,220.5\n0.01,221.0\n0.02,0\n",
            "x.csv:3: the second number is not an end; a list of times and values",
        ),
        (
            "x.csv",
            "TIME,VALUE,LABEL\n1.500000000,20,vocals\n",
            "x.csv: is a time-value layer of Sonic Visualiser",
        ),
        (
            "x.svl",
            '<sv><model sampleRate="9" dimensions="2" dataset="0"/><dataset id="0"><point frame="0"/></dataset></sv>',
            "x.svl: no label says when a source plays: 1 layer of time values, not of regions",
        ),
        ("x.json", "{}", "x.json: holds no labels: neither JAMS nor Label Studio nor a list of objects"),
        (
            "x.json",
            json.dumps([{"audio": a, "label": [{"start": 1, "end": 4, "labels": ["vocals"]}]} for a in "ab"]),
            "x.json: holds the labels of 2 songs: export the task of one song",
        ),
        (
            "x.rttm",
            "".join(f"SPEAKER {s} 1 1 2 <NA> <NA> A <NA>\n" for s in "ab"),
            "x.rttm: holds 2 recordings ('a', 'b')",
        ),
        (
            "x.csv",
            "Name\tStart\tDuration\tTime Format\tType\tDescription\nvocals\t44100\t88200\t44100 Hz\tCue\t\n",
            "x.csv:2: time format '44100 Hz' is not decimal: set the time display to Decimal",
        ),
        (
            "x.txt",
            "Marker file version: 1\nTime format: Samples\na\t1\t2\n",
            "x.txt:2: time format 'Samples' is not Time",
        ),
        ("x.eaf", "<a/>", "x.eaf: is not an ELAN annotation document"),
        ("x.lrc", "[ar:X]\n[00:12.00]la la\n", "x.lrc: is lyrics with times (LRC)"),
        ("x.srt", "1\n00:00:01,500 --> 00:00:04,000\nla\n", "x.srt: is subtitles"),
        ("x.edl", "TITLE: x\nFCM: NON-DROP FRAME\n", "x.edl: is an edit decision list (EDL)"),
        ("x.cue", 'FILE "a.wav" WAVE\n  TRACK 01 AUDIO\n', "x.cue: is a cue sheet"),
        ("x.musicxml", "<?xml version='1.0'?>\n<score-partwise/>", "x.musicxml: is a score (MusicXML)"),
        (
            "x.aup",
            '<?xml version="1.0"?>\n<!DOCTYPE project>\n<project x="http://audacity.sourceforge.net/xml/"/>',
            "x.aup: is an Audacity",
        ),
        ("x.html", "<!DOCTYPE html>\n<html></html>", "x.html: is a web page"),
        ("x.jams", "version https://git-lfs.github.com/spec/v1\n", "x.jams: is a pointer of Git LFS"),
        ("x.als", b"\x1f\x8b\x08\0xxxx", "x.als: is packed with gzip, as an Ableton Live set is"),
        ("x.xlsx", b"PK\x03\x04xxxx", "x.xlsx: is a spreadsheet or another zip archive: save the table as CSV"),
        ("x.aup3", b"SQLite format 3\0xxx", "x.aup3: is an Audacity 3 project"),
        ("x.mid", b"MThd\0\0\0\x06", "x.mid: is a MIDI file"),
        ("x.flac", b"fLaC\0\0\0\x22", "x.flac: is a sound or video file: the annotation comes first, then the song"),
    ],
)
def test_texts_that_were_misread_are_refused_with_advice(tmp_path, file, content, message):
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_error(tmp_path / file).startswith(message)


def test_a_folder_with_words_beside_the_stems(tmp_path):
    (tmp_path / "vocals.txt").write_text("1\t4\t\n")
    (tmp_path / "chords.lab").write_text("0 2 C:maj\n2 4 A\n")
    (tmp_path / "README.txt").write_text("remember to tune\n")
    assert count_seconds(tmp_path, 10) == {VOCALS: (3, 7)}
    (tmp_path / "Xyz.txt").write_text("5\t6\t\n")
    assert read_error(tmp_path).endswith("or map it to one: --map 'Xyz='")
    assert count_seconds(tmp_path, 10, map=("Xyz=bass",)) == {VOCALS: (3, 7), BASS: (1, 9)}


def test_a_project_folder_is_refused_with_advice(tmp_path):
    (tmp_path / "Song.logicx").mkdir()
    assert read_error(tmp_path / "Song.logicx") == (
        "Song.logicx: is a Logic Pro project: export its regions or labels as text instead"
    )


def test_a_source_whose_file_cannot_be_read_is_not_left_out(tmp_path):
    (tmp_path / "bass.txt").write_text("1\t4\t\n")
    (tmp_path / "song vocals.txt").write_text("la la\n")
    assert read_error(tmp_path).endswith(
        "song vocals.txt:1: no field is a time; a line is start,end,source or start,end,source,state"
    )


def test_a_label_without_an_end_lasts_to_the_end_of_the_song(tmp_path):
    (tmp_path / "a.csv").write_text("5,,vocals\n")
    result = annotation.read_annotation(tmp_path / "a.csv", SOURCES)
    assert result.intervals[0].end_s == math.inf
    annotation.check_against(result, 20)
    assert annotation.compute_active_mask(result, 20, 1)[3].tolist() == [False] * 5 + [True] * 15
    annotation.write_annotation(result, tmp_path / "b.csv")
    assert annotation.read_annotation(tmp_path / "b.csv", SOURCES) == result
    with pytest.raises(InputError, match="lasts to the end of the song, which JAMS cannot express: give --song"):
        annotation.write_annotation(result, tmp_path / "b.jams", "jams")
    annotation.write_annotation(annotation.make_explicit(result, 20), tmp_path / "b.jams", "jams")
    assert annotation.count_silent_seconds(annotation.read_annotation(tmp_path / "b.jams", SOURCES), 20)["vocals"] == 5


@pytest.mark.parametrize("unit", ["", "0", "44.1", "kHz", "-5", "9" * 9])
def test_unknown_units_are_refused(tmp_path, unit):
    (tmp_path / "a.csv").write_text("0,1,vocals\n")
    assert "unit must be s, ms, us, 100ns or a number of samples per second" in read_error(
        tmp_path / "a.csv", unit=unit
    )


def test_a_unit_is_refused_for_a_format_with_a_known_unit(tmp_path):
    assert read_error(FOLDER / "12_audition.csv", unit="ms").endswith("omit the option")


def test_elan_times_equal_those_of_pympi(tmp_path):
    elan = pytest.importorskip("pympi.Elan")
    theirs = elan.Eaf()
    theirs.add_tier("drums")
    theirs.add_annotation("drums", 500, 1750, "fill")
    theirs.add_annotation("drums", 2000, 3000, "sil")
    theirs.to_file(str(tmp_path / "a.eaf"))
    assert count_seconds(tmp_path / "a.eaf", 10) == {DRUMS: (1.25, 8.75)}


def test_twenty_thousand_intervals_are_read_in_linear_time(tmp_path):
    """Reading takes a fraction of a second; if it grew with the square of the intervals, it would take minutes."""
    spoken = ("kick", "snare", "bass", "piano", "guitar", "lead vox", "vocals", "drums")
    rows = (f"{n * 0.006:.4f},{n * 0.006 + 0.003:.4f},{spoken[n % 8]}\n" for n in range(20_000))
    (tmp_path / "a.csv").write_text("".join(rows))
    result = names.read_with_options(tmp_path / "a.csv", options.ReadingWithSources(), SOURCES)
    assert len(result.intervals) == 20_000
    assert annotation.compute_active_mask(result, 120_000, 1000.0).sum(1).tolist() == [22_500, 7_500, 120_000, 15_000]


@pytest.mark.parametrize("value", ["!!bool foo", "!!float ''", "!!int ''", "!!timestamp x"])
def test_metadata_with_odd_scalars_are_texts(value):
    """YAML's constructors of such scalars raise various exceptions; so all scalars are read as text."""
    result = medleydb.parse_stem_names(f"stems: {{S01: {{instrument: {value}, filename: {value}}}}}", "m.yaml")
    assert list(result) == ["S01"]


def test_metadata_may_name_an_instrument_no_or_nothing():
    text = "stems: {S01: {instrument: no}, S02: {instrument: }, S03: {instrument: [piano, ~, null, tuba]}}"
    assert medleydb.parse_stem_names(text, "m.yaml") == {"S01": ("no",), "S02": (), "S03": ("piano", "tuba")}

"""Refusals of each reader and their messages; details of single formats."""

import pytest

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.annotations.vocabulary import NameRules
from ugosa_jax.errors import InputError

SOURCES = ("drums", "bass", "other", "vocals")


def read(tmp_path, content, name, **options):
    (tmp_path / name).write_text(content)
    return annotation.read_annotation(tmp_path / name, SOURCES, **options)


def make_grid(tiers: str, xmax=6, size=1) -> str:
    """Return a TextGrid in the short format."""
    return f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{xmax}\n<exists>\n{size}\n{tiers}\n'


JAMS = '{"annotations": [{"namespace": "tag_open", "data": [%s], "time": 0, "duration": null}]}'
POINT = (
    '<sv><data><model id="1" sampleRate="%s" dataset="0" subtype="region"/>'
    '<dataset id="0"><point %s/></dataset></data></sv>'
)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "start,end,source,state,confidence\n0,1,bass,active,1.5",
            "a.csv:2: confidence '1.5' is not a number",
        ),
        ("a.csv", "start,end,source,state,confidence\n0,1,bass,active,x", "a.csv:2: confidence 'x' is not a number"),
        ("a.csv", "0,1,bass,active,0.5", "a.csv:1: fields: 5 instead of"),
        ("a.txt", "1.5\tbass", "a.txt: no label says when a source plays: 1 point label ('bass') without length"),
        ("a.txt", "1.5\tverse\n3\tchorus", "a.txt: 2 names are not one of"),
        (
            "a.txt",
            "0\t1\t",
            "a.txt:1: source 'a' is not one of drums, bass, other, vocals (a file of 1 label); its labels",
        ),
        (
            "a.txt",
            "0\t1",
            "a.txt:1: source 'a' is not one of drums, bass, other, vocals (a file of 1 label); its labels",
        ),
        ("a.lab", "0.5\n", "a.lab:1: fields: 1 instead of start, end and label"),
        ("a.lab", "0,5 1,5 bass\n2 1 bass", "a.lab:2: end '1' is before the start, 2"),
        (
            "a.lab",
            "0 36000000 bass",
            "a.lab:1: end 36000000: whole numbers up to 1e+04 hours, if seconds; give their unit: --unit ms",
        ),
        ("a.lab", "1 2 lead bassoon", "a.lab:1: source 'lead bassoon' is not one of"),
        ("a.csv", "FRAME,VALUE,DURATION,LABEL\n0,1,44100,bass", "a.csv:1: column 'FRAME' counts sample frames"),
        ("a.csv", "TIME,VALUE,DURATION,LABEL\n0.5,x,1.0,bass", "a.csv:2: is not time,value,duration,label"),
        ("a.csv", "TIME,VALUE,DURATION,LABEL\n0.5,1,-1.0,bass", "a.csv:2: duration '-1.0' is negative"),
        ("a.csv", "#,Name,Start,End,Length\nR1,bass,44100,88200,44100", "a.csv:2: start '44100' is a whole number"),
        ("a.csv", "#,Name,Start,End,Length\nR1,bass,0:61.0,1:02.0,", "a.csv:2: start '0:61.0' is not a time such as"),
        ("a.csv", "#,Name,Start,End,Length\nR1,bass,-0:01.0,1:02.0,", "a.csv:2: start '-0:01.0' is not a time such as"),
        ("a.csv", "#,Name,Start,End,Length\nR1,bass,0:00:00:00,0:00:01:31,", "a.csv:2: end '0:00:01:31' counts more"),
        ("a.csv", "#,Name,Start,End,Length\nR1,bass,1.0,,", "a.csv:2: end '' is missing"),
        ("a.csv", "#,Name,Start,End,Length\nR1,bass,2.0,1.0,", "a.csv:2: end '1.0' is before the start, 2.0"),
        ("a.csv", "#,Name,Start,End,Length\nR1", "a.csv:2: fields: 1 instead of #,Name,Start,End"),
        ("a.csv", "#,Name,Start,End,Length\nM1,bass,1.0,,", "a.csv: no label says when a source plays: 1 point"),
        ("a.lab", "time,S01,S02\n0,0.1,0.2", "a.lab: has fewer than two lines"),
        ("a.lab", "time,S01,S01\n0,0.1,0.2\n1,0,0", "a.lab:1: a stem is listed twice"),
        ("a.lab", "time,S01,S02\n0,0.1\n1,0,0", "a.lab:2: fields: 2 instead of 3"),
        ("a.lab", "time,S01\n1,0.1\n1,0.2", "a.lab:3: time '1' is not after 1, that of the line before"),
        ("a.lab", "time,S01\n0,0.1\n1,1.2", "a.lab:3: confidence '1.2' is not a number between 0 and 1"),
        ("a.lab", "start_time,end_time,instrument_label\n0,1", "a.lab:2: fields: 2 instead of start_time"),
        ("a.jams", "{", "a.jams:1: is not JSON (Expecting property name"),
        ("a.jams", "[]", "a.jams: annotations: is not a list"),
        ("a.jams", "[" * 100_000, "a.jams: cannot be read as JSON"),
        ("a.jams", '{"annotations": [1]}', "a.jams:annotations[0]: is not an object"),
        ("a.jams", '{"annotations": []}', "a.jams: has no annotation in a namespace of tag_open"),
        ("a.jams", '{"annotations": [NaN]}', "a.jams:annotations[0]: is not an object"),
        ("a.jams", JAMS % "1", "a.jams:annotations[0].data[0]: value: is not a string"),
        (
            "a.jams",
            JAMS % '{"time": "1", "duration": 1, "value": "bass"}',
            "a.jams:annotations[0].data[0].time: '1' is",
        ),
        (
            "a.jams",
            JAMS % '{"time": true, "duration": 1, "value": "bass"}',
            "a.jams:annotations[0].data[0].time: 'True'",
        ),
        (
            "a.jams",
            JAMS % '{"time": -1, "duration": 1, "value": "bass"}',
            "a.jams:annotations[0].data[0]: time and dur",
        ),
        (
            "a.jams",
            JAMS % '{"time": 1, "duration": -1, "value": "bass"}',
            "a.jams:annotations[0].data[0]: time and dur",
        ),
        ("a.jams", JAMS % '{"time": 1, "duration": 1e999, "value": "bass"}', "a.jams:annotations[0].data[0].duration"),
        (
            "a.jams",
            JAMS % '{"time": 1, "duration": 1, "value": "kazoo"}',
            "a.jams:annotations[0].data[0]: source 'kazoo'",
        ),
        (
            "a.jams",
            JAMS % '{"time": 1, "duration": 1, "value": "bass", "confidence": 2}',
            "a.jams:annotations[0].data[0].confidence: 2 is not between 0 and 1",
        ),
        ("a.svl", "<sv><data>", "a.svl:1: is not well-formed XML (no element found)"),
        ("a.svl", "<sv/>", "a.svl: holds no layers of Sonic Visualiser"),
        ("a.svl", "<?xml version='1.0'?>\n<sv>\n<data></sv>", "a.svl:3: is not well-formed XML (mismatched tag)"),
        ("a.svl", '<!DOCTYPE x [<!ENTITY a "aaa">]><sv>&a;</sv>', "a.svl:1: entity 'a' is not expected"),
        ("a.svl", POINT % ("0", 'frame="0" duration="1" label="bass"'), "a.svl:1: sampleRate '0' is not positive"),
        ("a.svl", POINT % ("44100", 'frame="1.5" duration="1" label="bass"'), "a.svl:1: frame '1.5' is not a whole"),
        ("a.svl", POINT % ("44100", 'frame="0" duration="-1" label="bass"'), "a.svl:1: duration '-1' is not a whole"),
        ("a.TextGrid", "", "a.TextGrid: ends where the file type should be"),
        ("a.TextGrid", '"ooTextFile" "Pitch"', "a.TextGrid: holds 'Pitch', not a TextGrid"),
        ("a.TextGrid", '"nonsense"', "a.TextGrid: is not a Praat text file"),
        (
            "a.TextGrid",
            make_grid('"IntervalTier"\n"bass"\n0\n6\n2\n0\n1\n"active"'),
            "a.TextGrid: ends where xmin of an interval",
        ),
        (
            "a.TextGrid",
            make_grid('"IntervalTier"\n"bass"\n0\n6\n1\n0\n1\n"active'),
            "a.TextGrid:15: a text has no closing quote",
        ),
        (
            "a.TextGrid",
            make_grid('"IntervalTier"\n"bass"\n0\n6\n1\n2\n1\n"active"'),
            "a.TextGrid: an interval of 'bass': from 2 to 1",
        ),
        (
            "a.TextGrid",
            make_grid('"IntervalTier"\n"bass"\n0\n6\n1.5'),
            "a.TextGrid:12: the number of labels '1.5' is not a count",
        ),
        ("a.TextGrid", make_grid('"SoundTier"'), "a.TextGrid:8: class 'SoundTier' is not IntervalTier or TextTier"),
        (
            "a.TextGrid",
            make_grid('"IntervalTier"\n"bass"\n"x"'),
            "a.TextGrid:10: xmin of tier 'bass' should be a number, not 'x'",
        ),
        (
            "a.TextGrid",
            make_grid('"IntervalTier"\n"words"\n0\n6\n1\n0\n1\n"la la"'),
            "a.TextGrid:15: source 'words' is not one of drums, bass, other, vocals (a tier or layer",
        ),
    ],
)
def test_bad_lines_are_refused_by_file_line_and_field(tmp_path, name, content, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, content, name)
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(message)
    assert "\n" not in str(caught.value)


def test_a_tier_named_after_a_source_may_hold_any_words(tmp_path):
    words = '"IntervalTier"\n"Vocals"\n0\n6\n3\n1\n2\n"no bass"\n2\n3\n"unknown"\n4\n5\n"vocals silent"'
    result = read(tmp_path, make_grid(words), "a.TextGrid")
    assert result.intervals == (
        Interval(1, 2, "vocals"),
        Interval(2, 3, "vocals", "unknown"),
        Interval(4, 5, "vocals", "silent"),
    )


def test_lyrics_that_resemble_names_stay_lyrics(tmp_path):
    words = (
        '"IntervalTier"\n"vox"\n0\n6\n4\n0\n1\n"voice inside"\n1\n2\n"no vocals"\n2\n3\n"no drums"\n3\n4\n"bass silent"'
    )
    result = read(tmp_path, make_grid(words), "a.TextGrid", names=NameRules())
    assert result.intervals == (
        Interval(0, 1, "vocals"),
        Interval(1, 2, "vocals", "silent"),
        Interval(2, 3, "vocals"),
        Interval(3, 4, "vocals"),
    )


def test_a_label_of_a_million_words_is_refused(tmp_path):
    with pytest.raises(InputError, match="source 'lead lead"):
        read(tmp_path, f"0 1 {'lead ' * 1_000_000}x\n", "a.lab", names=NameRules())


def test_a_tier_is_silent_between_words_within_its_span(tmp_path):
    result = read(tmp_path, make_grid('"IntervalTier"\n"vocals"\n1\n6\n1\n2\n3\n"la"'), "a.TextGrid")
    assert result.intervals == (
        Interval(1, 2, "vocals", "silent"),
        Interval(2, 3, "vocals"),
        Interval(3, 6, "vocals", "silent"),
    )
    assert annotation.count_silent_seconds(result, 100) == {"drums": 0, "bass": 0, "other": 0, "vocals": 4}


def test_a_jams_annotation_is_silent_within_its_span_only(tmp_path):
    entry = '{"time": 2, "duration": 1, "value": "vocals", "confidence": null}'
    everywhere = read(tmp_path, JAMS % entry, "a.jams")
    assert annotation.count_silent_seconds(everywhere, 100)["vocals"] == 99
    valid = (JAMS % entry).replace('"time": 0, "duration": null', '"time": 1, "duration": 5')
    assert annotation.count_silent_seconds(read(tmp_path, valid, "a.jams"), 100)["vocals"] == 4


def test_jams_with_dense_data_is_read(tmp_path):
    columns = '{"time": [0, 1], "duration": [1, 1], "value": ["bass", "drums"], "confidence": [null, 0.5]}'
    content = '{"annotations": [{"namespace": "segment_open", "data": %s}]}'
    result = read(tmp_path, content % columns, "a.jams")
    assert result.intervals == (Interval(0, 1, "bass"), Interval(1, 2, "drums", confidence=0.5))
    with pytest.raises(InputError, match="needs lists of the same length"):
        read(tmp_path, content % columns.replace("[0, 1]", "[0]"), "a.jams")


def test_labels_below_even_odds_count_as_unknown(tmp_path):
    table = "start,end,source,state,confidence\n0,1,bass,silent,0.49\n1,2,bass,silent,0.5\n"
    result = read(tmp_path, table, "a.csv")
    assert result.intervals == (
        Interval(0, 1, "bass", "unknown", confidence=0.49),
        Interval(1, 2, "bass", "silent", confidence=0.5),
    )
    assert result.warnings == (f"{tmp_path}/a.csv:2: labels with a confidence below 0.5, which count as unknown: 1",)


def test_a_layer_named_after_a_source_needs_no_labels(tmp_path):
    layer = (POINT % ("10", 'frame="5" duration="10" label=""')).replace(
        "</sv>", '<layer id="2" type="regions" name="Regions" presentationName="Vox" model="1"/></sv>'
    )
    assert read(tmp_path, layer, "a.svl", names=NameRules()).intervals == (Interval(0.5, 1.5, "vocals"),)


def test_labels_sing_and_nosing_are_states_of_the_vocals(tmp_path):
    result = read(tmp_path, "0 1.5 nosing\n1.5 3 sing\n", "song.lab", names=NameRules())
    assert result.intervals == (Interval(0, 1.5, "vocals", "silent"), Interval(1.5, 3, "vocals"))

"""The files in data/annotations hold one annotation as each tool writes it; all give the same result."""

import bz2
import shutil
from pathlib import Path

import pytest

from ugosa_jax.annotations import annotation, formats
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.annotations.unknown_names import parse_overrides
from ugosa_jax.annotations.vocabulary import NameRules
from ugosa_jax.errors import InputError

FOLDER = Path(__file__).parents[1] / "data" / "annotations"
SOURCES = ("drums", "bass", "other", "vocals")
ANNOTATION = (
    Interval(0.0, 1.5, "drums", "silent"),
    Interval(0.5, 1.25, "vocals"),
    Interval(2.0, 3.0, "vocals"),
)
SURE = (
    Interval(0.0, 1.5, "drums", "silent", confidence=0.75),
    Interval(0.5, 1.25, "vocals", confidence=0.9),
    Interval(2.0, 3.0, "vocals"),
)


def read_error(path: Path, **options) -> str:
    """Return the message with which a file is refused, without its folder."""
    with pytest.raises(InputError) as caught:
        annotation.read_annotation(path, SOURCES, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path.parent}/")


@pytest.mark.parametrize(
    ("file", "format", "expected"),
    [
        ("native.csv", "csv", SURE),
        ("audacity.txt", "audacity", ANNOTATION),
        ("mirex.lab", "lab", ANNOTATION),
        ("song.jams", "jams", SURE),
        ("sonic_visualiser.csv", "sonic-table", ANNOTATION),
        ("sonic_visualiser_no_header.csv", "sonic-table", ANNOTATION),
        ("sonic_visualiser.svl", "sonic-layers", ANNOTATION),
        ("reaper.csv", "reaper", ANNOTATION),
        ("reaper_clock.csv", "reaper", ANNOTATION),
        ("reaper_frames.csv", "reaper", ANNOTATION),
        ("praat_long.TextGrid", "textgrid", ANNOTATION),
        ("praat_short.TextGrid", "textgrid", ANNOTATION),
    ],
)
def test_every_format_is_recognised_and_read(tmp_path, file, format, expected):
    result = annotation.read_annotation(FOLDER / file, SOURCES)
    assert result.intervals == expected
    assert result.outside == "unknown"
    shutil.copy(FOLDER / file, tmp_path / "file")
    assert annotation.read_annotation(tmp_path / "file", SOURCES, format=format).intervals == expected


@pytest.mark.parametrize(
    "file", sorted(path.name for path in FOLDER.iterdir() if path.is_file() and path.suffix not in (".yaml", ".lab"))
)
def test_content_decides_the_format_without_a_suffix(tmp_path, file):
    text = (FOLDER / file).read_text()
    assert formats.recognise(text, "file") == formats.recognise(text, FOLDER / file)


def test_lab_is_recognised_without_a_suffix():
    assert formats.recognise("0.5 1.25 vocals\n", "file") == "lab"
    assert formats.recognise("time,S01\n0,1\n", "x.lab") == "activation-conf"
    assert formats.recognise("start_time,end_time,instrument_label\n", "x.lab") == "sourceid"


@pytest.mark.parametrize(
    "line",
    [
        "0,5,2,vocals",  # decimal commas between commas: not a region of Sonic Visualiser's
        "0.5,1.25,vocals,active",
        "0.5,1.25,808",
        "0.5,1,2.5,vocals,x",
    ],
)
def test_tables_that_resemble_a_region_layer_are_read_as_tables(line):
    assert formats.recognise(line, "song.csv") == "csv"


def test_layers_without_durations_are_left_out_with_a_warning():
    warnings = annotation.read_annotation(FOLDER / "audacity.txt", SOURCES).warnings
    assert warnings == (
        f"{FOLDER}/audacity.txt:5: left out: point label 'chorus'",
        f"{FOLDER}/audacity.txt:7: left out: point label 'solo of the old form'",
    )
    assert annotation.read_annotation(FOLDER / "sonic_visualiser.svl", SOURCES).warnings == (
        f"{FOLDER}/sonic_visualiser.svl:13: left out: a layer of time instants, not of regions",
    )
    assert annotation.read_annotation(FOLDER / "song.jams", SOURCES).warnings == (
        f"{FOLDER}/song.jams:annotations[0]: left out: namespace 'chord' does not name sources",
    )
    assert annotation.read_annotation(FOLDER / "reaper.csv", SOURCES).warnings == (
        f"{FOLDER}/reaper.csv:4: left out: point label 'chorus'",
    )
    assert annotation.read_annotation(FOLDER / "reaper_frames.csv", SOURCES).warnings == (
        f"{FOLDER}/reaper_frames.csv:2: times in frames: read as 30 frames per second; if wrong, export in seconds",
    )
    assert annotation.read_annotation(FOLDER / "praat_long.TextGrid", SOURCES).warnings == (
        f"{FOLDER}/praat_long.TextGrid:57: left out: point label 'the \"chorus\"'",
    )


def test_bars_and_beats_are_refused_with_advice():
    assert read_error(FOLDER / "reaper_bars.csv") == (
        "reaper_bars.csv:2: start '1.1.00' is in bars and beats: "
        "set the ruler to Seconds or Minutes:Seconds in REAPER and export again"
    )


def test_a_packed_session_is_read(tmp_path):
    packed = bz2.compress((FOLDER / "sonic_visualiser.svl").read_bytes())
    (tmp_path / "session.sv").write_bytes(packed)
    assert annotation.read_annotation(tmp_path / "session.sv", SOURCES).intervals == ANNOTATION
    (tmp_path / "session.sv").write_bytes(packed[:-20])
    assert read_error(tmp_path / "session.sv") == "session.sv: cannot be unpacked: it is cut short"


def test_a_decompression_bomb_is_refused(tmp_path):
    (tmp_path / "bomb.sv").write_bytes(bz2.compress(bytes(100_000_000)))
    assert (tmp_path / "bomb.sv").stat().st_size < 1000
    assert read_error(tmp_path / "bomb.sv") == "bomb.sv: is too large for an annotation"


def test_a_binary_textgrid_is_refused_with_advice(tmp_path):
    (tmp_path / "a.TextGrid").write_bytes(b"ooBinaryFile\x08TextGrid")
    assert read_error(tmp_path / "a.TextGrid") == "a.TextGrid: is a binary Praat file; save it with Save as text file…"


def test_a_folder_with_one_file_a_source_is_read(tmp_path):
    (tmp_path / "song vocals.txt").write_text("0.5\t1.25\t\n2\t3\tactive\n")
    (tmp_path / "drums.txt").write_text("0\t1.5\tsilent\n")
    (tmp_path / "cover.jpg").write_bytes(b"\0")
    result = annotation.read_annotation(tmp_path, SOURCES)
    assert result.intervals == ANNOTATION
    assert [Path(i.path).name for i in result.intervals] == ["drums.txt", "song vocals.txt", "song vocals.txt"]
    (tmp_path / "more drums.txt").write_text("1\t2\tactive\n")
    with pytest.raises(InputError, match=r"more drums\.txt:1: .* contradicts 'silent' of line 1 of .*/drums\.txt"):
        annotation.read_annotation(tmp_path, SOURCES)


def test_medleydb_activations_are_read_with_their_metadata(tmp_path):
    stems = FOLDER / "Some_Song_ACTIVATION_CONF.lab"
    names = NameRules(parse_overrides(["S01=one of vocals", "S02=drum set"]))
    result = annotation.read_annotation(stems, SOURCES, names=names)
    assert [(i.start_s, i.end_s, i.state) for i in result.select("vocals")] == [
        (0.0, 0.5, "unknown"),  # one singer's silence is not that of all
        (0.5, 1.25, "active"),
        (1.25, 2.0, "unknown"),
        (2.0, 3.0, "active"),
    ]
    complete = NameRules(stems=formats.read_stem_names(FOLDER / "Some_Song_METADATA.yaml"), complete=True)
    result = annotation.read_annotation(stems, SOURCES, names=complete)
    assert result.select("vocals") == [
        Interval(0.0, 0.5, "vocals", "silent", confidence=0.9),
        Interval(0.5, 1.25, "vocals", "active", confidence=0.9),
        Interval(1.25, 2.0, "vocals", "silent", confidence=0.9),
        Interval(2.0, 3.0, "vocals", "active", confidence=0.9),
    ]
    assert result.select("drums") == [
        Interval(0.0, 1.5, "drums", "silent", confidence=0.75),
        Interval(1.5, 3.0, "drums", "active", confidence=0.8),
    ]
    message = read_error(stems)
    assert message.startswith(
        "Some_Song_ACTIVATION_CONF.lab: 2 names are not one of drums, bass, other, vocals: 'S01' ("
    )
    assert message.endswith(
        "give the stems' sources with --stems METADATA.yaml, or map them yourself: --map 'S01=' --map 'S02='"
    )


def test_medleydb_source_ids_are_read():
    path = FOLDER / "Some_Song_SOURCEID.lab"
    result = annotation.read_annotation(path, SOURCES, names=NameRules())
    assert result.outside == "unknown"
    assert annotation.count_silent_seconds(result, 4) == dict.fromkeys(SOURCES, 0)
    result = annotation.read_annotation(path, SOURCES, names=NameRules(complete=True))
    assert annotation.count_silent_seconds(result, 4) == {"drums": 2.5, "bass": 0, "other": 0, "vocals": 2.25}

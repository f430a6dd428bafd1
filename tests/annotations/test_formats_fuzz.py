"""Fuzz tests: readers return valid labels or raise a one-line InputError, and return the labels that were written."""

import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.formats import medleydb, registry
from ugosa_jax.annotations.formats.label import Label, LabelFile
from ugosa_jax.annotations.vocabulary import NameRules
from ugosa_jax.errors import InputError

FOLDER = Path(__file__).parents[1] / "data" / "annotations"
SOURCES = ("drums", "bass", "other", "vocals")
FILES = {
    "csv": "native.csv",
    "audacity": "audacity.txt",
    "lab": "mirex.lab",
    "starts": "faults/starts.txt",
    "jams": "song.jams",
    "json": "faults/14_label_studio.json",
    "sonic-table": "sonic_visualiser.csv",
    "sonic-layers": "sonic_visualiser.svl",
    "activation-conf": "Some_Song_ACTIVATION_CONF.lab",
    "sourceid": "Some_Song_SOURCEID.lab",
    "reaper": "reaper_clock.csv",
    "audition": "faults/12_audition.csv",
    "rx": "faults/rx.txt",
    "rttm": "faults/15_diarization.rttm",
    "textgrid": "praat_long.TextGrid",
    "elan": "faults/elan.eaf",
}
READERS = {format: registry.READERS[format] for format in registry.FORMATS}
FILES_BY_READER = {READERS[format]: FILES[format] for format in registry.FORMATS} | {
    lambda text, path: LabelFile([], tuple(medleydb.parse_stem_names(text, path))): "Some_Song_METADATA.yaml"
}
readers = pytest.mark.parametrize(("reader", "file"), FILES_BY_READER.items(), ids=FILES_BY_READER.values())
fuzz = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check_reader(reader, text: str) -> None:
    """Read a text; check that its labels have valid times, or that the error is one line."""
    try:
        reading = reader(text, "song.x")
    except InputError as error:
        assert str(error).startswith("song.x")
        assert "\n" not in str(error)
        return
    for label in reading.labels:
        assert 0 <= label.start_s <= label.end_s  # a label without an end lasts to infinity
        assert label.start_s < float("inf")
        assert label.confidence is None or 0 <= label.confidence <= 1


@readers
@fuzz
@given(text=st.text(max_size=100))
def test_any_text(reader, file, text):
    check_reader(reader, text)


@readers
@fuzz
@given(data=st.data())
def test_readers_survive_damaged_files(reader, file, data):
    """Replace up to three pieces of a valid file."""
    text = (FOLDER / file).read_text()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 20))
        new = data.draw(
            st.sampled_from(
                ["", "-", "9" * 400, '"', ",", "\n", "\t", "<", "&", "{", "]", "1e999", "nan", "é", ":", "null"]
            )
        )
        text = text[:start] + new + text[end:]
    check_reader(reader, text)


@fuzz
@given(data=st.data(), file=st.sampled_from(sorted(FILES_BY_READER.values())))
def test_read_survives_damaged_bytes(tmp_path, data, file):
    content = (FOLDER / file).read_bytes()
    at = data.draw(st.integers(0, len(content)))
    content = content[:at] + data.draw(st.binary(max_size=4)) + content[at + data.draw(st.integers(0, 4)) :]
    path = tmp_path / Path(file).name
    path.write_bytes(content)
    try:
        result = annotation.read_annotation(path, SOURCES, names=NameRules(complete=True))
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
        return
    assert annotation.compute_active_mask(result, 100, 10.0).shape == (4, 100)
    result = annotation.make_explicit(result, 1e4) if any(i.end_s == float("inf") for i in result.intervals) else result
    annotation.write_annotation(result, tmp_path / "copy.jams", "jams")
    # Damaged times may exceed a day, which needs a unit.
    copy = annotation.read_annotation(tmp_path / "copy.jams", SOURCES, unit="s")
    assert (copy.intervals, copy.outside, copy.open_sources) == (result.intervals, result.outside, result.open_sources)


times_ms = st.lists(st.integers(0, 10_000_000), min_size=2, max_size=2, unique=True).map(sorted)
words = st.text(st.sampled_from("abc drums:é&'"), min_size=1, max_size=12).map(str.strip).filter(bool)
labels = st.lists(st.tuples(times_ms, words), min_size=1, max_size=8)


def format_native(start_s, end_s, text):
    return f'{start_s},{end_s},"{text}"\n'


def format_audacity(start_s, end_s, text):
    return f"{start_s:.6f}\t{end_s:.6f}\t{text}\n\\\t-1.000000\t-1.000000\n".replace(".", ",")


def format_lab(start_s, end_s, text):
    return f"{start_s:.3f} {end_s:.3f} {text}\n"


def format_sonic_table(start_s, end_s, text):
    return f'{start_s:.9f},1,{end_s - start_s:.9f},"{text}"\n'


def format_reaper(start_s, end_s, text):
    clock = [f"{int(t // 3600)}:{int(t // 60) % 60:02}:{t % 60:06.3f}" for t in (start_s, end_s)]
    return f'R1,"{text}",{",".join(clock)},\n'


def format_point(start_s, end_s, text):
    return (
        f'<point frame="{round(start_s * 1000)}" duration="{round((end_s - start_s) * 1000)}" label={quoteattr(text)}/>'
    )


def format_jams(start_s, end_s, text):
    return json.dumps({"time": start_s, "duration": end_s - start_s, "value": text, "confidence": None}) + ","


def format_textgrid(start_s, end_s, text):
    return f'xmin = {start_s}\nxmax = {end_s}\ntext = "{text}"\n'


LAYER = '<sv><model id="1" dataset="0" sampleRate="1000" subtype="region"/><dataset id="0">{}</dataset></sv>'
TIER = '"ooTextFile" "TextGrid" 0 20000 <exists> 1 "IntervalTier" "t" 0 20000 {n}\n{body}'


@pytest.mark.parametrize(
    ("reader", "format_line", "format_file"),
    [
        (READERS["csv"], format_native, lambda body, n: body),
        (READERS["audacity"], format_audacity, lambda body, n: body),
        (READERS["lab"], format_lab, lambda body, n: body),
        (READERS["sonic-table"], format_sonic_table, lambda body, n: body),
        (READERS["reaper"], format_reaper, lambda body, n: "#,Name,Start,End,Length\n" + body),
        (READERS["sonic-layers"], format_point, lambda body, n: LAYER.format(body)),
        (READERS["textgrid"], format_textgrid, lambda body, n: TIER.format(n=n, body=body)),
        (
            READERS["jams"],
            format_jams,
            lambda body, n: '{"annotations": [{"namespace": "tag_open", "data": [' + body[:-1] + "]}]}",
        ),
    ],
)
@fuzz
@given(rows=labels)
def test_readers_return_the_written_labels(reader, format_line, format_file, rows):
    rows = [(start / 1000, end / 1000, " ".join(text.split())) for (start, end), text in rows]
    read = reader(format_file("".join(format_line(*row) for row in rows), len(rows)), "song.x").labels
    assert [label.text for label in read] == [text for _, _, text in rows]
    for label, (start_s, end_s, _) in zip(read, rows, strict=True):
        assert isinstance(label, Label)
        # The coarsest writer rounds to 1e-6 s; times are whole milliseconds.
        assert (label.start_s, label.end_s) == pytest.approx((start_s, end_s), rel=0, abs=2e-6)

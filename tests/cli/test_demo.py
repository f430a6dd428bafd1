"""The demonstration, with a tiny network and four seconds of noise in place of its network and song."""

import contextlib
import io

import numpy as np
import optax
import pytest
import soundfile

from tests.helpers.networks import QUARTET, make_checkpoint
from tests.reports.test_report import Page
from ugosa_jax import files
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.cli import demonstration
from ugosa_jax.cli.main import main
from ugosa_jax.config import SOURCES, EvaluateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Audio
from ugosa_jax.evaluation import bsseval

N_SAMPLES = 4 * 44100
FOLDERS = {"as it is": "as-it-is", "output": "output", "adapted": "adapted"}


def noise(_):
    """Return a song in which drums end and vocals begin in the middle; others play throughout."""
    stems_SxCxT = np.random.default_rng(0).normal(0, 0.1, (4, 2, N_SAMPLES)).astype(np.float32)
    stems_SxCxT[0, :, N_SAMPLES // 2 :] = stems_SxCxT[3, :, : N_SAMPLES // 2] = 0
    intervals = [Interval(0, 2, "drums"), Interval(2, 4, "vocals")]
    said = Annotation(tuple(intervals), SOURCES, "silent")
    return Song(Audio(stems_SxCxT.sum(0), 44100, "noise"), stems_SxCxT, SOURCES, said)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Run the demo once; return its folder and what it printed."""
    out, said = tmp_path_factory.mktemp("demo") / "out", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(demonstration.hub, "load_network", lambda _: make_checkpoint(QUARTET))
        patch.setattr(demonstration.loading, "load_demo", noise)
        assert main(["demo", "--out", str(out)]) == 0
    return out, said.getvalue()


def stems_in(folder):
    """Return stems (S, C, T) as they were written."""
    return np.stack([soundfile.read(folder / f"{source}.wav", dtype="float32")[0].T for source in SOURCES])


def test_the_bundled_network_is_there_and_described():
    weights = demonstration.hub.load_network("mini")
    assert optax.tree.size(weights.params) == 2_108_208
    assert weights.architecture.sources == SOURCES
    card = demonstration.hub.find_bundled_folder() / "mini.md"
    assert files.compute_sha256(card.with_suffix(".safetensors")) in card.read_text("utf-8")


def test_demo_writes_every_stem_a_figure_and_a_report(shown):
    out, _ = shown
    stems = {f"{folder}/{source}.wav" for folder in FOLDERS.values() for source in SOURCES}
    sounds = {path.relative_to(out).as_posix() for path in out.rglob("*.wav")}
    assert sounds == stems | {"mixture.wav"}
    assert {soundfile.info(out / name).frames for name in sounds} == {N_SAMPLES}
    assert {path.name for path in out.iterdir()} == {*FOLDERS.values(), "mixture.wav", "figure.svg", "report.html"}
    assert (out / "figure.svg").read_text("utf-8").startswith("<?xml")


def test_the_table_has_a_row_for_each_run(shown):
    """Its numbers are those of the stems that were written."""
    out, said = shown
    assert "annotated silent: drums 2 s, bass 0 s, other 0 s, vocals 2 s" in said
    table = said[said.index("SDR (dB)") :].splitlines()
    assert table[1].split() == [*SOURCES] * 2
    rows = {line[:10].strip(): [float(number) for number in line[10:].split()] for line in table[2:5]}
    assert list(rows) == list(FOLDERS)
    true = noise(SOURCES)
    prepared = bsseval.prepare(true.stems_SxCxT, 44100, EvaluateConfig())
    for name, folder in FOLDERS.items():
        est_SxCxT = stems_in(out / folder)
        sdr_S = bsseval.summarise(bsseval.score(prepared, est_SxCxT), "target")["SDR"].median_S
        assert rows[name][:4] == pytest.approx(sdr_S, abs=0.051, nan_ok=True)  # one decimal is printed
    est_SxCxT = stems_in(out / FOLDERS["as it is"])
    drums_db = 10 * np.log10(np.mean(est_SxCxT[0, :, N_SAMPLES // 2 :] ** 2))
    vocals_db = 10 * np.log10(np.mean(est_SxCxT[3, :, : N_SAMPLES // 2] ** 2))
    assert rows["as it is"][4:] == pytest.approx([drums_db, np.nan, np.nan, vocals_db], abs=0.051, nan_ok=True)


def test_leakage_is_of_the_network_and_not_of_the_output_stage(shown):
    """Leakage is measured before the annotation mutes stems, so only adaptation changes it."""
    out, said = shown
    table = said[said.index("SDR (dB)") :].splitlines()
    as_it_is, output, adapted = ([float(number) for number in line[10:].split()[4:]] for line in table[2:5])
    assert as_it_is == pytest.approx(output, nan_ok=True)
    assert as_it_is != pytest.approx(adapted, nan_ok=True)
    for name in ("output", "adapted"):
        muted_CxT = stems_in(out / FOLDERS[name])[0, :, N_SAMPLES // 2 + 4410 :]
        assert not muted_CxT.any()


def test_the_song_lasts_half_a_minute():
    song = demonstration.loading.load_demo(SOURCES)
    assert song.mixture.n_samples == 32 * 44100
    np.testing.assert_array_equal(song.mixture.samples_CxT, song.stems_SxCxT.sum(0))
    assert annotation.count_silent_seconds(song.annotation, 32)["vocals"] == 11


def test_the_report_compares_the_runs(shown):
    out, _ = shown
    page = Page((out / "report.html").read_text("utf-8"))
    assert page.tags.count("audio") == 1 + 3 * 4
    assert page.tags.count("img") == 3
    assert all(link.startswith("data:") for link in page.links)
    assert {
        "Leakage before refinement",
        "Level of the stems in annotated silence",
        "Scores against the true stems",
        "Losses",
    } <= set(page.text)
    assert (out / "report.html").stat().st_size < 15e6

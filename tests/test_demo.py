"""The demonstration, with the small network of the golden files in place of the bundled one."""

from pathlib import Path

import soundfile

from ugosa_jax import cli, demo, demucs, files, strategy

DATA = Path(__file__).parent / "data"


def test_the_bundled_network_is_there_and_described():
    weights = demo.published.load("mini")
    assert strategy.n_parameters(weights.params) == 2_108_208
    assert weights.config.sources == ("drums", "bass", "other", "vocals")
    card = demo.published.bundled_folder() / "mini.md"
    assert files.sha256_of(card.with_suffix(".safetensors")) in card.read_text("utf-8")


def test_demo_writes_every_stem_and_prints_every_score(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo.published, "load", lambda _: demucs.convert(DATA / "state_dict_v2.th"))
    assert cli.main(["demo", "--out", str(tmp_path / "out")]) == 0
    stems = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.wav"))
    sources = ("bass", "drums", "other", "vocals")
    assert stems == [*(f"{run}/{s}.wav" for run in ("B-L3-M", "B0", "P-L3-M") for s in sources), "mixture.wav"]
    assert {soundfile.info(tmp_path / "out" / stem).frames for stem in stems} == {32 * 44100}
    said = capsys.readouterr().out
    assert said.count("SDR") == 3
    assert "vocals  11.0 s" in said

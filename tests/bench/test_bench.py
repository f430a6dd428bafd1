"""The benchmark: derived rates by hand, measurements, and the command with wrong arguments."""

import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ugosa_jax import device
from ugosa_jax.adaptation import strategy
from ugosa_jax.bench import flops, timing
from ugosa_jax.bench.timing import MatmulRates, Measurement
from ugosa_jax.cli.main import main
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import checkpoint

TINY = ConvTasNet(N=6, L=4, B=5, H=7, X=1, R=2, sources=("voice", "rest"), sample_rate_hz=1000)
MEASUREMENT = Measurement(
    lanes=4,
    steps=10,
    song_s=20.0,
    features="float32",
    compile_s=9.0,
    prefix_s=1.0,
    steps_s=(8.0, 4.0, 3.0),
    flops_a_step=1_000,
    peak_bytes=1,
    grown_bytes=1,
    matmul=MatmulRates(20_000.0, 20_000.0, 20_000.0),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny network as a file."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    checkpoint.save(checkpoint.Checkpoint(TINY, jax.tree.map(np.asarray, TINY.init()), {}), path)
    return path


def test_rates_of_a_measurement_by_hand():
    """Four lanes take ten steps each in a median of 4 s, after 1 s of prefix."""
    assert MEASUREMENT.steps_per_second == 10
    assert MEASUREMENT.times_real_time == 4 * 20 / 5
    assert MEASUREMENT.flops_per_second == 10_000
    assert MEASUREMENT.share == pytest.approx(0.5)


def test_matmul_rates_add_up_as_times():
    """A third of the work at 1, a third at 2, a third at 4 a second takes 1 + 1/2 + 1/4."""
    assert MatmulRates(1.0, 2.0, 4.0).together == pytest.approx(3 / 1.75)
    assert timing.choose_best_rates([MatmulRates(1, 5, 3), MatmulRates(2, 4, 3)]) == MatmulRates(2, 5, 3)


def test_run_repeatedly_runs_the_product_in_the_loop():
    """The compiled program computes the product inside its loop."""
    a, b = jnp.arange(64 * 32.0).reshape(64, 32), jnp.arange(32 * 48.0).reshape(32, 48)
    text = timing.run_repeatedly.lower(jnp.matmul, jnp.int32(3), (a, b)).compile().as_text()
    entry = text[text.index("ENTRY") :]
    assert " while(" in entry
    assert " dot(" not in entry
    assert len(re.findall(r" dot\(", text)) == 1
    np.testing.assert_array_equal(timing.run_repeatedly(jnp.matmul, jnp.int32(3), (a, b)), a @ b)
    np.testing.assert_array_equal(timing.run_repeatedly(jnp.matmul, jnp.int32(0), (a, b)), np.zeros((64, 48)))


def test_make_noise_silences_each_source_in_a_part():
    song = timing.make_noise(TINY, AdaptConfig(segment_s=0.5), 1.0)
    assert (song.n, song.mix_GxVxCxT.shape) == (2, (2, 1, 2, 500))
    np.testing.assert_array_equal(song.active_GxSxT.mean(2), [[0, 1], [1, 0]])
    again, other = (timing.make_noise(TINY, AdaptConfig(segment_s=0.5), 1.0, seed) for seed in (0, 1))
    np.testing.assert_array_equal(song.mix_GxVxCxT, again.mix_GxVxCxT)
    assert (song.mix_GxVxCxT != other.mix_GxVxCxT).all()


@pytest.mark.parametrize(("features", "lanes"), [("float32", 2), pytest.param("recompute", 1, marks=pytest.mark.slow)])
def test_measure_runs_the_requested_lanes_epochs_and_features(features, lanes):
    settings = AdaptConfig("P-L2:D", epochs=3, segment_s=0.5, features=features)
    found = timing.measure_lanes(TINY, TINY.init(), settings, lanes, 1.0, 2)
    plan = strategy.parse("P-L2:D", TINY)
    assert (found.lanes, found.steps, found.features, len(found.steps_s)) == (lanes, 6, features, 2)
    assert found.flops_a_step == flops.count_step(TINY, plan, 500, is_stored=features == "float32")
    assert min(found.steps_s) > 0
    assert found.peak_bytes > found.grown_bytes


def test_measure_refuses_b0_and_weights_that_are_not_finite():
    with pytest.raises(InputError, match="B0"):
        timing.measure_lanes(TINY, {}, AdaptConfig("B0"), 1, 1.0, 1)
    absurd = jax.tree.map(lambda leaf: leaf + np.nan, TINY.init())
    with pytest.raises(InputError, match="not finite"):
        timing.measure_lanes(TINY, absurd, AdaptConfig("P-L2:D", epochs=1, segment_s=0.5), 1, 0.5, 1)


def test_bench_prints_rows_and_writes_a_record(tiny, tmp_path, capsys):
    out = tmp_path / "new" / "r.json"
    arguments = ["bench", "--weights", str(tiny), "--lanes", "1,2", "--seconds", "1", "--segment-s", "0.5",
                 "--strategy", "P-L2:D", "--epochs", "1", "--repeats", "2", "--json", str(out)]  # fmt: skip
    assert main(arguments) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if re.match(r"\| \d", line)]
    record = json.loads(out.read_text())
    assert [row["lanes"] for row in record["rows"]] == [1, 2]
    assert [line.split(" | ")[0] for line in table] == ["| 1", "| 2"]
    assert record["adapt"]["strategy"] == "P-L2:D"
    assert record["network"]["architecture"]["H"] == TINY.H
    assert record["device"]["platform"] == jax.default_backend()
    for row in record["rows"]:
        assert row["steps_per_second"] == pytest.approx(row["lanes"] * 2 / np.median(row["steps_s"]))
        assert row["share"] == pytest.approx(row["flops_per_second"] / row["matmul_flops_per_second"])


def test_get_matmul_precision_follows_jax():
    with jax.default_matmul_precision("bfloat16"):
        assert device.get_matmul_precision() == "bfloat16"
    assert device.get_matmul_precision() == "default"


def test_bench_ends_the_table_where_memory_does_not_suffice(tiny, tmp_path, capsys, monkeypatch):
    def measure(config, params, settings, n_lanes, seconds, repeats):
        if n_lanes > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return dataclasses.replace(MEASUREMENT, lanes=n_lanes)

    monkeypatch.setattr(timing, "measure_lanes", measure)
    out = tmp_path / "r.json"
    assert main(["bench", "--weights", str(tiny), "--strategy", "P-L1:M", "--lanes", "2,4,8", "--json", str(out)]) == 1
    assert "| 4 | not enough memory on the device" in capsys.readouterr().out
    assert [row["lanes"] for row in json.loads(out.read_text())["rows"]] == [2]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--lanes", "0"], "--lanes"),
        (["--lanes", "1,,2"], "--lanes"),
        (["--lanes", "1;2"], "--lanes"),
        (["--lanes", "-1"], "--lanes"),
        (["--lanes", "²"], "--lanes"),
        (["--lanes", ""], "--lanes"),
        (["--repeats", "0"], "--repeats"),
        (["--seconds", "nan"], "--seconds"),
        (["--seconds", "inf"], "--seconds"),
        (["--seconds", "0"], "--seconds"),
        (["--seconds", "0.1"], "less than one segment"),
        (["--segment-s", "-1"], "segment_s"),
        (["--strategy", "P-L9:M"], "P-L9:M"),
        (["--strategy", "B0"], "B0"),
        (["--weights", "nothing"], "nothing"),
        (["--json", "."], "is a folder"),
    ],
)
def test_bench_refuses_bad_arguments_in_one_line(tiny, capsys, flags, said):
    assert main(["bench", "--weights", str(tiny), "--segment-s", "0.5", "--strategy", "P-L2:D", *flags]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert error[0].startswith("error: ")
    assert said in error[0]

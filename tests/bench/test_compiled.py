"""Programs compiled for accelerators that are not present; the slow tests need the compilers for them."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.helpers.networks import DUO
from ugosa_jax.bench import chips, compiled
from ugosa_jax.cli.main import main
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError

HAS_LIBTPU = importlib.util.find_spec("libtpu") is not None
HAS_CUDA = importlib.util.find_spec("jax_cuda12_plugin") is not None


def test_infer_segments_shape_is_that_of_an_adaptation():
    """Ten seconds at 8 kHz in segments of 4 s: three segments."""
    assert compiled.infer_segments_shape(DUO, AdaptConfig(), 10.0) == (3, 1, 2, 32000)


def test_estimated_times_follow_from_the_peaks():
    row = compiled.CompiledProgram("epoch", 4, 2, 1.0, 197e9, 819e6, 2**30, 0, {})
    chip = chips.get_chip("TPU v5 lite")
    assert row.estimate_compute_s(chip) == pytest.approx(1e-3) and row.estimate_memory_s(chip) == pytest.approx(1e-3)
    assert row.count_lanes_that_fit(chip) == 32  # two lanes a device take 1 GiB of 16


def test_get_chip_refuses_unknown_chips():
    with pytest.raises(InputError, match="TPU v99: its peak rates are unknown; known chips are v4, v5e, v5p"):
        chips.get_chip("TPU v99")


@pytest.mark.skipif(HAS_LIBTPU, reason="libtpu is installed")
def test_compile_only_without_libtpu_names_the_extra(capsys):
    assert main(["bench", "--compile-only", "v5e:2x2"]) == 2
    assert "pip install 'ugosa_jax[tpu]'" in capsys.readouterr().err


@pytest.mark.skipif(HAS_CUDA, reason="the CUDA plugin is installed")
def test_compile_only_without_the_cuda_plugin_names_the_extra(capsys):
    assert main(["bench", "--compile-only", "h100:4"]) == 2
    assert "pip install 'ugosa_jax[cuda]'" in capsys.readouterr().err


def test_compile_only_refuses_a_topology_of_gpus_without_a_number(capsys):
    assert main(["bench", "--compile-only", "h100:2x2"]) == 2
    assert "--compile-only must be as h100:4, not 'h100:2x2'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["v5e:2x2", "h100:4"])
def test_four_lanes_on_four_devices_exchange_only_the_number_of_segments(topology, tmp_path):
    extra, is_there = ("tpu", HAS_LIBTPU) if topology.startswith("v5e") else ("cuda", HAS_CUDA)
    if not is_there:
        pytest.skip(f"needs pip install 'ugosa_jax[{extra}]'")
    command = ["bench", "--compile-only", topology, "--lanes", "4", "--json", str(tmp_path / "r.json")]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-m", "ugosa_jax", *command], check=True, env=environment)
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["prefix", "epoch"]
    for row in rows:
        assert row["devices"] == 4 and row["memory_bytes"] < 16 * 2**30
        assert row["collectives"] == {"all-reduce": 1}

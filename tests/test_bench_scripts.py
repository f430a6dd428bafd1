"""The comparison with PyTorch, as far as it goes without PyTorch: cases, requests, our side of it, and the table."""

import dataclasses
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from networks import assert_same, random_params

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import bench_adaptation
import bench_peer
import peer_table

from ugosa_jax import device
from ugosa_jax.adaptation import loss, segments
from ugosa_jax.config import AdaptConfig, ModelConfig, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks import checkpoint, convtasnet, convtasnet_torch

SMALL = ModelConfig(N=6, L=4, B=5, H=7, P=3, X=4, R=2, sources=("voice", "rest"), sample_rate_hz=1000)
REQUEST = {"lam": 0.5, "segment_samples": 500}
STEP = {**REQUEST, "strategy": "P-L1:M", "epochs": 2, "segments": 2}


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    song = rng.normal(size=(2, 1800)).astype(np.float32), rng.random((2, 1800)) > 0.3
    return bench_adaptation.Case(SMALL, random_params(SMALL), *song, rng.normal(size=(90, 5)).astype(np.float32))


def test_a_case_is_read_as_it_was_written(case, tmp_path):
    bench_adaptation.write_case(case, tmp_path / "case.npz")
    read = bench_adaptation.read_case(tmp_path / "case.npz")
    assert read.config == SMALL
    assert_same(read.params, case.params)
    assert_same(read._asdict() | {"config": {}, "params": {}}, case._asdict() | {"config": {}, "params": {}})


def test_the_arguments_in_a_case_are_those_of_the_torch_class(case, tmp_path):
    bench_adaptation.write_case(case, tmp_path / "case.npz")
    arguments = json.loads(str(np.load(tmp_path / "case.npz")["arguments"]))
    assert arguments == {
        **{"N": 6, "L": 4, "B": 5, "H": 7, "P": 3, "X": 4, "R": 2, "audio_channels": 2, "norm_type": "gLN"},
        **{"causal": False, "mask_nonlinear": "relu", "samplerate": 1000, "sources": ["voice", "rest"]},
    }


def test_forward_and_the_first_step_find_the_loss_of_the_first_segment(case):
    est_SxCxT = bench_adaptation.run_network(SMALL, case.params, case.mix_CxT[:, :500])
    terms = loss.loss_terms(est_SxCxT, case.mix_CxT[:, :500], case.active_SxT[:, :500])
    expected = [terms.reconstruction + 0.5 * terms.activation, *terms]
    # Single precision: the step takes its prefix from another program than forward.
    np.testing.assert_allclose(bench_adaptation.forward(case, REQUEST)["losses"], expected, rtol=1e-5)
    np.testing.assert_allclose(bench_adaptation.step(case, STEP)["losses"], expected, rtol=1e-5)


def test_blocks_are_the_first_four_of_the_first_repeat(case):
    @jax.jit
    def four(h_KxB):
        net = convtasnet.bind(SMALL, case.params)
        for x in range(1, 5):
            h_KxB = getattr(net.repeat1, f"block{x}")(h_KxB, 90)
        return h_KxB

    found = bench_adaptation.blocks(case, REQUEST)["losses"]
    np.testing.assert_allclose(found, [np.abs(four(case.hidden_KxB)).mean()], rtol=1e-5)  # summed in another order


def test_the_gradient_of_blocks_is_that_of_the_whole_repeat(case):
    """All weights and the input have one; along it the loss grows as its square says."""
    config = dataclasses.replace(SMALL, R=1)
    rest = {stage: case.params[stage] for stage in ("encoder", "norm", "bottleneck", "mask", "decoder")}
    here = case.params["repeat1"], case.hidden_KxB
    value, gradient = bench_adaptation.differentiate_blocks(config, rest, *here)
    assert jax.tree.structure(gradient) == jax.tree.structure(here)
    squared = sum(float((g**2).sum()) for g in jax.tree.leaves(gradient))
    step = 1e-3 / squared
    there = jax.tree.map(lambda x, g: x + step * g, here, gradient)
    moved, _ = bench_adaptation.differentiate_blocks(config, rest, *there)
    assert moved - value == pytest.approx(1e-3, rel=0.05)  # second order, and kinks of |·| and PReLU


def test_a_step_takes_few_steps_of_a_song_that_stays_whole(case):
    answer = bench_adaptation.step(case, STEP)
    song = segments.cut(case.mix_CxT, case.active_SxT, AdaptConfig(segment_s=0.5), SMALL)
    assert song.n == 4
    assert answer["n_tuned"] == sum(
        np.prod(shape, dtype=int)
        for path, shape in checkpoint.shapes(SMALL).items()
        if path.split(".")[0] in ("repeat2", "mask")
    )
    assert len(answer["peak_bytes_E"]) == 2
    assert answer["peak_bytes_E"] == sorted(answer["peak_bytes_E"])


def test_a_whole_song_takes_no_less_than_its_parts(case):
    started = time.perf_counter()
    answer = bench_adaptation.song(case, {**STEP, "epochs": 1})
    whole_s = time.perf_counter() - started
    assert answer["n_segments"] == 4
    parts = [answer[part] for part in ("compile_s", "prefix_s", "steps_s", "separate_s")]
    assert min(parts) > 0
    assert sum(parts) <= whole_s
    assert answer["peak_bytes"] > 0


def test_both_sides_are_told_to_tune_the_same():
    """The paper's numbers of parameters, counted over torch's names."""
    sizes = {row.name: np.prod(row.shape, dtype=int) for row in convtasnet_torch.table(ModelConfig()).values()}
    for strategy, expected in {"P-L1:D": 8_244_284, "P-L3:M": 2_919_444, "P-L5:D": 10_240}.items():
        tuned = bench_peer.step_request(strategy, ModelConfig())["tuned"]
        assert sum(sizes[name] for name in tuned) == expected


def test_chunks_of_a_song_are_longer_than_the_song():
    """10 s every 7.5 s: starts at 0, 7.5, … 52.5; the last one has 7.5 s."""
    assert bench_peer.chunked_s(60.0, ModelConfig(), SeparateConfig()) == pytest.approx(77.5)
    assert bench_peer.chunked_s(60.0, ModelConfig(), SeparateConfig(overlap=0.0)) == pytest.approx(60.0)


def answers(*losses, seconds=1.0, **more):
    return [{"seconds": seconds, "losses": list(each), **more} for each in losses]


def test_rows_hold_every_turn_and_the_largest_difference():
    peer, ours = answers((2.0, 1.0), (2.0, 1.0), seconds=3.0), answers((2.0, 1.0), (2.0001, 1.0), prefix_s=0.5)
    row = bench_peer.compared("x", peer, ours)
    assert row == {
        "peer_s": [3.0, 3.0],
        "ours_s": [1.0, 1.0],
        "loss_difference": pytest.approx(5e-5),
        "prefix_s": [0.5, 0.5],
    }


@pytest.mark.parametrize("ours", [1.00011, 0.0, float("nan"), float("inf")])
def test_losses_that_differ_are_refused(ours):
    with pytest.raises(InputError, match="forward: losses differ by"):
        bench_peer.compared("forward", answers((1.0,)), answers((ours,)))


def test_tuning_something_else_is_refused():
    with pytest.raises(InputError, match="PyTorch tunes 3 numbers, this package 4"):
        bench_peer.compared("L3:M", answers((1.0,), n_tuned=3), answers((1.0,), n_tuned=4))


def test_both_take_turns_and_the_first_turn_is_not_counted():
    log = []

    def side(name):
        def ask(request):
            log.append(name)
            return {"turn": len(log), **request}

        return ask

    peer, ours = bench_peer.alternate(side("A"), side("B"), {"do": "x"}, repeats=2)
    assert "".join(log) == "ABABAB"
    assert [answer["turn"] for answer in peer] == [3, 5]
    assert [answer["turn"] for answer in ours] == [4, 6]


def test_a_program_that_ends_or_is_missing_is_named(tmp_path):
    with (
        pytest.raises(InputError, match="ended with code 3"),
        bench_peer.serving([sys.executable, "-c", "raise SystemExit(3)"], {}) as ask,
    ):
        ask({"do": "x" * 1_000_000})  # more than a pipe holds, so that it cannot all be written
    with (
        pytest.raises(InputError, match="nowhere: cannot be started"),
        bench_peer.serving([str(tmp_path / "nowhere")], {}),
    ):
        pass


def test_our_program_answers_what_it_is_asked(case, tmp_path):
    bench_adaptation.write_case(case, tmp_path / "case.npz")
    commands = bench_peer.Commands(tmp_path, Path("unused"))
    with bench_peer.serving(*commands.ours(tmp_path / "case.npz")) as ask:
        assert ask({"do": "about"})["jax"] == jax.__version__
        assert ask({"do": "about"})["device"] == device.describe()


def test_rows_of_another_setting_are_not_mixed():
    record = {}
    bench_peer.check_setting(record, {"ours": {"jax": "1"}})
    bench_peer.check_setting(record, {"ours": {"jax": "1"}})
    with pytest.raises(InputError, match=r"ours was {'jax': '1'} and is {'jax': '2'}"):
        bench_peer.check_setting(record, {"ours": {"jax": "2"}})


def test_the_song_row_needs_what_it_extrapolates():
    with pytest.raises(InputError, match="row song: extrapolates"):
        bench_peer.song_row(bench_peer.Commands(Path(), Path()), "mini", bench_peer.QUICK, {"mini": {"forward": {}}})


RECORD = {
    "setting": {
        "ours": {"device": "2 CPU cores", "jax": "1.0"},
        "peer": {"torch": "2.0", "threads": 2},
        "lengths": {"segment_s": 4.0, "song_s": 60.0, "epochs": 10, "long_song_s": 240.0},
    },
    "demucs": {
        "forward": {"peer_s": [9.0, 10.0, 12.0], "ours_s": [2.0, 2.0, 3.0], "loss_difference": 2e-7, "busy_percent": 3},
        "L3:M": {
            **{"peer_s": [30.0], "ours_s": [4.0], "prefix_s": [1.5], "loss_difference": 1e-6, "busy_percent": 41.0},
            **{"flops": 3e11, "matmul_flops_per_s": 1e11},
        },
        "compile": {"cold_s": [20.0, 26.0, 27.0], "cached_s": [2.0, 3.0, 4.0], "busy_percent": 0.0},
        "memory": {"peak_bytes_E": [3_000_000_000, 4_000_000_000, 4_000_000_001], "busy_percent": 0.0},
    },
}


def test_the_table_gives_medians_spreads_ratios_and_verdicts():
    lines = peer_table.table(RECORD).splitlines()
    assert "| forward | 10.00 (9.00–12.00) | 2.00 (2.00–3.00) | 5.0× (4.0–5.0) | ≥ 4.5×, met | 2e-07 | 3 |" in lines
    assert (
        "| one P-L3:M step, frozen stages kept | 30.00 | 4.00 | 7.5× (7.5–7.5) | ≥ 9×, not met | 1e-06 | 1 |" in lines
    )
    assert "| frozen stages before L3:M, once a segment | 1.50 s | – |" in lines
    assert (
        "| share of 100 GFLOP/s, the measured matmul rate, that a P-L3:M step reaches | 75.00 % | ≥ 65 %, met |"
        in lines
    )
    assert "| compile P-L3:M, new process, no cache | 26.00 (20.00–27.00) s | ≤ 25 s, not met |" in lines
    assert "| compile P-L3:M, new process, from the cache | 3.00 (2.00–4.00) s | ≤ 3 s, met |" in lines
    assert any(line.endswith("| 3.00, 4.00, 4.00 GB | ≤ 4 GB, not met |") for line in lines)
    assert "2 CPU cores; jax 1.0, torch 2.0, threads 2." in lines
    assert any("used 41 % of the processors" in line for line in lines)


def test_what_a_song_takes_pytorch_is_extrapolated_from_its_other_rows():
    song = {"ours_s": [400.0], "n_segments": 15, "separated_s": 77.5, "busy_percent": 0.0}
    song |= {"compile_s": 8.0, "prefix_s": 20.0, "steps_s": 320.0, "separate_s": 40.0}
    text = peer_table.table(RECORD | {"demucs": RECORD["demucs"] | {"song": song}})
    # 10 epochs of 15 steps of 30 s, and 77.5 s of chunks at 10 s for every 4 s
    assert "| 4694 extrapolated | 400 | 11.7× (11.7–11.7) | ≥ 7×, met | – | 1 |" in text
    assert "compile 8.0 s, prefix 20.0 s, steps 320.0 s, separate 40.0 s;" in text


def test_goals_are_those_of_the_full_size_network():
    small = {"setting": RECORD["setting"], "mini": RECORD["demucs"]}
    assert " met" not in peer_table.table(small)

"""The comparison with PyTorch, tested without PyTorch: cases, requests, the program for JAX, and the table."""

import json
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.helpers.networks import assert_same, make_random_params

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import bench_peer
import bench_phases
import peer_jax

from ugosa_jax import device
from ugosa_jax.adaptation import loss, segments
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import convtasnet_torch

pytestmark = pytest.mark.slow  # scripts are not part of the package

SMALL = ConvTasNet(N=6, L=4, B=5, H=7, P=3, X=4, R=2, sources=("voice", "rest"), sample_rate_hz=1000)
REQUEST = {"lam": 0.5, "segment_samples": 500}
STEP = {**REQUEST, "strategy": "P-L1:M", "epochs": 2, "segments": 2}


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    song = rng.normal(size=(2, 1800)).astype(np.float32), rng.random((2, 1800)) > 0.3
    return peer_jax.Case(SMALL, make_random_params(SMALL), *song)


def test_a_case_is_read_as_it_was_written(case, tmp_path):
    peer_jax.write_case(case, tmp_path / "case.npz")
    read = peer_jax.read_case(tmp_path / "case.npz")
    assert read.config == SMALL
    assert_same(read.params, case.params)
    assert_same(read._asdict() | {"config": {}, "params": {}}, case._asdict() | {"config": {}, "params": {}})


def test_the_arguments_in_a_case_are_those_of_the_torch_class(case, tmp_path):
    peer_jax.write_case(case, tmp_path / "case.npz")
    arguments = json.loads(str(np.load(tmp_path / "case.npz")["arguments"]))
    assert arguments == {
        **{"N": 6, "L": 4, "B": 5, "H": 7, "P": 3, "X": 4, "R": 2, "audio_channels": 2, "norm_type": "gLN"},
        **{"causal": False, "mask_nonlinear": "relu", "samplerate": 1000, "sources": ["voice", "rest"]},
    }


def test_forward_and_the_first_step_find_the_loss_of_the_first_segment(case):
    est_SxCxT = peer_jax.run_network(SMALL, case.params, case.mix_CxT[:, :500])
    terms = loss.compute_loss_terms(est_SxCxT, case.mix_CxT[:, :500], case.active_SxT[:, :500])
    expected = [terms.reconstruction + 0.5 * terms.activation, *terms]
    # Single precision: the step takes its prefix from another program than forward.
    np.testing.assert_allclose(peer_jax.forward(case, REQUEST)["losses"], expected, rtol=1e-5)
    np.testing.assert_allclose(peer_jax.step(case, STEP)["losses"], expected, rtol=1e-5)


def test_step_case_uses_few_steps_of_the_whole_song(case):
    answer = peer_jax.step(case, STEP)
    song = segments.cut_song(case.mix_CxT, case.active_SxT, AdaptConfig(segment_s=0.5), SMALL)
    assert song.n == 4
    assert answer["n_tuned"] == sum(
        np.prod(shape, dtype=int)
        for path, shape in tree.infer_shapes(SMALL).items()
        if path.split(".")[0] in ("repeat2", "mask")
    )


def test_whole_song_takes_at_least_the_time_of_its_parts(case):
    started = time.perf_counter()
    answer = peer_jax.song(case, {**STEP, "epochs": 1})
    whole_s = time.perf_counter() - started
    assert answer["n_segments"] == 4
    parts = [answer[part] for part in ("compile_s", "prefix_s", "steps_s", "separate_s")]
    assert min(parts) > 0
    assert sum(parts) <= whole_s


def test_both_programs_tune_the_same_layers():
    """The paper's numbers of parameters, counted over torch's names."""
    sizes = {row.name: np.prod(row.shape, dtype=int) for row in convtasnet_torch.build_table(ConvTasNet()).values()}
    for strategy, expected in {"L1:D": 8_244_284, "L3:M": 2_919_444, "L5:D": 10_240}.items():
        tuned = bench_peer.make_request(strategy, ConvTasNet(), bench_peer.QUICK)["tuned"]
        assert sum(sizes[name] for name in tuned) == expected


def test_chunks_add_up_to_more_than_the_song():
    """10 s every 7.5 s: starts at 0, 7.5, … 52.5; the last one has 7.5 s."""
    assert bench_peer.count_chunked_seconds(60.0, ConvTasNet(), SeparateConfig()) == pytest.approx(77.5)
    assert bench_peer.count_chunked_seconds(60.0, ConvTasNet(), SeparateConfig(overlap=0.0)) == pytest.approx(60.0)


def answers(*losses, seconds=1.0, **more):
    return [{"seconds": seconds, "losses": list(each), **more} for each in losses]


def test_rows_hold_all_times_and_the_largest_difference():
    peer, ours = answers((2.0, 1.0), (2.0, 1.0), seconds=3.0), answers((2.0, 1.0), (2.0001, 1.0))
    row = bench_peer.compare_answers("x", peer, ours)
    assert row == {
        "peer_s": [3.0, 3.0],
        "ours_s": [1.0, 1.0],
        "difference": pytest.approx(5e-5),
    }


@pytest.mark.parametrize("ours", [1.00011, 0.0, float("nan"), float("inf")])
def test_losses_that_differ_are_refused(ours):
    with pytest.raises(InputError, match="forward: losses differ by"):
        bench_peer.compare_answers("forward", answers((1.0,)), answers((ours,)))


def test_tuning_something_else_is_refused():
    with pytest.raises(InputError, match="PyTorch tunes 3 numbers, this package 4"):
        bench_peer.compare_answers("L3:M", answers((1.0,), n_tuned=3), answers((1.0,), n_tuned=4))


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
        bench_peer.start_process([sys.executable, "-c", "raise SystemExit(3)"], {}) as ask,
    ):
        ask({"do": "x" * 1_000_000})  # more than a pipe holds, so that it cannot all be written
    with (
        pytest.raises(InputError, match="nowhere: cannot be started"),
        bench_peer.start_process([str(tmp_path / "nowhere")], {}),
    ):
        pass


def test_peer_jax_answers_requests(case, tmp_path):
    peer_jax.write_case(case, tmp_path / "case.npz")
    commands = bench_peer.Commands(tmp_path, Path("unused"))
    with bench_peer.start_process(*commands.ours(tmp_path / "case.npz")) as ask:
        assert ask({"do": "about"})["jax"] == jax.__version__
        assert ask({"do": "about"})["device"] == device.describe()


ROW = {"peer_s": [9.0, 10.0, 12.0], "ours_s": [2.0, 2.0, 3.0], "difference": 2e-7}


def test_a_row_gives_medians_spreads_and_ratios():
    expected = "| forward | 10.00 (9.00–12.00) | 2.00 (2.00–3.00) | 5.0 (4.0–5.0) | 2e-07 |"
    assert bench_peer.format_row("forward", ROW) == expected
    assert bench_peer.format_row("L3:M", ROW).startswith("| one step of P-L3:M | 10.00 ")


def test_time_of_a_song_in_pytorch_is_extrapolated_from_other_rows():
    song = {"whole_s": 400.0, "n_segments": 15, "separated_s": 77.5}
    song |= {"compile_s": 8.0, "prefix_s": 20.0, "steps_s": 320.0, "separate_s": 40.0}
    rows = {"forward": ROW, "L3:M": ROW | {"peer_s": [30.0]}}
    line, *notes = bench_peer.format_song(song, rows, bench_peer.Sizes(1))
    # 10 epochs of 15 steps of 30 s, and 77.5 s of chunks at 10 s for every 4 s
    assert line == "| a song of 60 s, 10 epochs | 4694, extrapolated | 400 | 11.7 | – |"
    assert "compile 8.0 s, prefix 20.0 s, steps 320.0 s, separate 40.0 s;" in notes[0]
    assert (
        next(bench_peer.format_song(song, {}, bench_peer.Sizes(1))) == "| a song of 60 s, 10 epochs | – | 400 | – | – |"
    )


def test_list_passes_counts_the_large_arrays_that_each_instruction_reads_and_writes():
    K, H = 300, 7
    x_KxH, y_KxH = np.ones((2, K, H), np.float32)
    text = jax.jit(lambda x, y: (x * y + 1, x[:3])).lower(x_KxH, y_KxH).compile().as_text()
    assert (2, 1) in bench_phases.list_passes(text, K, H)  # the product reads both and writes one
    assert bench_phases.list_passes(text, K + 1, H) == []

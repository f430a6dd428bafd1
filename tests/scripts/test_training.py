"""The trainer on two tones: it learns, resumes, and starts from given weights."""

import dataclasses
import json
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "training"))
import first_weights
import optimizer
import pool
import remove_vocals
import train

from ugosa_jax import Song, separate
from ugosa_jax.errors import InputError
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import checkpoint

pytestmark = pytest.mark.slow  # scripts are not part of the package


@pytest.fixture
def songs(tmp_path, monkeypatch):
    """A pool of two songs in which a low tone on the left is to be told from a high one on the right."""
    monkeypatch.setattr(train, "MINI", ConvTasNet(N=32, L=16, B=16, H=16, X=2, R=2, sources=("left", "right")))
    monkeypatch.setattr(first_weights, "AUTOENCODER_STEPS", 60)
    time_s = np.arange(44100) / 44100
    for name, hz in (("a", 400), ("b", 500)):
        song = np.zeros((2, 2, 44100), np.float16)
        song[0, 0], song[1, 1] = 0.3 * np.sin(2 * np.pi * hz * time_s), 0.3 * np.sin(2 * np.pi * 9 * hz * time_s)
        np.save(tmp_path / f"{name}.npy", song)
    return tmp_path


def run(songs, monkeypatch, *more):
    arguments = ["train.py", "--train", songs, "--valid", songs, "--run", songs / "run", "--batch", "2"]
    arguments += ["--seconds", "0.2", "--learning-rate", "1e-2", *more]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
    train.main()
    return [json.loads(line) for line in (songs / "run" / "log.jsonl").read_text().splitlines()]


def test_training_learns_resumes_and_starts_from_weights(songs, monkeypatch):
    (row,) = run(songs, monkeypatch, "--steps", "120")
    assert row["step"] == 120
    assert min(row["left"], row["right"]) > 6  # half of the mixture, as the guess for both, scores 3 dB
    rows = run(songs, monkeypatch, "--steps", "130")
    assert [row["step"] for row in rows] == [120, 130]
    best = checkpoint.load(songs / "run" / "best.safetensors")
    assert float(best.provenance["valid_sdr_db"]) > 6
    (songs / "run" / "best.safetensors").rename(songs / "start.safetensors")
    (songs / "run" / "checkpoint.npz").unlink()
    again = run(songs, monkeypatch, "--steps", "10", "--start", songs / "start.safetensors")[-1]
    assert again["step"] == 10
    assert again["left"] > 10  # ten steps from new weights give 3 dB


def test_training_separates_some_sources_of_a_pool_and_starts_from_a_network_with_more(songs, monkeypatch):
    (row,) = run(songs, monkeypatch, "--steps", "60")
    (songs / "run").rename(songs / "both")
    start = checkpoint.load(songs / "both" / "best.safetensors")
    one = dataclasses.replace(train.MINI, sources=("right",))
    params = first_weights.select_masks(one, start)
    mix_CxT = np.load(songs / "a.npy").sum(0, dtype=np.float32)
    expected_SxCxT = np.asarray(start.architecture(start.params, mix_CxT))
    np.testing.assert_allclose(one(params, mix_CxT)[0], expected_SxCxT[1], atol=1e-6)
    again = run(
        songs, monkeypatch, "--steps", "20", "--sources", "right", "--start", songs / "both" / "best.safetensors"
    )
    assert again[-1]["right"] > row["right"] - 1  # twenty steps from new weights give less than 3 dB
    assert "left" not in again[-1]
    assert checkpoint.load(songs / "run" / "best.safetensors").sources == ("right",)


def test_start_refuses_weights_of_another_size_or_without_a_source(songs):
    lacking = dataclasses.replace(train.MINI, sources=("left",))
    for net in (lacking, dataclasses.replace(train.MINI, B=17)):
        with pytest.raises(InputError, match="another architecture"):
            first_weights.select_masks(train.MINI, checkpoint.Checkpoint(net, net.init()))


def test_remove_vocals_leaves_the_mixture_minus_their_estimate(tmp_path, monkeypatch):
    net = ConvTasNet(N=32, L=16, B=16, H=16, X=2, R=2, sources=("vocals", "accompaniment"))
    checkpoint.save(checkpoint.Checkpoint(net, net.init()), tmp_path / "two.safetensors")
    stems_SxCxT = np.random.default_rng(0).normal(0, 0.1, (4, 2, 22050)).astype(np.float16)
    (tmp_path / "pool").mkdir()
    for name in ("a", "b"):
        np.save(tmp_path / "pool" / f"{name}.npy", stems_SxCxT)
    arguments = ["remove_vocals.py", tmp_path / "pool", tmp_path / "rest", "--network", tmp_path / "two.safetensors"]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in [*arguments, "--separated", 1]])
    remove_vocals.main()
    network = checkpoint.load(tmp_path / "two.safetensors")
    known = Song.from_array(stems_SxCxT.sum(0, dtype=np.float32), rate_hz=44100)
    vocals_CxT = separate(network, known)["vocals"]
    rests = [np.load(tmp_path / "rest" / f"{name}.npy").astype(np.float32) for name in ("a", "b")]
    separated, silent = sorted(rests, key=lambda rest_SxCxT: not rest_SxCxT[3].any())
    for rest_SxCxT in rests:
        np.testing.assert_array_equal(rest_SxCxT[:3], stems_SxCxT[:3])
    np.testing.assert_allclose(separated[3], stems_SxCxT[3] - vocals_CxT, atol=2e-3)
    assert not silent[3].any()


def test_new_masks_pass_a_share_of_the_mixture(songs):
    config = train.MINI
    params = first_weights.set_masks(jax.tree.map(np.asarray, config.init()), 0.5)
    net = train.convtasnet.bind(config, params)
    h_KxB = net.prefix(np.random.default_rng(1).standard_normal((2, 2000)).astype(np.float32), "repeat1")
    mask = np.asarray(net.mask(h_KxB))
    assert abs(mask.mean() - 0.5) < 0.1


def test_examples_depend_only_on_seed_and_number(songs):
    opened = pool.open_pool(songs, 2, 2)
    first = [next(data) for data in [pool.iterate_batches(opened, 2, 500, seed=3, start=0)] for _ in range(3)]
    later = next(pool.iterate_batches(opened, 2, 500, seed=3, start=2))
    np.testing.assert_array_equal(first[2], later)
    assert first[0].shape == (2, 2, 2, 500)
    assert np.abs(first[0] - first[1]).max() > 0


@pytest.mark.slow
def test_interrupted_run_ends_with_the_same_weights(songs, monkeypatch):
    """Evaluate after each step; cut the second run off in the middle of its fifth evaluation, then go on."""
    whole = run(songs, monkeypatch, "--steps", "9", "--every", "1")
    first = np.load(songs / "run" / "checkpoint.npz")
    (songs / "run").rename(songs / "whole")
    evaluate, count = train.evaluate, iter(range(100))

    def cut_off(*arguments):
        if next(count) == 4:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(train, "evaluate", cut_off)
    with pytest.raises(KeyboardInterrupt):
        run(songs, monkeypatch, "--steps", "9", "--every", "1")
    rows = run(songs, monkeypatch, "--steps", "9", "--every", "1")
    drop = {"elapsed_s"}
    assert [{k: row[k] for k in row if k not in drop} for row in rows] == [
        {k: row[k] for k in row if k not in drop} for row in whole
    ]
    again = np.load(songs / "run" / "checkpoint.npz")
    for name in first.files:
        np.testing.assert_array_equal(again[name], first[name])


def test_resume_names_a_damaged_or_foreign_checkpoint(songs, monkeypatch):
    run(songs, monkeypatch, "--steps", "1")
    path = songs / "run" / "checkpoint.npz"
    for damaged in (path.read_bytes()[:-200], b"x", b""):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"checkpoint\.npz: damaged"):
            run(songs, monkeypatch, "--steps", "2")
    np.savez(path, np.zeros(3))
    with pytest.raises(InputError, match=r"checkpoint\.npz: a checkpoint of another network or optimizer"):
        run(songs, monkeypatch, "--steps", "2")


def test_pool_names_damaged_songs_and_wrong_shapes(tmp_path):
    with pytest.raises(InputError, match=r"no SONG\.npy files"):
        pool.open_pool(tmp_path, 2, 2)
    path = tmp_path / "a.npy"
    for wrong in (np.zeros((4, 2, 9), np.float32), np.zeros((2, 9), np.float32), np.zeros((2, 2, 9), np.int16)):
        np.save(path, wrong)
        with pytest.raises(InputError, match=r"a\.npy: .*is expected"):
            pool.open_pool(tmp_path, 2, 2)
    np.save(path, np.zeros((2, 2, 0), np.float32))
    with pytest.raises(InputError, match=r"a\.npy: no samples"):
        pool.open_pool(tmp_path, 2, 2)
    np.save(path, np.zeros((2, 2, 90), np.float32))
    for damaged in (path.read_bytes()[:-4], b"x", b""):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"a\.npy: not a whole"):
            pool.open_pool(tmp_path, 2, 2)


def test_loader_raises_errors_of_its_thread():
    with pytest.raises(IndexError):
        next(pool.iterate_batches([np.zeros((2, 2, 9)), np.zeros((1, 2, 9))], 8, 5, seed=0, start=0))


def test_train_reports_wrong_input_in_one_line(songs, monkeypatch, capsys):
    def program(more):
        pools = f"train.py --train {songs} --valid {songs} --run {songs}/run --seconds 0.2 {more}"
        monkeypatch.setattr(sys, "argv", pools.split())
        return train.run_program()

    assert program("--start no-such-weights") == 2
    assert capsys.readouterr().err.startswith("error: no-such-weights: ")
    assert program(f"--run {songs}/a.npy") == 2
    assert "a.npy: File exists" in capsys.readouterr().err
    for wrong in ("--seconds 0.01", "--seconds inf", "--learning-rate nan", "--every 0"):
        with pytest.raises(SystemExit, match="2"):
            program(wrong)
        assert f"{wrong.split()[0]} must be" in capsys.readouterr().err


def test_validation_refuses_songs_that_lack_a_source(songs, monkeypatch):
    """A song without a source counts for the others; one that is silent, short or not finite is named."""
    half = np.load(songs / "a.npy")
    half[1] = 0
    np.save(songs / "a.npy", half)
    assert np.isfinite(list(run(songs, monkeypatch, "--steps", "1")[0].values())).all()
    cases = (np.zeros_like(half), "silent"), (np.full_like(half, np.nan), "not finite"), (half[..., :99], "shorter")
    for wrong, said in cases:
        np.save(songs / "a.npy", wrong)
        with pytest.raises(InputError, match=rf"a\.npy: .*{said}"):
            run(songs, monkeypatch, "--steps", "1")
    np.save(songs / "a.npy", half)
    np.save(songs / "b.npy", half)
    with pytest.raises(InputError, match="no song in which source 2 of 2 is heard"):
        run(songs, monkeypatch, "--steps", "1")


@pytest.mark.slow
def test_collapsed_network_replaces_no_checkpoint(songs, monkeypatch, capsys):
    run(songs, monkeypatch, "--steps", "1")
    good = (songs / "run" / "checkpoint.npz").read_bytes()
    for sdr, said in (((np.nan, 3.0), "not finite at step 2"), ((0.0, 0.01), "silent at step 2")):
        monkeypatch.setattr(train, "evaluate", lambda *_, sdr=sdr: np.array(sdr))
        with pytest.raises(SystemExit, match=said):
            run(songs, monkeypatch, "--steps", "3", "--every", "1")
    monkeypatch.setattr(train, "train_step", lambda _net, _optimizer, carry, stems: (carry, np.float32("nan")))
    with pytest.raises(SystemExit, match="the loss is nan at step 2"):
        run(songs, monkeypatch, "--steps", "3")
    assert (songs / "run" / "checkpoint.npz").read_bytes() == good
    train.require_sound(train.MINI, np.array([0.0, 3.0]), 7)
    assert "warning: left: silent at step 7" in capsys.readouterr().err


@pytest.mark.slow
def test_batch_gives_the_mean_of_its_examples(songs):
    """One after the other or side by side, loss and gradient are the same."""
    params = train.MINI.init()
    stems_WxSxCxT = next(pool.iterate_batches(pool.open_pool(songs, 2, 2), 3, 2000, seed=0, start=0))

    def side_by_side(params):
        return jax.vmap(lambda stems_SxCxT: train.compute_rms_error(train.MINI, params, stems_SxCxT))(
            stems_WxSxCxT
        ).mean()

    loss, gradient = train.compute_mean_loss_and_gradient(train.MINI, params, stems_WxSxCxT)
    expected_loss, expected = jax.value_and_grad(side_by_side)(params)
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-5)
    # Sums in another order; the smallest gradients are some 1e-4 of the largest.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), gradient, expected)


@pytest.mark.slow
def test_muon_orthogonalises_only_matrices(songs):
    """A matrix moves by its gradient with all singular values alike; other parameters move as with Adam."""
    params = train.MINI.init()
    gradient = jax.tree.map(lambda leaf: np.random.default_rng(0).standard_normal(leaf.shape).astype("f4"), params)

    def third(steps):  # the learning rate begins at 0
        state = steps.init(params)
        for _ in range(3):
            updates, state = jax.jit(steps.update)(gradient, state, params)
        return updates["repeat1"]["block1"]

    rate = optimizer.make_schedule(1.0, 10)
    moved = third(optimizer.make_optimizer(1.0, 10))
    singular = np.linalg.svd(moved["expand"]["kernel"], compute_uv=False)
    assert singular.max() < 2 * singular.min()  # Newton-Schulz stops between 0.7 and 1.2 of one
    assert np.sqrt((moved["expand"]["kernel"] ** 2).mean()) == pytest.approx(0.2 * rate(2), rel=0.25)
    like_adam = third(optax.chain(optax.clip_by_global_norm(optimizer.CLIP), optax.adam(rate, nesterov=True)))
    for part in ("depthwise", "norm1", "prelu1"):
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), moved[part], like_adam[part])

"""Adaptation: parity with runs of the reference, and invariants of lanes."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.conftest import DATA
from tests.helpers.adapting import adapt, adapt_lanes
from ugosa_jax.adaptation import engine, lane, loss, packing, programs, schedule, strategy
from ugosa_jax.adaptation.ranger import ranger, ranger_without_lookahead
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import convtasnet_torch

TINY = ConvTasNet(N=8, B=5, H=7, X=1, R=3, sources=("a", "b"))
SETTINGS = AdaptConfig(strategy="P-L2:M", epochs=2, learning_rate=1e-2)

RUNS = {  # name in the golden file → settings; the code's γ is 4 λ
    "P-L1-D lr1e-3": AdaptConfig("P-L1:D", lam=0.25, learning_rate=1e-3, epochs=5),
    "P-L3-M lr1e-3": AdaptConfig("P-L3:M", lam=0.25, learning_rate=1e-3, epochs=5),
    "P-L3-M lr1e-3 gamma100 nogc": AdaptConfig(
        "P-L3:M", lam=25.0, learning_rate=1e-3, epochs=5, centralise_gradients=False
    ),
    "P-L2-3 lr1e-5": AdaptConfig("P-L2:3", lam=0.25, learning_rate=1e-5, epochs=5),
    "B-L3-D lr1e-3": AdaptConfig("B-L3:D", lam=0.25, learning_rate=1e-3, epochs=5),
    "P-L4-D lr1e-3": AdaptConfig("P-L4:D", lam=0.25, learning_rate=1e-3, epochs=5),
}

SLOW_RUNS = {"P-L1-D lr1e-3", "P-L3-M lr1e-3", "P-L4-D lr1e-3"}
"""The other runs cover losses P and B, several last stages, and gradients with and without centralisation."""

QUICK = {"xla_backend_optimization_level": 0}
"""Compiler options for reference implementations, which run only a few times: they compile faster."""


def noise(n=3, seed=0, bucket=4, length=400, dtype=np.float32):
    random = np.random.default_rng(seed)
    mix = np.zeros((bucket, 1, 2, length), dtype)
    mix[:n] = random.standard_normal((n, 1, 2, length))
    return Segments(mix, random.random((bucket, 2, length)) > 0.3, n)


@pytest.fixture(scope="module")
def tiny():
    return TINY.init(seed=1)


def golden_song(z, dtype):
    length = int(z["segment_samples"])
    mix_GxVxCxT = z["mix"].reshape(2, 4, length).swapaxes(0, 1)[:, None].astype(dtype)
    active_GxSxT = np.repeat(z["activations"].T[..., None], length, -1)
    return Segments(mix_GxVxCxT, active_GxSxT, 4)


@pytest.mark.parametrize(
    "run", [pytest.param(run, marks=pytest.mark.slow) if run in SLOW_RUNS else run for run in RUNS]
)
def test_losses_and_weights_equal_those_of_the_reference(config, params, golden, run):
    z = golden("adaptation")
    result = adapt(config, params, golden_song(z, np.float32), RUNS[run])
    check_run(result, z, run, config)


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS)
def test_losses_and_weights_in_double_precision_equal_those_of_the_reference(config, params64, golden, run):
    """The stored runs are in single precision, which limits the tolerance."""
    z = golden("adaptation")
    with jax.enable_x64(True):
        result = adapt(config, params64, golden_song(z, np.float64), RUNS[run])
    check_run(result, z, run, config)


def check_run(result, z, run, config):
    """Compare losses to a few roundings, and weights.

    The largest weights are near 1, where single precision steps by 1.2e-7. At learning rate 1e-5 a run moves them by
    6e-6, and they may differ by two such steps; at 1e-3 it moves them by 5e-4, roundings pass through every step, and
    they may differ by 2e-6. Their displacement may differ by a percent (at 1e-5 the reference's own rounding is half of
    that).
    """
    losses_rtol, weights_atol = 3e-6, 2e-6 if run.endswith("lr1e-3") else 2.4e-7
    losses = z[f"{run}/losses"]
    got = result.losses_ExIx3.reshape(losses.shape)
    np.testing.assert_allclose(got[:, 1], losses[:, 1], rtol=losses_rtol)
    if run.startswith("P"):  # for B, the reference logs an activation term that it does not use
        np.testing.assert_allclose(got[:, 0], losses[:, 0], rtol=losses_rtol)
        np.testing.assert_allclose(got[:, 2] / 4, losses[:, 2], rtol=1e-5)
    else:
        np.testing.assert_array_equal(got[:, 0], got[:, 1])
    prefix = f"{run}/final/"
    final = {name.removeprefix(prefix): z[name] for name in z if name.startswith(prefix)}
    rows = {path: row for path, row in convtasnet_torch.build_table(config).items() if row.name in final}
    tuned = {".".join(k.key for k in path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(result.tuned)}
    assert set(rows) == set(tuned)
    start = np.load(DATA / "state.npz")
    off, moved = [], []
    for path, row in rows.items():
        value = tuned[path].T.reshape(row.shape)
        np.testing.assert_allclose(value, final[row.name], rtol=0, atol=weights_atol, err_msg=path)
        off.append(np.sum((value - final[row.name]) ** 2))
        moved.append(np.sum((final[row.name] - start[row.name]) ** 2))
    assert sum(off) < (0.01**2) * sum(moved)


def test_tuned_half_equals_partition_over_the_whole_tree(tiny):
    """The oracle differentiates all parameters with a label-partitioned optimizer, in a Python loop without prefix."""
    song = noise()
    plan = strategy.parse(SETTINGS.strategy, TINY)
    labels = strategy.label_params(plan, tiny)
    inner = strategy.partition(ranger_without_lookahead(SETTINGS.learning_rate), labels)
    optimizer = optax.lookahead(inner, 6, 0.5)

    def objective(p, mix_CxT, active_SxT):
        terms = loss.compute_loss_terms(TINY(p, mix_CxT), mix_CxT, active_SxT)
        return loss.compute_total(terms, SETTINGS.lam)

    @functools.partial(jax.jit, compiler_options=QUICK)
    def step(weights, state, mix_CxT, active_SxT):
        gradient = jax.grad(objective)(weights.fast, mix_CxT, active_SxT)
        updates, state = optimizer.update(gradient, state, weights)
        return optax.apply_updates(weights, updates), state

    weights = optax.LookaheadParams.init_synced(jax.tree.map(jnp.asarray, tiny))
    state = optimizer.init(weights)
    for _ in range(SETTINGS.epochs):
        for g in range(song.n):
            weights, state = step(weights, state, song.mix_GxVxCxT[g, 0], song.active_GxSxT[g])
    tuned, frozen = tree.split(weights.fast, labels)
    chex.assert_trees_all_equal(frozen, tree.split(tiny, labels)[1])
    result = adapt(TINY, tiny, song, SETTINGS)
    # Two programs of the same sums: XLA may fuse them differently. Six steps move the weights by up to 3e-3.
    chex.assert_trees_all_close(result.tuned, tuned, rtol=0, atol=2e-6)


def test_strategy_r_equals_a_python_loop_over_segments_and_remixes(tiny):
    """Alone, and in a lane beside a longer song."""
    random = np.random.default_rng(3)
    stems_GxSxCxT = random.standard_normal((4, 2, 2, 400)).astype(np.float32)
    song = dataclasses.replace(noise(), stems_GxSxCxT=stems_GxSxCxT)
    settings = dataclasses.replace(SETTINGS, strategy="R-L2:M", shuffle_seed=1)
    plan = strategy.parse(settings.strategy, TINY)
    tuned, frozen = tree.split(tiny, strategy.label_params(plan, tiny))
    optimizer = ranger(settings.learning_rate)

    @functools.partial(jax.jit, static_argnames="is_remix", compiler_options=QUICK)
    def step(weights, state, mix_CxT, stems_SxCxT, is_remix):
        def objective(tuned):
            est_SxCxT = TINY(tree.merge(tuned, frozen), mix_CxT)
            if is_remix:
                return jnp.sqrt(((est_SxCxT - stems_SxCxT) ** 2).mean((1, 2)) + 1e-6).mean()
            return jnp.abs(est_SxCxT.sum(0) - mix_CxT).mean()

        value, gradient = jax.value_and_grad(objective)(weights.fast)
        updates, state = optimizer.update(gradient, state, weights)
        return optax.apply_updates(weights, updates), state, value

    weights = optax.LookaheadParams.init_synced(jax.tree.map(jnp.asarray, tuned))
    state, kinds, losses = optimizer.init(weights), [], np.zeros((2, 3))
    for epoch in range(2):
        is_due_G, gain_GxS = schedule.draw_remixes(1, epoch, 4, 2)[::2]
        order_GxS = np.stack([schedule.shuffle_segments(3, 4, 1, epoch, 1 + s) for s in range(2)], -1)
        for i, g in enumerate(schedule.shuffle_segments(3, 4, 1, epoch)[:3]):
            stems_SxCxT = np.float32(gain_GxS[i])[:, None, None] * stems_GxSxCxT[order_GxS[i], [0, 1]]
            mix_CxT = stems_SxCxT.sum(0) if is_due_G[i] else song.mix_GxVxCxT[g, 0]
            weights, state, value = step(weights, state, mix_CxT, stems_SxCxT, bool(is_due_G[i]))
            kinds.append(bool(is_due_G[i]))
            losses[epoch, g] = value
    assert len(set(kinds)) == 2
    longer = dataclasses.replace(noise(4, 7), stems_GxSxCxT=stems_GxSxCxT)
    alone, beside = adapt(TINY, tiny, song, settings), adapt_lanes(TINY, tiny, [longer, song], settings)[1]
    for result in (alone, beside):
        np.testing.assert_allclose(result.losses_ExIx3[..., 0], losses, rtol=1e-5)
        chex.assert_trees_all_close(result.tuned, weights.fast, rtol=0, atol=2e-6)


def test_adapt_returns_exactly_the_tuned_leaves_and_moves_all(tiny):
    result = adapt(TINY, tiny, noise(), SETTINGS)
    assert set(result.tuned) == {"repeat3", "mask"}
    start, _ = tree.split(tiny, strategy.label_params(strategy.parse(SETTINGS.strategy, TINY), tiny))
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), result.tuned, start)
    assert all(0 < distance < 1 for distance in jax.tree.leaves(moved))


def test_loss_b_ignores_annotation_and_lambda(tiny):
    song = noise()
    everything_active = Segments(song.mix_GxVxCxT, np.ones_like(song.active_GxSxT), song.n)
    baseline = adapt(TINY, tiny, song, AdaptConfig("B-L2:M", epochs=2, learning_rate=1e-2, lam=7.0))
    plain = adapt(TINY, tiny, everything_active, AdaptConfig("P-L2:M", epochs=2, learning_rate=1e-2, lam=0.0))
    chex.assert_trees_all_equal(baseline.tuned, plain.tuned)
    np.testing.assert_array_equal(baseline.losses_ExIx3, plain.losses_ExIx3)


def test_step_to_infinite_weights_is_not_taken(tiny):
    song = noise(n=1)
    result = adapt(TINY, tiny, song, AdaptConfig("P-L2:M", epochs=1, learning_rate=1e39))
    assert result.stopped_at == (0, 0)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result.tuned))


def test_b0_tunes_nothing(tiny):
    result = adapt(TINY, tiny, noise(), AdaptConfig(strategy="B0"))
    assert result.tuned == {}
    assert result.losses_ExIx3.size == 0


def test_padding_to_a_bucket_changes_no_bit(tiny):
    song = noise(n=3, bucket=4)
    poison = song.mix_GxVxCxT.copy()
    poison[3:] = np.nan
    padded = adapt(TINY, tiny, song, SETTINGS)
    poisoned = adapt(TINY, tiny, Segments(poison, song.active_GxSxT, 3), SETTINGS)
    exact = adapt(TINY, tiny, Segments(song.mix_GxVxCxT[:3], song.active_GxSxT[:3], 3), SETTINGS)
    assert padded.losses_ExIx3.shape == (2, 3, 3)
    for other in (poisoned, exact):
        chex.assert_trees_all_equal(padded.tuned, other.tuned)
        np.testing.assert_array_equal(padded.losses_ExIx3, other.losses_ExIx3)


def test_lanes_equal_single_runs(tiny):
    """Lanes of λ and learning rate that share a song, and songs of different length side by side."""
    songs = [noise(n, seed) for n, seed in ((2, 0), (4, 1))]
    lam, rate = [0.0, 100.0], [1e-2, 1e-3]
    shared = adapt_lanes(TINY, tiny, songs[1], SETTINGS, lam=lam, learning_rate=rate)
    apart = adapt_lanes(TINY, tiny, songs, SETTINGS, lam=lam, learning_rate=rate)
    for i in range(2):
        settings = AdaptConfig("P-L2:M", epochs=2, lam=lam[i], learning_rate=rate[i])
        for result, song in ((shared[i], songs[1]), (apart[i], songs[i])):
            alone = adapt(TINY, tiny, song, settings)
            # A batched matmul may add in another order than a single one; weights move by 3e-3.
            chex.assert_trees_all_close(result.tuned, alone.tuned, rtol=0, atol=2e-6)
            np.testing.assert_allclose(result.losses_ExIx3, alone.losses_ExIx3, rtol=1e-5)


def test_a_shuffled_epoch_equals_a_song_cut_in_that_order(tiny):
    """Alone, and in a lane beside a longer song."""
    song = noise(n=3)
    order_G = schedule.shuffle_segments(3, 4, 5, 0)
    assert order_G.tolist() != [0, 1, 2, 3]
    reordered = Segments(song.mix_GxVxCxT[order_G], song.active_GxSxT[order_G], 3)
    settings = dataclasses.replace(SETTINGS, epochs=1)
    expected = adapt(TINY, tiny, reordered, settings)
    shuffled = dataclasses.replace(settings, shuffle_seed=5)
    beside = adapt_lanes(TINY, tiny, [song, noise(4, 1)], shuffled)[0]
    for found in (adapt(TINY, tiny, song, shuffled), beside):
        chex.assert_trees_all_close(found.tuned, expected.tuned, rtol=0, atol=2e-6)
        np.testing.assert_allclose(found.losses_ExIx3[:, order_G[:3]], expected.losses_ExIx3, rtol=1e-5)


def test_shuffled_epochs_and_remixes_share_one_program(tiny):
    settings = dataclasses.replace(SETTINGS, epochs=3, shuffle_seed=5)
    remixed = dataclasses.replace(noise(), stems_GxSxCxT=np.ones((4, 2, 2, 400), np.float32))
    for song, plan in ((noise(), "B-L2:M"), (remixed, "R-L2:M")):
        before = programs.run_epoch._cache_size()
        adapt(TINY, tiny, song, dataclasses.replace(settings, strategy=plan))
        assert programs.run_epoch._cache_size() <= before + 1


def test_a_lane_does_not_depend_on_its_neighbours(tiny):
    song = noise()
    results = [adapt_lanes(TINY, tiny, song, SETTINGS, lam=[1.0, other]) for other in (0.0, 1e4, np.nan)]
    for result in results[1:]:
        chex.assert_trees_all_equal(result[0].tuned, results[0][0].tuned)
    assert results[2][0].stopped_at is None
    assert results[2][1].stopped_at == (0, 0)


def test_lambda_rate_and_songs_of_a_bucket_share_one_trace(tiny):
    chex.clear_trace_counter()
    plan = strategy.parse(SETTINGS.strategy, TINY)
    program = lane.make_program(TINY, plan, dataclasses.replace(SETTINGS, features="float32"), "cpu")

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(*arguments):
        return lane.adapt_epoch(program, *arguments)

    for seed, (n, lam, rate) in enumerate([(1, 0.0, 1e-5), (3, 1e4, 1e-2), (4, 1.0, 1e-3)]):
        hyper = engine.make_hyper(SETTINGS, 1, [lam], [rate])
        inputs = engine.make_inputs(tiny, [noise(n, seed)], plan, hyper, SETTINGS)
        hidden = programs.compute_features(program, tiny, inputs.song)
        alone = jax.tree.map(lambda leaf: leaf[0], inputs.hyper)
        jax.eval_shape(
            run,
            inputs.frozen,
            np.int32(n),
            hidden,
            inputs.song,
            alone,
            inputs.schedule,
            lane.init_state(inputs.tuned),
        )
    adapt(TINY, tiny, noise(), SETTINGS)
    before = programs.run_epoch._cache_size()
    for seed, lam in enumerate((0.0, 1.0, 1e4)):
        adapt(TINY, tiny, noise(1 + seed, seed), AdaptConfig("P-L2:M", epochs=1, lam=lam, learning_rate=lam + 1e-3))
    assert programs.run_epoch._cache_size() == before


def test_a_segment_of_nan_stops_the_lane_with_the_last_good_weights(tiny):
    """Segment 2 of 3 is NaN: steps 0 and 1 are taken, and the weights before step 1 are the last good ones."""
    song = noise(n=3, bucket=3)
    mix = song.mix_GxVxCxT.copy()
    mix[2] = np.nan
    stopped = adapt(TINY, tiny, Segments(mix, song.active_GxSxT, 3), SETTINGS)
    first = Segments(mix, song.active_GxSxT, 1)
    good = adapt(TINY, tiny, first, AdaptConfig("P-L2:M", epochs=1, learning_rate=1e-2))
    assert stopped.stopped_at == (0, 2)
    assert len(stopped.losses_ExIx3) == 1
    assert np.isfinite(stopped.losses_ExIx3[0, :2]).all()
    assert np.isnan(stopped.losses_ExIx3[0, 2:]).all()
    chex.assert_trees_all_equal(stopped.tuned, good.tuned)


@pytest.mark.parametrize(("features", "tolerance"), [("recompute", 2e-6), ("bfloat16", 3e-4)])
def test_features_recomputed_or_stored_in_bfloat16_give_nearly_the_same_weights(tiny, features, tolerance):
    """bfloat16 has 8 bits; the largest weight moves by 3e-3."""
    kept = adapt(TINY, tiny, noise(), AdaptConfig("P-L2:M", epochs=2, learning_rate=1e-2, features="float32"))
    other = adapt(TINY, tiny, noise(), AdaptConfig("P-L2:M", epochs=2, learning_rate=1e-2, features=features))
    chex.assert_trees_all_close(other.tuned, kept.tuned, rtol=0, atol=tolerance)


@pytest.mark.slow
def test_each_variant_of_a_segment_is_a_step(tiny):
    song = noise(n=2, bucket=2)
    copies = Segments(np.repeat(song.mix_GxVxCxT, 3, 1), song.active_GxSxT, 2)
    result = adapt(TINY, tiny, copies, SETTINGS)
    order = Segments(np.repeat(song.mix_GxVxCxT, 3, 0), np.repeat(song.active_GxSxT, 3, 0), 6)
    assert result.losses_ExIx3.shape == (2, 6, 3)
    np.testing.assert_array_equal(result.losses_ExIx3, adapt(TINY, tiny, order, SETTINGS).losses_ExIx3)


def test_on_epoch_reports_every_epoch(tiny):
    reports = []
    result = adapt(TINY, tiny, noise(), SETTINGS, on_epoch=lambda epoch, losses: reports.append((epoch, losses)))
    assert [epoch for epoch, _ in reports] == [0, 1]
    np.testing.assert_array_equal(reports[1][1][0, :3], result.losses_ExIx3[1])
    assert result.timing.steps_s > 0


def test_adapt_lanes_refuses_different_numbers_and_buckets(tiny):
    with pytest.raises(InputError, match="equal in number"):
        adapt_lanes(TINY, tiny, [noise(), noise()], SETTINGS, lam=[1.0])
    with pytest.raises(InputError, match="one shape"):
        adapt_lanes(TINY, tiny, [noise(), noise(bucket=3)], SETTINGS)
    with pytest.raises(InputError, match="equal in number"):
        adapt_lanes(TINY, tiny, noise(), SETTINGS, lam=[])


def test_the_initial_state_does_not_depend_on_the_learning_rate(tiny):
    """`init_state` uses `ranger(0.0)` for any learning rate."""
    start = lane.init_state(tiny).optimizer
    other = ranger(1e-2).init(optax.LookaheadParams.init_synced(packing.pack(tiny)))
    chex.assert_trees_all_equal(start, other)

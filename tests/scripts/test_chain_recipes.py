"""chain_recipes.py gives the stems and scores of the package; its table can be checked by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest

import ugosa_jax
from tests.helpers.chains import make_chain

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "experiments"))
import chain_recipes
from chain_recipes import CONDITIONS, RECIPES
from imprecision import degrade

from ugosa_jax import Annotation, Interval, Song
from ugosa_jax.adaptation import chain_adaptation, song_adaptation
from ugosa_jax.annotations import annotation
from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.data.sound import Audio
from ugosa_jax.evaluation import scoring

pytestmark = pytest.mark.slow  # scripts are not part of the package

RATE_HZ = 8000
R = AdaptConfig("R-L2:D", segment_s=0.5, epochs=1, learning_rate=1e-3, shuffle_seed=1)


@pytest.fixture(scope="module")
def song():
    """Six seconds of noise: the bass rests for the first three, the drums for the last two."""
    stems_SxCxT = np.random.default_rng(0).normal(0, 0.1, (3, 2, 6 * RATE_HZ)).astype(np.float32)
    stems_SxCxT[2, :, : 3 * RATE_HZ] = 0
    stems_SxCxT[0, :, 4 * RATE_HZ :] = 0
    sources = make_chain().sources
    rests = Interval(0, 3, "bass", "silent"), Interval(4, 6, "drums", "silent")
    mixture = Audio(stems_SxCxT.sum(0), RATE_HZ, "song.wav")
    return Song(mixture, stems_SxCxT, sources, Annotation(rests, sources, "unknown"))


@pytest.mark.parametrize("settings", [AdaptConfig("B0"), R], ids=["not adapted", "adapted"])
def test_estimate_equals_the_stems_of_separate(song, settings):
    chain = make_chain()
    prepared = song_adaptation.prepare(chain, song, None, settings)
    left = chain_adaptation.remove_sources(chain.links[0], prepared, {})
    est_SxCxT = chain_recipes.estimate(chain, prepared, left, chain_recipes.adapt(chain, left, settings))
    last_alone = AdaptConfig("B0") if settings.strategy == "B0" else AdaptConfig("B0+R-L2:D", **_without_strategy(R))
    adapted = ugosa_jax.adapt(chain, song, settings=last_alone)
    expected = adapted.separate(song, settings=SeparateConfig(refine="wiener"))
    np.testing.assert_allclose(est_SxCxT, np.stack([expected[source] for source in chain.sources]), atol=2e-5)


def _without_strategy(settings: AdaptConfig) -> dict:
    return {name: getattr(settings, name) for name in ("segment_s", "epochs", "learning_rate", "shuffle_seed")}


def test_score_equals_the_sdr_of_evaluate(song):
    noise = np.random.default_rng(1).normal(0, 0.05, song.stems_SxCxT.shape).astype(np.float32)
    est_SxCxT = song.stems_SxCxT + noise
    evaluation = scoring.evaluate(
        song, dict(zip(song.sources, est_SxCxT, strict=True)), EvaluateConfig(outputs="plain")
    )
    expected = [evaluation.db(source, "SDR") for source in song.sources]
    np.testing.assert_allclose(chain_recipes.score(song, est_SxCxT), expected, atol=1e-4)  # rounded to as much


def test_partial_annotation_keeps_the_first_share_of_each_rest(song):
    def silent_s(condition):
        annotated = degrade(song.require_annotation(), 6.0, CONDITIONS[condition], "song.wav")
        return annotation.count_silent_seconds(annotated, 6.0)

    assert silent_s("exact") == {"drums": 2.0, "voice": 0.0, "bass": 3.0}
    assert silent_s("half") == {"drums": 1.0, "voice": 0.0, "bass": 1.5}
    assert silent_s("none") == {"drums": 0.0, "voice": 0.0, "bass": 0.0}


def test_table_compares_recipes_with_masks_of_the_same_annotation():
    """Eight songs that gain have p = 2 / 2⁸, and Holm's correction multiplies it by three tests."""
    r, rows = "R, 5 epochs at 3e-3", []
    for k, name in enumerate("abcdefgh"):
        half = {"annotation": "half", "song": name}
        rows.append({**half, "recipe": r, "seconds": 30 + k, "sdr_db": {"x": k + 1 + k / 10, "y": 1.0}})
        rows.append({**half, "recipe": "masks", "seconds": 0, "sdr_db": {"x": k, "y": 1.0}})
        rows.append(
            {"annotation": "none", "song": name, "recipe": "masks", "seconds": 0, "sdr_db": {"x": 9.0, "y": 9.0}}
        )
    lines = list(chain_recipes.write_table(rows))
    assert lines[2] == "| no annotation | masks | 8 | 0 | mean SDR | 9.00 | 9.00 | 9.00 |"
    assert lines[3] == "| half of each rest | masks | 8 | 0 | mean SDR | 3.50 | 1.00 | 2.25 |"
    assert lines[4] == f"| half of each rest | {r} | 8 | 34 | mean SDR | 4.85 | 1.00 | 2.92 |"
    assert "| | | | | median difference | 1.35 | 0.00 | 0.68 |" in lines
    assert lines[-1] == "| | | | | p, Holm | 0.023 | 1.000 | 0.023 |"


def test_table_compares_chains_by_recipe_and_source():
    cell = {"annotation": "half", "recipe": "masks", "seconds": 0}
    rows = [{**cell, "song": name, "sdr_db": {"y": 2.0, "x": k + 2.0}} for k, name in enumerate("abcdefgh")]
    base = [{**cell, "song": name, "sdr_db": {"x": k + 1.0, "y": 2.5}} for k, name in enumerate("abcdefgh")]
    lines = list(chain_recipes.write_table(rows, base))
    assert lines[2:4] == [
        "| half of each rest | masks | 8 | 0 | mean SDR | 2.00 | 5.50 | 3.75 |",
        "| | | | | median difference | −0.50 | 1.00 | 0.25 |",
    ]


def test_songs_without_a_partner_are_not_compared():
    scores = {
        ("exact", "masks", "a"): [1.0],
        ("exact", "R", "a"): [2.0],
        ("exact", "R", "b"): [9.0],
        ("half", "masks", "b"): [0.0],
    }
    (paired,) = chain_recipes.compare(scores, ("exact", "R"), scores, ("exact", "masks"))
    assert paired.median == 1.0


def test_recipes_differ():
    assert len(set(RECIPES.values())) == len(RECIPES)
    assert RECIPES[chain_recipes.BASE].strategy == "B0"

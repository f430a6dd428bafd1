"""Separation with chains: the input of each network, in blocks and in memory."""

import numpy as np
import pytest

from tests.helpers.chains import make_chain
from ugosa_jax.config import SeparateConfig
from ugosa_jax.data.standardisation import Scaling, standardise_by
from ugosa_jax.separation import bag_separation, chain_separation, chunks

RATE_HZ = 8000
SETTINGS = SeparateConfig(chunk_s=0.4)
SCALING = Scaling(0.02, 0.1)


@pytest.fixture(scope="module")
def mix_CxT():
    return np.random.default_rng(0).normal(0.02, 0.1, (2, 2 * RATE_HZ)).astype(np.float32)


def separate(chain, mix_CxT, block, settings=SETTINGS, on_chunk=None, scalings=None):
    blocks = (mix_CxT[:, i : i + block] for i in range(0, mix_CxT.shape[1], block))
    scalings = scalings or dict.fromkeys(chain.members, SCALING)
    parts = chain_separation.separate_blocks(
        chain, chain.params, blocks, mix_CxT.shape[1], scalings, settings, on_chunk
    )
    return chunks.join_blocks(parts, (len(chain.sources), *mix_CxT.shape))


def assert_close(found_SxCxT, expected_SxCxT):
    """Compare up to some roundings of the largest sample, as random networks are loud."""
    np.testing.assert_allclose(found_SxCxT, expected_SxCxT, rtol=0, atol=1e-5 * np.abs(expected_SxCxT).max())


def by_hand(chain, mix_CxT, scalings):
    """Return the estimates of the networks on the whole song, one after the other."""
    duo, trio = chain.members["duo"], chain.members["trio"]
    own = scalings["duo"]
    voice_CxT = bag_separation.separate(duo, duo.params, standardise_by(mix_CxT, own), SETTINGS)[0] * own.std
    left_CxT = mix_CxT - voice_CxT
    own = scalings["trio"]
    est_SxCxT = bag_separation.separate(trio, trio.params, standardise_by(left_CxT, own), SETTINGS) * own.std + own.mean
    return np.stack([est_SxCxT[0], voice_CxT + scalings["duo"].mean, est_SxCxT[2]])


@pytest.mark.parametrize("block", [1000, 4096, 100_000])
def test_the_second_network_separates_the_rest_of_the_first(mix_CxT, block):
    chain = make_chain()
    expected = by_hand(chain, mix_CxT, dict.fromkeys(chain.members, SCALING))
    assert_close(separate(chain, mix_CxT, block), expected)


def test_the_input_of_each_network_has_its_own_level(mix_CxT):
    chain, scalings = make_chain(), {"duo": Scaling(0.0, 1.0), "trio": SCALING}
    expected = by_hand(chain, mix_CxT, scalings)
    assert_close(separate(chain, mix_CxT, 5000, scalings=scalings), expected)


def test_on_chunk_counts_the_chunks_of_all_networks(mix_CxT):
    seen = []
    separate(make_chain(), mix_CxT, 4000, on_chunk=lambda *so_far: seen.append(so_far))
    assert seen == [(i, 14) for i in range(1, 15)]


def test_separate_blocks_reads_the_song_as_needed(mix_CxT):
    """The mixture is read only as far as the second network needs it."""
    read = []

    def blocks():
        for i in range(0, mix_CxT.shape[1], 800):
            read.append(i)
            yield mix_CxT[:, i : i + 800]

    chain = make_chain()
    scalings = dict.fromkeys(chain.members, SCALING)
    parts = chain_separation.separate_blocks(chain, chain.params, blocks(), mix_CxT.shape[1], scalings, SETTINGS)
    next(parts)
    assert len(read) <= 10  # a chunk of each network, of 20 blocks

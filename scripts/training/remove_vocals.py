"""Write a pool of what a network leaves of songs without their vocals: material for the second network of a chain.

    python scripts/training/remove_vocals.py POOL/train REST/train --network spleeter

A song of REST has the drums, bass and other of the song of POOL. In place of the vocals it holds what the network
leaves of them, the vocals minus their estimate, so that the sum of the stems is the second network's input. The same
command continues an interrupted run.

S sources, C channels, T samples.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from pool import open_pool

from ugosa_jax import device, files
from ugosa_jax.config import SOURCES, SeparateConfig
from ugosa_jax.data import standardisation
from ugosa_jax.errors import InputError, exit_status
from ugosa_jax.separation import bag_separation
from ugosa_jax.weights import hub
from ugosa_jax.weights.chain import Chain, Member

VOCALS = SOURCES.index("vocals")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path, help="pool of songs")
    parser.add_argument("rest", type=Path, help="pool to write")
    parser.add_argument("--network", default="spleeter", help="name or file of weights with vocals")
    parser.add_argument(
        "--separated", type=int, default=sys.maxsize, help="separate this many songs; all others lose their vocals"
    )
    args = parser.parse_args()
    device.cache_compiled_programs()
    network = hub.load_network(args.network)
    if isinstance(network, Chain) or "vocals" not in network.sources:
        raise InputError(f"--network {args.network}: must be a network or a bag that separates vocals")
    songs = open_pool(args.pool, len(SOURCES), network.channels)
    for place, number in enumerate(np.random.default_rng(0).permutation(len(songs))):
        path = args.rest / Path(str(songs[number].filename)).name
        if path.exists():
            continue
        stems_SxCxT = np.array(songs[number], np.float32)
        if place < args.separated:
            stems_SxCxT[VOCALS] -= estimate_vocals(network, stems_SxCxT.sum(0))
        else:
            stems_SxCxT[VOCALS] = 0
        with files.replace_when_done(path) as unfinished:
            np.save(unfinished, stems_SxCxT.astype(np.float16))
        print(f"{place:4d} {path.stem}", flush=True)


def estimate_vocals(network: Member, mix_CxT: np.ndarray) -> np.ndarray:
    """Return the vocals that a network finds in a mixture."""
    input_CxT, scaling = standardisation.standardise(mix_CxT, network.architecture.level)
    est_SxCxT = bag_separation.separate(network, network.params, input_CxT, SeparateConfig())
    # Without the mean, which is that of the whole mixture; a chain does not subtract it either.
    return standardisation.restore_level(est_SxCxT[network.sources.index("vocals")], scaling._replace(mean=0.0))


if __name__ == "__main__":
    raise SystemExit(exit_status(main))

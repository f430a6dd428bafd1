"""Adapt a network to a song and show what changed: python scripts/demo.py

The song is six seconds of synthetic stems, and the network a small one with untrained weights, converted from a Demucs
checkpoint; both are test data of this repository. So this shows that adaptation does what eq. (1) asks for. What comes
out is not music: for that, take trained weights (see the README).
"""

import json
import time
from pathlib import Path

import numpy as np
import soundfile

from ugosa_jax import activation, annotation, cli

DATA = Path(__file__).parents[1] / "tests" / "data"
OUT = Path("separated") / "demo"
RATE_HZ = 44100
SOURCES = ("drums", "bass", "other", "vocals")


def main() -> None:
    """Write song, annotation and weights as a user would have them, run the command twice, compare."""
    OUT.mkdir(parents=True, exist_ok=True)
    stems_SxTxC = np.load(DATA / "stems.npz")["stems"]
    soundfile.write(OUT / "song.wav", stems_SxTxC.sum(0), RATE_HZ, subtype="FLOAT")
    active_SxT = activation.active_from_stems(stems_SxTxC.swapaxes(1, 2), RATE_HZ)
    annotation.write(annotation.from_mask(active_SxT, RATE_HZ, SOURCES), OUT / "song.csv")
    run("weights", "convert", DATA / "checkpoint_v1_legacy.th", OUT / "network.safetensors")
    common = ("--annotation", OUT / "song.csv", "--weights", OUT / "network.safetensors")
    started = time.perf_counter()
    run("separate", OUT / "song.wav", *common, "--strategy", "B0", "--out", OUT / "before")
    run("separate", OUT / "song.wav", *common, "--learning-rate", "1e-3", "--segment-s", "2", "--out", OUT / "after")
    elapsed_s = time.perf_counter() - started
    show(active_SxT, elapsed_s)


def run(*arguments: object) -> None:
    """Run `ugosa-jax` with these arguments, showing the command."""
    words = [str(argument) for argument in arguments]
    print("\n$ ugosa-jax", *words)
    if code := cli.main(words):
        raise SystemExit(code)


def show(active_SxT: np.ndarray, elapsed_s: float) -> None:
    """Print how loud each stem is where its source is silent, before and after."""
    print(f"\n{'stem':10}{'annotated silent':>18}{'level there, before':>22}{'after P-L3:M':>15}")
    for source, active_T in zip(SOURCES, active_SxT, strict=True):
        before, after = (silent_level_db(OUT / run / f"{source}.wav", ~active_T) for run in ("before", "after"))
        print(f"{source:10}{(~active_T).sum() / RATE_HZ:16.1f} s{before:19.1f} dB{after:12.1f} dB")
    losses = json.loads((OUT / "after" / "record.json").read_text())["adaptation"]["losses"]
    print(f"\nloss of eq. (1): {losses[0]['total']:.4f} in the first epoch, {losses[-1]['total']:.4f} in the last")
    print(f"two runs in {elapsed_s:.0f} s; results in {OUT}")
    print("The network is an untrained one: these stems are not music yet.")


def silent_level_db(path: Path, silent_T: np.ndarray) -> float:
    """Return the level of a stem where its source is annotated silent, in dB of full scale."""
    samples_TxC, _ = soundfile.read(path)
    return 10 * np.log10(np.mean(samples_TxC[silent_T] ** 2) + 1e-12)


if __name__ == "__main__":
    main()

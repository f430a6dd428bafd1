"""The command `ugosa-jax evaluate`: the stems in one folder are compared with the true ones in another."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ugosa_jax import files
from ugosa_jax.config import ModelConfig
from ugosa_jax.data import datasets, sound
from ugosa_jax.data.datasets import Track
from ugosa_jax.errors import InputError
from ugosa_jax.evaluation import museval, scoring
from ugosa_jax.evaluation.scoring import ScoredSong

if TYPE_CHECKING:
    from ugosa_jax.cli.main import Evaluate

METRICS = ("SDR", "ISR", "SIR", "SAR", "PES", "EPS")


def run(args: "Evaluate") -> int:
    """Print the scores of a song's estimates; return 0.

    Raises:
      InputError: stems are missing, cannot be read, or do not fit each other.
    """
    if args.museval_json is not None and args.evaluate.outputs == "both":
        raise InputError("--museval-json: holds one set of scores; say --outputs plain or --outputs gated")
    if args.rule == "target" and args.evaluate.engine == "museval":
        raise InputError("--engine museval: scores only frames in which no source is silent; say --rule museval")
    sources = ModelConfig.sources
    song = scoring.load(Track(args.references.resolve().name, "folder", args.references), sources)
    found = datasets.stems(args.estimates, sources)
    estimates = {source: read_like(song, found[source]) for source in sources}
    for gated, est_SxCxT in scoring.outputs(song, estimates, args.evaluate):
        scores = scoring.bss_eval(song, est_SxCxT, args.evaluate)
        rows = scoring.rows(song, est_SxCxT, gated, scores, args.evaluate)
        print(f"muted where {song.labels.path} says silent" if gated else "as they are")
        print_table([row for row in rows if row["rule"] in (args.rule, "silent")])
        if args.museval_json is not None:  # there is one kind of outputs then
            text = museval.to_museval_json(scores, sources, args.evaluate, args.rule)
            with files.replaced_when_done(args.museval_json) as temporary:
                temporary.write_text(text, "utf-8")
            print(f"written    {args.museval_json}")
    return 0


def read_like(song: ScoredSong, path: Path) -> np.ndarray:
    """Return an estimate (C, T), cut or filled up with silence to the song's length as museval does.

    Raises:
      InputError: rate or channels are not the song's.
    """
    estimate = sound.read(path, may_be_silent=True)
    _, n_channels, n_samples = song.stems_SxCxT.shape
    found, expected = (estimate.rate_hz, estimate.n_channels), (song.mixture.rate_hz, n_channels)
    if found != expected:
        raise InputError(
            f"{path}: {found[0]} Hz and {found[1]} channels; the true stems have {expected[0]} and {expected[1]}"
        )
    missing = n_samples - estimate.n_samples
    return np.pad(estimate.samples_CxT[:, :n_samples], ((0, 0), (0, max(0, missing))))


def print_table(rows: list[dict]) -> None:
    """Print a row for each source: medians in dB, and in brackets the frames that they stand on."""
    print(f"  {'dB (frames)':12}" + "".join(f"{metric:>15}" for metric in METRICS))
    for source in dict.fromkeys(row["source"] for row in rows):
        cells = {row["metric"]: row for row in rows if row["source"] == source}
        shown = (cells[metric] for metric in METRICS)
        texts = ("–" if row["value_db"] is None else f"{row['value_db']:.2f} ({row['n_frames']})" for row in shown)
        print(f"  {source:12}" + "".join(f"{text:>15}" for text in texts))

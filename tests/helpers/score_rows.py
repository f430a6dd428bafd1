"""Small tables of scores for tests."""

import itertools

import pandas as pd

SCORE = {
    "sweep": "table1",
    "song": "one",
    "strategy": "P-L3:M",
    "lam": 1.0,
    "learning_rate": 1e-5,
    "epochs": 10,
    "segment_s": 4.0,
    "hop_s": float("nan"),
    "pitch_shifts": 0,
    "pitch_seed": 0,
    "shuffle_seed": 0,
    "n_tuned": 2_919_444,
    "refine": "none",
    "gated": True,
    "rule": "target",
    "source": "drums",
    "metric": "SDR",
    "value_db": 5.0,
    "n_frames": 20,
}


def score(**changes) -> dict:
    """Return one score that differs from SCORE in `changes`."""
    assert set(changes) <= set(SCORE)
    return SCORE | changes


def scores(**values) -> pd.DataFrame:
    """Return a score for every combination of lists; of equal length are value_db and the songs, which go together."""
    songs, value_db = values.pop("song", ["one"]), values.pop("value_db", None)
    rows = []
    for combination in itertools.product(*values.values()):
        for index, song in enumerate(songs):
            value = {} if value_db is None else {"value_db": value_db[index]}
            rows.append(score(song=song, **dict(zip(values, combination, strict=True)), **value))
    return pd.DataFrame(rows)


def sweep(songs=("a", "b", "c", "d", "e", "f", "g"), sources=("drums", "bass"), **changes) -> pd.DataFrame:
    """Return a sweep of P-L1:D, P-L3:M, B-L3:M and B0 in which P is 1 dB, and a song's number / 10, above B0."""
    gains = {"P-L1:D": 1.0, "P-L3:M": 1.0, "B-L3:M": 0.4, "B0": 0.0}
    rows = []
    for (i, song), strategy, source in itertools.product(enumerate(songs), gains, sources):
        gain = gains[strategy] + (i / 10 if strategy.startswith("P") else 0)
        common = {"song": song, "strategy": strategy, "source": source, "n_tuned": 0 if strategy == "B0" else 1000}
        for metric, rule in itertools.product(("SDR", "SIR", "SAR", "ISR"), ("target", "museval")):
            value = 3 + i + gain + (rule == "museval")
            n_frames = 20 if rule == "target" else 3
            rows.append(score(**common, metric=metric, rule=rule, value_db=value, n_frames=n_frames) | changes)
        for metric in ("PES", "EPS"):
            rows.append(score(**common, metric=metric, rule="silent", value_db=-40 - gain, n_frames=5) | changes)
    return pd.DataFrame(rows)

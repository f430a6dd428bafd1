"""Blind comparisons: two runs are presented as a and b, and their identity is revealed after the vote.

A trial compares one source of two runs, which are randomly assigned to a and b. Votes are appended to a file as lines
of JSON, so that none is lost when the server is killed.
"""

import datetime
import json
import math
import secrets
from pathlib import Path
from typing import Any, Literal

import msgspec

from ugosa_jax import files
from ugosa_jax.errors import InputError
from ugosa_jax.studio.runs import Runs

Choice = Literal["a", "b", "same"]
MAX_OPEN = 100
"""Largest number of trials without a vote."""


class Trial(msgspec.Struct):
    """One comparison; `runs` maps a and b to runs."""

    id: str
    source: str
    runs: dict[str, str]


class Trials:
    """The blind comparisons of one song. Trials without a vote are lost when the server stops."""

    def __init__(self, song_folder: Path):
        """Open the trials in a song's folder."""
        self.runs, self.path = Runs(song_folder), song_folder / "votes.jsonl"
        self.open: dict[str, Trial] = {}

    def begin(self, source: str, first: str, second: str) -> dict[str, Any]:
        """Start a trial; return its ID, and the gains that make both sounds equally loud.

        Raises:
          KeyError: there is no such run, or it has no such source.
          InputError: both runs are the same.
        """
        if first == second:
            raise InputError("blind: choose two different runs to compare")
        pair = [first, second]
        levels = [self.runs.load_run(id).levels[source].loud for id in pair]
        if secrets.randbits(1):
            pair, levels = pair[::-1], levels[::-1]
        trial = Trial(secrets.token_hex(8), source, dict(zip("ab", pair, strict=True)))
        while len(self.open) >= MAX_OPEN:
            del self.open[next(iter(self.open))]
        self.open[trial.id] = trial
        quieter = min(levels)
        gains = {name: 10 ** ((quieter - level) / 20) for name, level in zip("ab", levels, strict=True)}
        return {"id": trial.id, "source": source, "gains": gains}

    def find_file(self, id: str, name: str) -> Path:
        """Return the file behind a or b.

        Raises:
          KeyError: there is no such trial.
        """
        trial = self.open[id]
        return self.runs.find_file(trial.runs[name], trial.source, "wav")

    def vote(self, id: str, choice: Choice) -> dict[str, Any]:
        """Record a vote; return it with the runs behind a and b.

        Raises:
          KeyError: there is no such trial, or it already has a vote.
        """
        trial = self.open.pop(id)
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        vote = {"id": trial.id, "source": trial.source, **trial.runs, "choice": choice, "time": when}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(vote) + "\n")
        return vote

    def take_back(self, id: str) -> None:
        """Delete a vote.

        Raises:
          KeyError: there is no such vote.
        """
        votes = self.load_votes()
        kept = [vote for vote in votes if vote.get("id") != id]
        if len(kept) == len(votes):
            raise KeyError(id)
        with files.replace_when_done(self.path) as temporary:
            temporary.write_text("".join(json.dumps(vote) + "\n" for vote in kept), "utf-8")

    def load_votes(self) -> list[dict[str, Any]]:
        """Return all votes; an incomplete last line is ignored."""
        if not self.path.is_file():
            return []
        found = []
        for line in self.path.read_text("utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found


def count_votes(votes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the votes for each source and pair of runs; p is that of a two-sided sign test that ignores "same"."""
    counts: dict[tuple[str, str, str], list[int]] = {}
    for vote in votes:
        first, second = sorted((vote["a"], vote["b"]))
        won = vote.get(vote["choice"])
        place = 2 if won is None else [first, second].index(won)
        counts.setdefault((vote["source"], first, second), [0, 0, 0])[place] += 1
    return [
        {"source": source, "runs": [first, second], "won": n[:2], "same": n[2], "p": compute_sign_test(n[0], n[1])}
        for (source, first, second), n in counts.items()
    ]


def compute_sign_test(first: int, second: int) -> float:
    """Return the p-value of a two-sided sign test: the probability, by chance, of a split at least as uneven."""
    n, most = first + second, max(first, second)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(most, n + 1)) / 2**n)

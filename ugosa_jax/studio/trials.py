"""Blind comparisons: which of two runs is which stays on the server until a vote is given.

A trial is one source in two runs, called a and b by chance. The votes of a song are lines of JSON, so that none is
lost when the server is killed.
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
"""Trials without a vote that are remembered."""


class Trial(msgspec.Struct):
    """One comparison; `runs` are those behind a and b."""

    id: str
    source: str
    runs: dict[str, str]


class Trials:
    """The blind comparisons of one song. Those without a vote are forgotten when the server ends."""

    def __init__(self, song_folder: Path):
        """Look into a song's folder."""
        self.runs, self.path = Runs(song_folder), song_folder / "votes.jsonl"
        self.open: dict[str, Trial] = {}

    def begin(self, source: str, first: str, second: str) -> dict[str, Any]:
        """Return a new trial as the page may know it: its name, and the gains that make both equally loud.

        Raises:
          KeyError: a run, or the source in it, is not there.
          InputError: the runs are the same.
        """
        if first == second:
            raise InputError("blind: choose two different runs to compare")
        pair = [first, second]
        levels = [self.runs.run(id).levels[source].loud for id in pair]
        if secrets.randbits(1):
            pair, levels = pair[::-1], levels[::-1]
        trial = Trial(secrets.token_hex(8), source, dict(zip("ab", pair, strict=True)))
        while len(self.open) >= MAX_OPEN:
            del self.open[next(iter(self.open))]
        self.open[trial.id] = trial
        quieter = min(levels)
        gains = {name: 10 ** ((quieter - level) / 20) for name, level in zip("ab", levels, strict=True)}
        return {"id": trial.id, "source": source, "gains": gains}

    def file(self, id: str, name: str) -> Path:
        """Return the sound behind a or b.

        Raises:
          KeyError: there is no such trial.
        """
        trial = self.open[id]
        return self.runs.file(trial.runs[name], trial.source, "wav")

    def vote(self, id: str, choice: Choice) -> dict[str, Any]:
        """Record a vote and return it, with what a and b were.

        Raises:
          KeyError: there is no such trial, or it has its vote.
        """
        trial = self.open.pop(id)
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        vote = {"id": trial.id, "source": trial.source, **trial.runs, "choice": choice, "time": when}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(vote) + "\n")
        return vote

    def take_back(self, id: str) -> None:
        """Forget a vote.

        Raises:
          KeyError: there is none.
        """
        votes = self.votes()
        kept = [vote for vote in votes if vote.get("id") != id]
        if len(kept) == len(votes):
            raise KeyError(id)
        with files.replaced_when_done(self.path) as temporary:
            temporary.write_text("".join(json.dumps(vote) + "\n" for vote in kept), "utf-8")

    def votes(self) -> list[dict[str, Any]]:
        """Return all votes; a last line that was cut short is left out."""
        if not self.path.is_file():
            return []
        found = []
        for line in self.path.read_text("utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found


def tally(votes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count votes for every source and pair of runs; p is of the two-sided sign test, without votes for "same"."""
    counts: dict[tuple[str, str, str], list[int]] = {}
    for vote in votes:
        first, second = sorted((vote["a"], vote["b"]))
        won = vote.get(vote["choice"])
        place = 2 if won is None else [first, second].index(won)
        counts.setdefault((vote["source"], first, second), [0, 0, 0])[place] += 1
    return [
        {"source": source, "runs": [first, second], "won": n[:2], "same": n[2], "p": sign_test(n[0], n[1])}
        for (source, first, second), n in counts.items()
    ]


def sign_test(first: int, second: int) -> float:
    """Return the probability that chance alone divides votes at least as unevenly."""
    n, most = first + second, max(first, second)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(most, n + 1)) / 2**n)

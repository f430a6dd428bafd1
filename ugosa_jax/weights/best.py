"""Which weights are taken if nobody names any: the best that are there."""

from typing import NamedTuple

from ugosa_jax.weights import hub

BEST_FIRST = ("htdemucs_ft", "htdemucs", "tasnet", "spleeter_4stems", "spleeter+mini", "mini")
"""Networks and chains for drums, bass, other and vocals. All but the last need a download."""


class Choice(NamedTuple):
    """Weights, and how to get better ones.

    Attributes:
      name: for `hub.load`.
      better: the name of the next better ones to download; None if there are none.
    """

    name: str
    better: str | None

    def __str__(self) -> str:
        """Say it in one line."""
        if self.better is None:
            return f"{self.name}, the best there is (--weights names another)"
        return f"{self.name}, the best of what is here; better: ugosa-jax weights download {self.better}"


def best_available() -> Choice:
    """Return the best weights that need no download."""
    here = (i for i, name in enumerate(BEST_FIRST) if all(hub.is_here(part) for part in name.split("+")))
    place = next(here, len(BEST_FIRST) - 1)  # nothing is here in a damaged installation; loading says so
    better = next(
        (part for name in BEST_FIRST[:place][::-1] for part in name.split("+") if not hub.is_here(part)), None
    )
    return Choice(BEST_FIRST[place], better)


def list_chains() -> list[str]:
    """Return the chains among the best weights whose networks are all here."""
    return [name for name in BEST_FIRST if "+" in name and all(hub.is_here(part) for part in name.split("+"))]

"""What names in imported files stand for, as it was said on the page: remembered for the next file.

It is kept as names.toml in the work folder, a file that `--names` of the command line reads.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ugosa_jax import files
from ugosa_jax.annotations.unknown_names import check_override, read_overrides
from ugosa_jax.annotations.vocabulary import fold
from ugosa_jax.config import require
from ugosa_jax.errors import InputError

MAX_NAMES = 1000
MAX_LETTERS = 500


class KnownNames:
    """The names of one work folder."""

    def __init__(self, root: Path):
        """Look into a work folder."""
        self.path = root / "names.toml"

    def find(self, sources: Sequence[str]) -> dict[str, str]:
        """Return the names that stand for something in a network of these sources.

        Raises:
          InputError: the file is damaged.
        """
        known = read_overrides(self.path) if self.path.is_file() else {}
        return {name: target for name, target in known.items() if _fits(target, sources)}

    def keep(self, told: Mapping[str, str]) -> None:
        """Remember names; what was said of them before is forgotten.

        Raises:
          InputError: they are too many or too long, or the file is damaged or cannot be written.
        """
        if not told:
            return
        before = read_overrides(self.path) if self.path.is_file() else {}
        kept = {fold(name): (name, target) for name, target in [*before.items(), *told.items()]}
        require(len(kept) <= MAX_NAMES, "names", f"at most {MAX_NAMES}", len(kept))
        longest = max(len(text) for pair in kept.values() for text in pair)
        require(longest <= MAX_LETTERS, "names", f"at most {MAX_LETTERS} letters long", longest)
        lines = [f"{_quoted(name)} = {_quoted(target)}\n" for name, target in kept.values()]
        with files.replaced_when_done(self.path) as temporary:
            temporary.write_text("".join(lines), "utf-8")


def _fits(target: str, sources: Sequence[str]) -> bool:
    try:
        check_override(target, sources)
    except InputError:
        return False
    return True


def _quoted(text: str) -> str:
    """Return a text as TOML writes it: as JSON does, but for one sign."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

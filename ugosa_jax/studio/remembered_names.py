"""Meanings of names in imported files, which the user has given on the page, stored for the next file.

They are stored in names.toml in the work folder, a file that the option `--names` of the command line reads too.
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


class RememberedNames:
    """The remembered names of a work folder."""

    def __init__(self, root: Path):
        """Open the names of a work folder."""
        self.path = root / "names.toml"

    def find(self, sources: Sequence[str]) -> dict[str, str]:
        """Return the names that mean one of these sources.

        Raises:
          InputError: the file is damaged.
        """
        known = read_overrides(self.path) if self.path.is_file() else {}
        return {name: target for name, target in known.items() if _fits(target, sources)}

    def remember(self, names: Mapping[str, str]) -> None:
        """Save names; a new meaning replaces an old one.

        Raises:
          InputError: too many or too long names, or the file is damaged or cannot be written.
        """
        if not names:
            return
        before = read_overrides(self.path) if self.path.is_file() else {}
        kept = {fold(name): (name, target) for name, target in [*before.items(), *names.items()]}
        require(len(kept) <= MAX_NAMES, "names", f"at most {MAX_NAMES}", len(kept))
        longest = max(len(text) for pair in kept.values() for text in pair)
        require(longest <= MAX_LETTERS, "names", f"at most {MAX_LETTERS} letters long", longest)
        lines = [f"{_quote(name)} = {_quote(target)}\n" for name, target in kept.values()]
        with files.replace_when_done(self.path) as temporary:
            temporary.write_text("".join(lines), "utf-8")


def _fits(target: str, sources: Sequence[str]) -> bool:
    try:
        check_override(target, sources)
    except InputError:
        return False
    return True


def _quote(text: str) -> str:
    """Return a string in TOML syntax, which is that of JSON except for the character DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

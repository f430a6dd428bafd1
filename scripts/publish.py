"""What a benchmark found, shown as it comes and kept in a file."""

from collections.abc import Iterable
from pathlib import Path

from ugosa_jax import files


def publish(lines: Iterable[str], out: Path | None) -> None:
    """Print lines as they come; when all are there, write them to `out` too, if there is one."""
    shown = []
    for line in lines:
        print(line, flush=True)
        shown.append(line)
    if out:
        with files.replaced_when_done(out) as temporary:
            temporary.write_text("\n".join(shown) + "\n", "utf-8")

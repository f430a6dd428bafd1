"""Printing of lines with escaped control characters."""

import sys

from tqdm import tqdm

from ugosa_jax.errors import to_one_line


def print_line(line: str) -> None:
    """Print one line; line breaks and other control characters are escaped."""
    print(to_one_line(line))


def cache_compiled_programs() -> None:
    """Cache compiled programs on disk for later runs; print a warning if that is impossible."""
    from ugosa_jax import device  # imports JAX, which other commands do not need

    if warning := device.cache_compiled_programs():
        print_line(f"warning: {warning}")


def print_above_bars(line: str) -> None:
    """Print one line to standard error, above the progress bars."""
    with tqdm.external_write_mode(sys.stderr):
        print(to_one_line(line), file=sys.stderr, flush=True)

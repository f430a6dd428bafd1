"""What commands print: lines that stay lines, whatever the names in them hold."""

import sys

from tqdm import tqdm

from ugosa_jax.errors import one_line


def say(line: str) -> None:
    """Print one line; line breaks and other control characters in names are shown escaped."""
    print(one_line(line))


def keep_compiled_programs() -> None:
    """Keep compiled programs for the next run, and say so if that cannot be."""
    from ugosa_jax import device  # imports JAX, which commands that compile nothing do without

    if warning := device.keep_compiled_programs():
        say(f"warning: {warning}")


def say_above_bars(line: str) -> None:
    """Print one line to standard error, at once and above the progress bars that stand there."""
    with tqdm.external_write_mode(sys.stderr):
        print(one_line(line), file=sys.stderr, flush=True)

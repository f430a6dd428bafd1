"""Published weights for tests, downloaded as users do, and kept beside the checkout's packages.

`python -m tests.helpers.published` downloads them beforehand; tests skip where they cannot be had.
"""

import functools
import sys
from pathlib import Path

import pytest

from ugosa_jax.errors import InputError
from ugosa_jax.weights import checkpoint, download
from ugosa_jax.weights.checkpoint import Checkpoint

CACHE = Path(__file__).parents[2] / ".venv" / "weights"


@functools.cache
def spleeter() -> Checkpoint:
    """Return the network for two stems."""
    try:
        return checkpoint.load(download.download_weights("spleeter", cache=CACHE, progress=False))
    except InputError as error:
        pytest.skip(f"published weights are not tried: {error}")


if __name__ == "__main__":
    try:
        download.download_weights("spleeter", cache=CACHE)
    except InputError as error:
        sys.exit(f"tests of published weights are skipped: {error}")

"""The song that comes with the package."""

from pathlib import Path

from ugosa_jax.data import loading
from ugosa_jax.data.datasets import Track
from ugosa_jax.data.song import Song

FOLDER = Path(__file__).parent / "demo_song"


def load(sources: tuple[str, ...]) -> Song:
    """Return the demo song: its stems, their sum as the mixture, and its annotation."""
    return loading.load_annotated(Track("demo song", "folder", FOLDER), sources)

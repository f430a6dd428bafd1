"""Options of the commands that work on one song: `separate`, `studio` and `demo`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from ugosa_jax.cli.options.annotate import Reading
from ugosa_jax.config import AdaptConfig, SeparateConfig


@dataclasses.dataclass(frozen=True)
class Separate:
    """Adapt a network to one song, guided by its annotation, and write the stems."""

    song: Annotated[Positional[Path], arg(metavar="SONG")]
    """The mixture: WAV, FLAC, MP3, m4a, Ogg, video … (docs/sound.md)."""
    adapt: OmitArgPrefixes[AdaptConfig]
    separate: OmitArgPrefixes[SeparateConfig]
    reading: OmitArgPrefixes[Reading] = dataclasses.field(default_factory=Reading)
    annotation: Path | None = None
    """When each source plays, in any format of docs/annotations.md. Not needed by B strategies."""
    weights: str | None = None
    """Name (see `ugosa-jax weights list`) or file of the network to start from; several with + between them are a
    chain, such as spleeter+mini. The best that is here if not given."""
    download: bool = False
    """Fetch these weights first, if they are published ones that are not here yet; their licence is shown."""
    delta: Path | None = None
    """Tuned layers that an earlier run wrote: the song is separated with them; nothing is adapted."""
    preset: Literal["recommended", "paper", "reference", "masks"] = "paper"
    """Where the settings below start from: what gains most with the bundled network (which starts from it if nothing
    is said), the paper's text, or the defaults of its code."""
    out: Path | None = None
    """Folder for the results; separated/SONG if not given."""
    truncated: Literal["refuse", "ok"] = "refuse"
    """What to do with a song whose file was cut short: refuse it, or take what is there."""
    encoding: Literal["float", "24", "16"] = "float"
    """Samples of the stems: 32-bit float, or integers that clip at full scale."""
    references: Path | None = None
    """Folder with the true stems, if you have them: the report then scores the stems before and after adaptation."""


@dataclasses.dataclass(frozen=True)
class Demo:
    """Adapt the bundled network to the bundled song and compare after with before."""

    out: Path = Path("separated/demo")
    """Folder for the stems, the figure and the report."""


@dataclasses.dataclass(frozen=True)
class Studio:
    """Open a page on which songs are annotated, adapted and compared by ear."""

    song: Annotated[Positional[Path | None], arg(metavar="[SONG]")] = None
    """A song to open at once; others can be dropped on the page."""
    demo: bool = False
    """Open the bundled song."""
    work: Path | None = None
    """Folder that everything is kept in; the user's data folder if not given."""
    host: str = "127.0.0.1"
    """Address to listen on. With any other one, whoever knows the page's address can use it from elsewhere."""
    port: int | None = None
    """Port to listen on; 8630, or a free one if that is taken, if not given."""
    browser: bool = True
    """Open the page in the browser."""

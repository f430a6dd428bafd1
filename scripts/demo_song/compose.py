"""Rebuild the demo song: compose, play, sing, mix, write its stems and annotation.

    python scripts/demo_song/compose.py

README.md in this folder lists what it needs. All random numbers are seeded: the same versions on the same kind of
processor give the same sound, but not the same bytes, because Ogg files have a random serial number.
"""

import argparse
import importlib.util
import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "material"))  # the song is played with its modules
import needs
from fetch import Package, get_unpacked_path, provide
from isolated import Failed, run_isolated
from problems import Problem, exit_status

SHIPPED = Path(__file__).parents[2] / "ugosa_jax" / "data" / "demo_song"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FLUID = Package("fluid-soundfont-gm", "MIT", "instruments (demo song)")
SOUNDFONT = "usr/share/sounds/sf2/FluidR3_GM.sf2"
LIMIT_S = 900  # printed first, because it takes half a minute


def main() -> int:
    """Compose and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder for the stems and the annotation")
    out = parser.parse_args().out
    needs.check(REQUIREMENTS, programs=())
    if importlib.util.find_spec("ugosa_jax") is None:
        raise Problem("ugosa_jax is not installed (pip install -e . in the repository)")
    provide(FLUID)
    print(write(out))
    return 0


def write(out: Path) -> str:
    """Write all files of the song into a folder, or none after an error; return a line about the song.

    Raises:
        Problem: it cannot be made or written.
    """
    from ugosa_jax.errors import InputError
    from ugosa_jax.files import replace_folder_when_done

    from stems import write_song  # imported here: it needs the packages that main() checks

    try:
        with replace_folder_when_done(out) as folder:
            line = run_isolated(partial(write_song, folder, get_unpacked_path(SOUNDFONT)), LIMIT_S)
    except (Failed, InputError) as error:
        raise Problem(f"the song was not made: {error}") from None
    return f"{line} in {out}"


if __name__ == "__main__":
    raise SystemExit(exit_status(main))

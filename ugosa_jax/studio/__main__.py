"""`python -m ugosa_jax.studio`."""

import argparse
import sys
from pathlib import Path

from ugosa_jax.errors import exit_status
from ugosa_jax.studio import server


def main() -> int:
    """Open the studio as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m ugosa_jax.studio", description=__doc__)
    parser.add_argument("song", nargs="?", type=Path)
    parser.add_argument("--demo", action="store_true", help="open the bundled song")
    parser.add_argument("--work", type=Path, default=server.default_folder())
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--browser", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    return server.run(args.song, args.work, args.host, args.port, args.demo, args.browser)


if __name__ == "__main__":
    sys.exit(exit_status(main))

"""Compare the rendered test songs with the record in the repository: same recipes, same audio?

python scripts/material/verify.py            # exit status 1 if a song is missing or was drawn otherwise
python scripts/material/verify.py --record   # after a deliberate change: write the record anew
"""

import argparse
import json
from pathlib import Path

from build import POOL, sha256

RECORD = Path(__file__).with_name("minimus_test.json")
MEASURED = ("sha256", "dbfs")  # what rendering adds to a recipe
TOLERANCE_DB = 0.2


def compare(recorded: dict, found: dict | None) -> str:
    """Return "same", "close" (other processor or library, same levels), "different" or "missing"."""
    if found is None:
        return "missing"
    if any(found.get(key) != value for key, value in recorded.items() if key not in MEASURED):
        return "different"
    if found["sha256"] == recorded["sha256"]:
        return "same"
    levels_db = [(recorded["dbfs"][s], found["dbfs"][s]) for s in recorded["dbfs"] if s != "peak"]
    return "close" if all(abs(a - b) <= TOLERANCE_DB for a, b in levels_db) else "different"


def main() -> int:
    """Compare or record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=POOL / "test")
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    try:
        manifest = json.loads((args.folder / "manifest.json").read_text())
    except FileNotFoundError:
        parser.error(f"no manifest in {args.folder}: run build.py --split test first")
    songs = {song["name"]: song for song in manifest["songs"]}
    if args.record:
        RECORD.write_text(json.dumps(manifest, indent=1) + "\n")
        return 0
    worst = 0
    for recorded in json.loads(RECORD.read_text())["songs"]:
        found, path = songs.get(recorded["name"]), args.folder / f"{recorded['name']}.npy"
        if found and not path.exists():
            found = None
        elif found:
            found = found | {"sha256": sha256(path)}  # of the file as it is now
        verdict = compare(recorded, found)
        print(f"{verdict:10s} {recorded['name']}")
        worst = max(worst, verdict not in ("same", "close"))
    return worst


if __name__ == "__main__":
    raise SystemExit(main())

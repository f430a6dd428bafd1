"""Compare the recipes and sound of the rendered test songs with the record in the repository, minimus_test.json.

python scripts/material/verify.py            # exit status 1 if a song is missing, damaged or different
python scripts/material/verify.py --record   # after a deliberate change: write a new record
"""

import argparse
import json
from pathlib import Path

from manifest import NAME, POOL, compute_sha256, read_manifest, write_whole
from problems import Problem, exit_status

RECORD = Path(__file__).with_name("minimus_test.json")
MEASURED = ("sha256", "dbfs")  # fields that are added to a recipe by rendering
TOLERANCE_DB = 0.2


def compare(recorded: dict, found: dict | None, sha256_now: str | None) -> str:
    """Return "same", "close" (other processor or library, same levels), "different", "damaged" or "missing".

    Args:
        recorded: a song's entry in the record.
        found: its entry in the manifest; None without one.
        sha256_now: SHA-256 of the file; None if there is no file.
    """
    if found is None or sha256_now is None:
        return "missing"
    if found["sha256"] != sha256_now:
        return "damaged"  # the levels in the manifest belong to another file
    if any(found.get(key) != value for key, value in recorded.items() if key not in MEASURED):
        return "different"
    if found["sha256"] == recorded["sha256"]:
        return "same"
    levels_db = [(recorded["dbfs"][s], found["dbfs"][s]) for s in recorded["dbfs"] if s != "peak"]
    return "close" if all(abs(a - b) <= TOLERANCE_DB for a, b in levels_db) else "different"


def main() -> int:
    """Compare the pool with the record, or write a new record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=POOL / "test")
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    if not (args.folder / NAME).exists():
        raise Problem(f"{args.folder}: no {NAME}; run build.py --split test first")
    manifest = read_manifest(args.folder / NAME)
    songs = {song["name"]: song for song in manifest["songs"]}
    if args.record:
        write_whole(RECORD, manifest)
        return 0
    worst = 0
    for recorded in json.loads(RECORD.read_text())["songs"]:
        path = args.folder / f"{recorded['name']}.npy"
        verdict = compare(recorded, songs.get(recorded["name"]), compute_sha256(path) if path.exists() else None)
        print(f"{verdict:10s} {recorded['name']}")
        worst = max(worst, verdict not in ("same", "close"))
    return worst


if __name__ == "__main__":
    raise SystemExit(exit_status(main))

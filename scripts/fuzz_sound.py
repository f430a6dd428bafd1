"""Damage the headers of sound files, read the files, and count the outcomes.

    python scripts/fuzz_sound.py --files 1000 --seed 0

Each file is read in a process with limited memory and time. Two outcomes are correct: sound that is as long as FFmpeg
decodes it, or an InputError of one line. All others are counted and printed: tracebacks, processes that died or took
too long, and losses, which is sound shorter than FFmpeg decodes it.
"""

import argparse
import collections
import json
import multiprocessing
import resource
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # for tests.helpers, which makes the files

from tests.helpers import sound_files
from ugosa_jax.data import sound
from ugosa_jax.errors import InputError

KINDS = ("wav", "rf64", "w64", "aiff", "caf", "flac", "ogg", "opus", "mp3", "m4a", "mkv", "avi")
HEADER_BYTES = 512
LIMIT_S, LIMIT_BYTES = 60, 3 * 2**30
LOSS_SAMPLES = 4_800 + 4_096
"""Tolerance for the length: 0.1 s for headers, plus the padding of an encoder's last frame."""


def compute_crc(byte: int) -> int:
    """Return the contribution of a byte to the checksum of an Ogg page."""
    value = byte << 24
    for _ in range(8):
        value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


CRC = [compute_crc(byte) for byte in range(256)]


def main() -> None:
    """Print one row for each container: how many files were read, refused, or failed otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000, help="damaged files of each container")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files with wrong outcomes")
    args = parser.parse_args()
    print("container   read  refused  traceback  died  slow  loss")
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            counts = fuzz(Path(folder), kind, args.files, args.seed, args.keep)
            names = ("read", "refused", "traceback", "died", "slow", "loss")
            print(f"{kind:10}" + "".join(f"{counts[name]:{len(name) + 2}}" for name in names), flush=True)


def fuzz(folder: Path, kind: str, n_files: int, seed: int, keep: Path | None) -> collections.Counter[str]:
    """Read a number of damaged files of one container."""
    counts: collections.Counter[str] = collections.Counter()
    noise_CxT = 0.1 * np.random.default_rng(0).normal(size=(2, 24_000)).clip(-3, 3)
    content = sound_files.write(folder, kind, noise_CxT).read_bytes()
    i = 0
    while i < n_files:
        ours, theirs = multiprocessing.Pipe()
        worker = multiprocessing.Process(target=work, args=(theirs, folder, kind, content, range(i, n_files), seed))
        worker.start()
        theirs.close()
        while i < n_files:
            outcome, message = receive(ours)
            counts[outcome] += 1
            if outcome not in ("read", "refused"):
                print(f"{kind} {i}: {outcome}: {message}", file=sys.stderr, flush=True)
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{outcome}-{kind}-{i}.{kind}").write_bytes(damage(content, seed, i))
            i += 1
            if outcome in ("died", "slow"):
                break
        worker.kill()
        worker.join()
    return counts


def receive(ours: Connection) -> tuple[str, str]:
    """Return the outcome for the next file."""
    try:
        return tuple(json.loads(ours.recv_bytes())) if ours.poll(LIMIT_S) else ("slow", "")
    except EOFError:
        return "died", ""


def work(theirs: Connection, folder: Path, kind: str, content: bytes, indices: range, seed: int) -> None:
    """Read damaged files, and send the outcome of each."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    path = folder / f"damaged.{sound_files.SUFFIX.get(kind, kind)}"
    for i in indices:
        path.write_bytes(damage(content, seed, i))
        theirs.send_bytes(json.dumps(judge(path)).encode())


def damage(content: bytes, seed: int, i: int) -> bytes:
    """Change one to four places in the headers at both ends (bytes or four-byte lengths), or truncate the file."""
    random = np.random.default_rng((seed, i))
    damaged = bytearray(content)
    ends = (0, HEADER_BYTES), (len(content) - HEADER_BYTES, len(content) - 4)
    for _ in range(random.integers(1, 5)):
        at = random.integers(*ends[int(random.random() < 0.3)])
        n = int(random.choice([1, 1, 4]))
        damaged[at : at + n] = random.choice([b"\0" * n, b"\xff" * n, random.bytes(n)])
    if random.random() < 0.2:
        del damaged[random.integers(len(damaged)) :]
    if content[:4] == b"OggS":
        restore_checksums(damaged)
    return bytes(damaged)


def restore_checksums(ogg: bytearray) -> None:
    """Correct the checksum of each page; FFmpeg would silently drop the page otherwise."""
    at = 0
    while (at := ogg.find(b"OggS", at)) >= 0 and at + 27 <= len(ogg):
        end = at + 27 + ogg[at + 26] + sum(ogg[at + 27 : at + 27 + ogg[at + 26]])
        ogg[at + 22 : at + 26] = bytes(4)
        checksum = 0
        for byte in ogg[at:end]:
            checksum = (checksum << 8 & 0xFFFFFFFF) ^ CRC[checksum >> 24 ^ byte]
        ogg[at + 22 : at + 26] = checksum.to_bytes(4, "little")
        at += 4


def judge(path: Path) -> tuple[str, str]:
    """Return the outcome for a file, and its message."""
    try:
        n_samples = sound.read(path, may_be_silent=True).n_samples
    except InputError as error:
        is_one_line = str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return ("refused", "") if is_one_line else ("traceback", f"not one line that names the file: {error}")
    except BaseException as error:
        return "traceback", repr(error)
    try:
        expected = sound_files.ffmpeg_length(path)
    except Exception:  # FFmpeg judges by the suffix too, and may find nothing
        return "read", ""
    lost = expected - n_samples
    return ("loss", f"{n_samples} of {expected} samples") if lost > LOSS_SAMPLES else ("read", "")


if __name__ == "__main__":
    main()

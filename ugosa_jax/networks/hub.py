"""Weights by name: those that come with the package, those in the cache, and published ones to download."""

import contextlib
import dataclasses
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pooch

from ugosa_jax import files
from ugosa_jax.errors import InputError, require
from ugosa_jax.networks import checkpoint, convtasnet_torch
from ugosa_jax.networks.checkpoint import Checkpoint

TIMEOUT_S = 30.0

LICENCE = (
    "none stated for the weights themselves; the Demucs repository was CC BY-NC 4.0 when they were published "
    "in 2019 and is MIT today"
)


@dataclasses.dataclass(frozen=True)
class Known:
    """Published weights: where they are, and what they must be."""

    url: str
    sha256: str
    description: str
    licence: str = LICENCE


KNOWN = {
    "tasnet": Known(
        "https://dl.fbaipublicfiles.com/demucs/tasnet.th",
        "d037cdbad294f1a7152af8742d8419c305e244810381a795ffcd22b8593360d8",
        "Conv-TasNet of Demucs v1, trained on MUSDB18",
    ),
    "tasnet_extra": Known(
        "https://dl.fbaipublicfiles.com/demucs/tasnet_extra.th",
        "4a91ade51439ac41bb1914753c3aebd839eed17981379e6142478bcfa3a5461f",
        "Conv-TasNet of Demucs v1, trained on MUSDB18 and further songs",
    ),
}


@dataclasses.dataclass(frozen=True)
class Listed:
    """Weights that have a name, and where they are."""

    name: str
    where: Literal["bundled", "cached", "downloadable"]
    path: Path | None
    size_bytes: int | None


def load(name_or_path: str | Path) -> Checkpoint:
    """Read weights: a native file, a Demucs checkpoint, or a name that is bundled or in the cache.

    Args:
      name_or_path: a name such as ``tasnet``, or a file; its content decides how it is read.

    Raises:
      InputError: no such file or name, or the file is damaged, foreign or does not fit its own architecture.
    """
    path = find(name_or_path)
    return checkpoint.load(path) if _is_safetensors(path) else convtasnet_torch.convert(path)


def bundled_folder() -> Path:
    """Return the folder of weights that come with the package, which may be empty or absent."""
    package = Path(__file__).parent.parent
    in_wheel = package / "bundled"
    return in_wheel if in_wheel.is_dir() else package.parent / "weights"


def cache_folder() -> Path:
    """Return the folder of downloaded weights."""
    return files.cache_folder() / "weights"


def find(name_or_path: str | Path) -> Path:
    """Return the file of weights that are bundled, in the cache, or given by path.

    Raises:
      InputError: there are none.
    """
    name, path = str(name_or_path), Path(name_or_path)
    named = [folder / f"{name}.safetensors" for folder in (bundled_folder(), cache_folder())]
    for place in [*(named if path.name == name else []), path]:
        if place.is_file():
            return place
    if name in KNOWN:
        raise InputError(f"{name}: not downloaded yet; run `ugosa-jax weights download {name}`")
    raise InputError(f"{name}: no such file, and no weights of that name")


def listing() -> list[Listed]:
    """Return all weights that have a name: bundled ones, those in the cache, those to download."""
    found = [*_listed(bundled_folder(), "bundled"), *_listed(cache_folder(), "cached")]
    present = {item.name for item in found}
    return found + [Listed(name, "downloadable", None, None) for name in KNOWN if name not in present]


def download(name: str, url: str | None = None, cache: str | Path | None = None, progress: bool = True) -> Path:
    """Fetch published weights, verify them and keep them as a native file; return at once if they are there.

    Args:
      name: a name in `KNOWN`.
      url: another place with the same bytes: http, https, file, or a local path.
      cache: folder to keep the file in instead of `cache_folder()`.
      progress: show a bar on standard error.

    Raises:
      InputError: unknown name, no connection, a connection that broke, other bytes than published, or a
        folder that cannot be written. Nothing half-written stays.
    """
    if name not in KNOWN:
        raise InputError(f"{name}: no weights of that name to download (there are {', '.join(KNOWN)})")
    folder = Path(cache) if cache is not None else cache_folder()
    target = folder / f"{name}.safetensors"
    if not target.is_file():
        with _scratch(folder) as scratch:
            checkpoint.save(_fetched(name, url or KNOWN[name].url, scratch, progress), target)
    return target


def _is_safetensors(path: Path) -> bool:
    # Eight bytes of header length, then JSON; none of the Demucs containers has a brace there.
    try:
        with path.open("rb") as stream:
            return stream.read(9)[8:] == b"{"
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _fetched(name: str, url: str, scratch: Path, progress: bool) -> Checkpoint:
    path = _local_path(url)
    if path is None:
        path = scratch / f"{name}.th"
        _get(url, path, progress)
    found = files.sha256_of(path)
    require(found == KNOWN[name].sha256, f"{url}: SHA-256", KNOWN[name].sha256, found)
    found = convtasnet_torch.convert(path)
    origin = {"origin_url": url, "licence": KNOWN[name].licence}
    return dataclasses.replace(found, provenance=found.provenance | origin)


def _get(url: str, path: Path, progress: bool) -> None:
    fetch = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16, timeout=TIMEOUT_S)
    try:
        fetch(url, str(path), None)
    except (OSError, ValueError) as error:  # what requests raises is an OSError; bad URLs are ValueErrors
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{url}: cannot be downloaded ({type(error).__name__}: {reason})") from error


def _local_path(url: str) -> Path | None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        return Path(urllib.request.url2pathname(parts.path))
    return None if "://" in url else Path(url)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".download-", dir=folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    with scratch as name:
        yield Path(name)


def _listed(folder: Path, where: Literal["bundled", "cached"]) -> list[Listed]:
    paths = sorted(folder.glob("*.safetensors"))
    return [Listed(path.stem, where, path, path.stat().st_size) for path in paths]

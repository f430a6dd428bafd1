"""Weights by name: those that come with the package, those in the cache, and pretrained ones to download.

A network is a file NAME.safetensors; a bag or a chain of networks a folder NAME with its description NAME.yaml.
"""

import contextlib
import dataclasses
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import pooch

from ugosa_jax import files
from ugosa_jax.errors import InputError, error_context, require
from ugosa_jax.weights import bag, chain, checkpoint, convert, demucs_safetensors, description, pip
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.pretrained import PRETRAINED, File, Mirror, Pretrained
from ugosa_jax.weights.weights import Weights

TIMEOUT_S = 30.0
PIP = "pip:"
"""What the address of a package begins with."""
BUNDLED = "mini"
"""A network that needs no download."""
DESCRIBED = ".yaml"
"""Suffix of the file that describes a bag or a chain."""


@dataclasses.dataclass(frozen=True)
class Listed:
    """Weights that have a name, and where they are."""

    name: str
    where: Literal["bundled", "cached", "downloadable"]
    path: Path | None
    size_bytes: int | None


def load(name_or_path: str | Path) -> Weights:
    """Read weights: a native file, a Demucs checkpoint, a YAML, or a name that is bundled or in the cache.

    Args:
      name_or_path: a name such as ``tasnet``, or a file, whose content decides how it is read. Several with + between
        them are a chain: ``spleeter+mini``.

    Returns:
      One network, a bag of them, or a chain.

    Raises:
      InputError: no such file or name, or the file is damaged, foreign or does not fit its own architecture.
    """
    if not isinstance(name_or_path, str | Path):
        raise InputError(f"a network must be a name or a path, not of {type(name_or_path).__name__}")
    parts = split(name_or_path)
    if len(parts) > 1:
        with error_context(name_or_path):
            members = {name: _member_of_chain(part) for name, part in chain.name_members(parts).items()}
            return dataclasses.replace(chain.join(members), name=str(name_or_path))
    path = find(name_or_path)
    name = str(name_or_path) if path != Path(name_or_path) else path.name
    if path.suffix != DESCRIBED:
        return dataclasses.replace(_network(path), name=name)
    said = description.read(path)
    with error_context(path):
        if "chain" in said:
            names, leaves = chain.describe(said)
            members = {one: _member_of_chain(_beside(path, one) or one) for one in names}
            return dataclasses.replace(chain.join(members, leaves), name=name)
        described = bag.describe(said)
        members = {model: _network(_member(path, model)) for model in described.models}
        return dataclasses.replace(bag.gather(members, described), name=name)


def split(name_or_path: str | Path) -> list[str]:
    """Return the names of a chain, ``spleeter+mini``; a name that exists as it stands is no chain."""
    parts = str(name_or_path).split("+")
    return [str(name_or_path)] if is_here(name_or_path) or not all(parts) else parts


def _member_of_chain(name_or_path: str | Path) -> chain.Member:
    found = load(name_or_path)
    if isinstance(found, Chain):
        raise InputError(f"{name_or_path}: is a chain itself; name its networks one by one")
    return found


def _network(path: Path) -> Checkpoint:
    native = demucs_safetensors.is_safetensors(path) and not demucs_safetensors.names_a_class(path)
    return checkpoint.load(path) if native else convert.convert(path)


def _member(path: Path, name: str) -> Path:
    """Return the file of a bag's member, which lies beside the description."""
    if found := _beside(path, name):
        return found
    raise InputError(f"model {name}: there is no {name}.safetensors and no {name}.th beside this file")


def _beside(path: Path, name: str) -> Path | None:
    """Return the file of a network of this name beside a description."""
    for pattern in (f"{name}.safetensors", f"{name}.th", f"{name}-*.th"):  # demucs adds eight digits of the hash
        if found := sorted(path.parent.glob(pattern)):
            return found[0]
    return None


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
    if (place := _here(name_or_path)) is not None:
        return place
    name = str(name_or_path)
    if name in PRETRAINED:
        fetch = f"run `ugosa-jax weights download {name}`, or say --download to `separate`"
        raise InputError(f"{name}: not downloaded yet; {fetch}; --weights {BUNDLED} needs no download")
    raise InputError(f"{name}: no such file, and no weights of that name")


def is_here(name_or_path: str | Path) -> bool:
    """Tell whether there are weights of this name or at this path."""
    return _here(name_or_path) is not None


def _here(name_or_path: str | Path) -> Path | None:
    name, path = str(name_or_path), Path(name_or_path)
    named = [place for folder in (bundled_folder(), cache_folder()) for place in _places(folder, name)]
    return next((place for place in [*(named if path.name == name else []), path] if place.is_file()), None)


def _places(folder: Path, name: str) -> tuple[Path, Path]:
    """Return where a network of a name would be, and where a bag or a chain."""
    return folder / f"{name}.safetensors", folder / name / f"{name}{DESCRIBED}"


def listing() -> list[Listed]:
    """Return all weights that have a name: bundled ones, those in the cache, those to download."""
    found = [*_listed(bundled_folder(), "bundled"), *_listed(cache_folder(), "cached")]
    present = {item.name for item in found}
    return found + [Listed(name, "downloadable", None, None) for name in PRETRAINED if name not in present]


def _is_shown(path: Path) -> bool:
    """Tell whether a file is neither hidden, as what macOS adds, nor half of a download."""
    return not any(part.startswith(".") or ".part" in Path(part).suffixes for part in path.parts)


def download(name: str, url: str | None = None, cache: str | Path | None = None, progress: bool = True) -> Path:
    """Fetch pretrained weights, verify them and keep them as native files; return at once if they are there.

    Mirrors are tried in turn.

    Args:
      name: a name in `PRETRAINED`, which also says what may be done with them.
      url: another mirror, with the same bytes: http, https, file, or a local path; of a bag, the folder that holds its
        networks under their published names.
      cache: folder to keep them in instead of `cache_folder()`.
      progress: show a bar on standard error.

    Returns:
      The file that `load` reads.

    Raises:
      InputError: unknown name, no connection or one that broke, no pip for what is fetched with it, other bytes than
        published, or a folder that cannot be written. Nothing half-written stays.
    """
    if name not in PRETRAINED:
        raise InputError(f"{name}: no weights of that name to download (there are {', '.join(PRETRAINED)})")
    pretrained, folder = PRETRAINED[name], Path(cache) if cache is not None else cache_folder()
    one, several = _places(folder, name)
    target = one if pretrained.weights_MxS is None else several
    if target.is_file():
        return target
    with _scratch(folder) as scratch:
        if pretrained.weights_MxS is None:
            checkpoint.save(_fetched(pretrained, pretrained.files[0], url, scratch, progress), target)
            return target
        made = scratch / name
        for file in pretrained.files:
            checkpoint.save(_fetched(pretrained, file, url, scratch, progress), made / f"{file.name}.safetensors")
        (made / target.name).write_text(
            bag.description([file.name for file in pretrained.files], pretrained.weights_MxS)
        )
        try:
            made.rename(target.parent)
        except OSError as error:
            raise InputError(f"{target.parent}: is in the way ({error.strerror or error})") from error
    return target


def _fetched(pretrained: Pretrained, file: File, url: str | None, scratch: Path, progress: bool) -> Checkpoint:
    """Return a network from the first mirror that has it."""
    mirrors = file.mirrors
    if url is not None and pretrained.weights_MxS is None:
        mirrors = (Mirror(url, " or ".join(mirror.sha256 for mirror in file.mirrors)),)
    elif url is not None:
        mirrors = tuple(Mirror(f"{url.rstrip('/')}/{mirror.name}", mirror.sha256) for mirror in file.mirrors)
    complaints = []
    for mirror in mirrors:
        try:
            found = _fetched_from(mirror, file, pretrained.max_bytes, scratch, progress)
        except InputError as error:
            complaints.append(str(error))
        else:
            said = {"origin_url": mirror.url, "licence": pretrained.licence}
            return dataclasses.replace(found, provenance=found.provenance | said)
    raise InputError("; ".join(complaints))


def _fetched_from(mirror: Mirror, file: File, max_bytes: int, scratch: Path, progress: bool) -> Checkpoint:
    path = _local_path(mirror.url)
    if mirror.url.startswith(PIP):
        path = pip.fetch(mirror.url.removeprefix(PIP), scratch)
    elif path is None:
        path = scratch / (Path(urllib.parse.urlsplit(mirror.url).path).name or file.name)
        _get(mirror.url, path, max_bytes, progress)
    found = files.sha256_of(path)
    genuine = any(found.startswith(digits) for digits in mirror.sha256.split(" or "))
    require(genuine, f"{mirror.url}: SHA-256", mirror.sha256, found)
    return convert.convert(path)


def _get(url: str, path: Path, max_bytes: int, progress: bool) -> None:
    fetch = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16, timeout=TIMEOUT_S)
    try:
        with path.open("wb") as stream:
            fetch(url, _Bounded(stream, max_bytes), None)  # pyright: ignore[reportArgumentType]
    except InputError as error:
        raise InputError(f"{url}: {error}") from error
    except (OSError, ValueError) as error:  # what requests raises is an OSError; bad URLs are ValueErrors
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{url}: cannot be downloaded ({type(error).__name__}: {reason})") from error


class _Bounded:
    """A file that takes so many bytes: a server need not come to an end."""

    def __init__(self, stream: BinaryIO, max_bytes: int):
        self.stream, self.max_bytes, self.left = stream, max_bytes, max_bytes

    def write(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left < 0:
            said = f"sends more than the {self.max_bytes / 1e6:.1f} MB that its parameters can take"
            raise InputError(f"{said}: this is not what was published")
        self.stream.write(data)

    def flush(self) -> None:
        self.stream.flush()


def _local_path(url: str) -> Path | None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        return Path(urllib.request.url2pathname(parts.path))
    return None if "://" in url else Path(url)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = files.new_folder(folder, "download")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _listed(folder: Path, where: Literal["bundled", "cached"]) -> list[Listed]:
    bags = {path: path.parent.glob("*.safetensors") for path in folder.glob(f"*/*{DESCRIBED}")}
    every = {path: [path] for path in folder.glob("*.safetensors")} | bags
    every = {path: parts for path, parts in every.items() if _is_shown(path.relative_to(folder))}
    sizes = {path: sum(part.stat().st_size for part in parts) for path, parts in every.items()}
    return [Listed(path.stem, where, path, sizes[path]) for path in sorted(every)]

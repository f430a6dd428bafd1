"""Weights by name: those bundled with the package, those in the cache, and those that can be downloaded.

A network is a file NAME.safetensors. A bag or a chain of networks is a folder NAME with a description NAME.yaml.
"""

import dataclasses
import difflib
from pathlib import Path
from typing import Literal, NamedTuple

from ugosa_jax import files
from ugosa_jax.errors import InputError, error_context
from ugosa_jax.weights import bag, chain, checkpoint, convert, demucs_safetensors, description
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.pretrained import PRETRAINED
from ugosa_jax.weights.safetensors_file import is_safetensors
from ugosa_jax.weights.weights import Weights

BUNDLED = "mini"
"""The network that comes with the package."""
BEST_FIRST = ("htdemucs_ft", "htdemucs", "tasnet", "spleeter_4stems", "spleeter+mini", BUNDLED)
"""Weights for drums, bass, other and vocals, from best to worst. All but the last need a download."""
DESCRIPTION_SUFFIX = ".yaml"
"""Suffix of the file with the description of a bag or a chain."""


@dataclasses.dataclass(frozen=True)
class ListedWeights:
    """An entry of `list_weights`: the name of weights, and where they are."""

    name: str
    where: Literal["bundled", "cached", "downloadable"]
    path: Path | None
    size_bytes: int | None


def load_network(name_or_path: str | Path) -> Weights:
    """Load weights from a native file, a Demucs checkpoint or a YAML description, or by a bundled or cached name.

    Args:
      name_or_path: a name such as ``tasnet``, or a file, whose content decides how it is read. Several of them, joined
        with +, are a chain: ``spleeter+mini``.

    Returns:
      One network, a bag of them, or a chain.

    Raises:
      InputError: there is no such file or name, or the file is damaged, of another kind, or does not fit its own
        architecture.
    """
    if not isinstance(name_or_path, str | Path):
        raise InputError(f"a network must be a name or a path, not {type(name_or_path).__name__}")
    parts = split_chain(name_or_path)
    if len(parts) > 1:
        with error_context(name_or_path):
            members = {name: _load_chain_member(part) for name, part in chain.name_members(parts).items()}
            return dataclasses.replace(chain.build_chain(members), name=str(name_or_path))
    path = find_file(name_or_path)
    name = str(name_or_path) if path != Path(name_or_path) else path.name
    weights = _load_description(path) if path.suffix == DESCRIPTION_SUFFIX else _load_file(path)
    return dataclasses.replace(weights, name=name)


def _load_description(path: Path) -> Bag | Chain:
    """Load the bag or chain that a YAML file describes."""
    fields = description.read(path)
    with error_context(path):
        if "chain" in fields:
            names, leaves = chain.parse_description(fields)
            return chain.build_chain({one: _load_chain_member(_find_beside(path, one) or one) for one in names}, leaves)
        described = bag.parse_description(fields)
        return bag.build_bag({model: _load_bag_member(path, model) for model in described.models}, described)


def _load_file(path: Path) -> Checkpoint:
    native = is_safetensors(path) and not demucs_safetensors.has_class_metadata(path)
    return checkpoint.load(path) if native else convert.convert(path)


def _load_chain_member(name_or_path: str | Path) -> chain.Member:
    found = load_network(name_or_path)
    if isinstance(found, Chain):
        raise InputError(f"{name_or_path}: is a chain itself; name its networks one by one")
    return found


def _load_bag_member(path: Path, name: str) -> Checkpoint:
    """Load a member of a bag, whose file lies beside the bag's description."""
    if found := _find_beside(path, name):
        return _load_file(found)
    raise InputError(f"model {name}: there is no {name}.safetensors and no {name}.th beside this file")


def _find_beside(path: Path, name: str) -> Path | None:
    """Return the file of a network of this name beside a description."""
    for pattern in (f"{name}.safetensors", f"{name}.th", f"{name}-*.th"):  # demucs adds eight digits of the hash
        if found := sorted(path.parent.glob(pattern)):
            return found[0]
    return None


def split_chain(name_or_path: str | Path) -> list[str]:
    """Return the names in a chain such as ``spleeter+mini``; the name of an existing file is not split."""
    parts = str(name_or_path).split("+")
    return [str(name_or_path)] if is_available(name_or_path) or not all(parts) else parts


def find_bundled_folder() -> Path:
    """Return the folder of weights that come with the package, which may be empty or absent."""
    package = Path(__file__).parent.parent
    in_wheel = package / "bundled"
    return in_wheel if in_wheel.is_dir() else package.parent / "weights"


def get_cache_folder() -> Path:
    """Return the folder of downloaded weights."""
    return files.get_cache_folder() / "weights"


def find_file(name_or_path: str | Path) -> Path:
    """Return the file of weights that are bundled, in the cache, or given by path.

    Raises:
      InputError: there are none.
    """
    if (path := _find_if_available(name_or_path)) is not None:
        return path
    name = str(name_or_path)
    if name in PRETRAINED:
        fetch = f"run `ugosa-jax weights download {name}` or, in Python, download_weights({name!r})"
        raise InputError(f"{name}: not downloaded yet; {fetch}; the weights {BUNDLED!r} need no download")
    names = [item.name for item in list_weights()]
    similar = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {similar[0]}?" if similar else f"the names are {', '.join(names)}"
    raise InputError(f"{name}: no such file, and no weights of that name; {hint}")


def is_available(name_or_path: str | Path) -> bool:
    """Return whether there are weights of this name or at this path."""
    return _find_if_available(name_or_path) is not None


def _find_if_available(name_or_path: str | Path) -> Path | None:
    name, path = str(name_or_path), Path(name_or_path)
    named = [place for folder in (find_bundled_folder(), get_cache_folder()) for place in list_candidates(folder, name)]
    return next((place for place in [*(named if path.name == name else []), path] if place.is_file()), None)


def list_candidates(folder: Path, name: str) -> tuple[Path, Path]:
    """Return the paths where the weights of a name may be: as a network, and as a bag or a chain."""
    return folder / f"{name}.safetensors", folder / name / f"{name}{DESCRIPTION_SUFFIX}"


def list_weights() -> list[ListedWeights]:
    """Return all weights that have a name: bundled, in the cache, or available for download."""
    found = [*_list_folder(find_bundled_folder(), "bundled"), *_list_folder(get_cache_folder(), "cached")]
    present = {item.name for item in found}
    return found + [ListedWeights(name, "downloadable", None, None) for name in PRETRAINED if name not in present]


def _is_complete(path: Path) -> bool:
    """Return whether a file is neither hidden, such as those that macOS adds, nor an incomplete download."""
    return not any(part.startswith(".") or ".part" in Path(part).suffixes for part in path.parts)


def _list_folder(folder: Path, where: Literal["bundled", "cached"]) -> list[ListedWeights]:
    bags = {path: path.parent.glob("*.safetensors") for path in folder.glob(f"*/*{DESCRIPTION_SUFFIX}")}
    every = {path: [path] for path in folder.glob("*.safetensors")} | bags
    every = {path: parts for path, parts in every.items() if _is_complete(path.relative_to(folder))}
    sizes = {path: sum(part.stat().st_size for part in parts) for path, parts in every.items()}
    return [ListedWeights(path.stem, where, path, sizes[path]) for path in sorted(every)]


class Choice(NamedTuple):
    """The weights that are used by default, and the better ones that could be downloaded.

    Attributes:
      name: for `load_network`.
      better: the name of the next better weights; None if there are none.
    """

    name: str
    better: str | None

    def __str__(self) -> str:
        """Return one line of the command line's output."""
        if self.better is None:
            return f"{self.name}, the best ones (--weights selects others)"
        return f"{self.name}, the best ones installed; for better ones: ugosa-jax weights download {self.better}"


def choose_best() -> Choice:
    """Return the first of `BEST_FIRST` that needs no download."""
    available = (i for i, name in enumerate(BEST_FIRST) if all(is_available(part) for part in name.split("+")))
    place = next(available, len(BEST_FIRST) - 1)  # a damaged installation has none; loading reports it
    better = next(
        (part for name in BEST_FIRST[:place][::-1] for part in name.split("+") if not is_available(part)), None
    )
    return Choice(BEST_FIRST[place], better)


def list_available_chains() -> list[str]:
    """List the chains of `BEST_FIRST` whose networks need no download."""
    return [name for name in BEST_FIRST if "+" in name and all(is_available(part) for part in name.split("+"))]

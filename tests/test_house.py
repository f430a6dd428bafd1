"""The structure of the package: modules import only lower packages, and `__init__` modules contain no code."""

import ast
import graphlib
from collections import Counter
from pathlib import Path

import ugosa_jax

PACKAGE = Path(ugosa_jax.__file__).parent
LAYERS = {
    "errors": 0,
    "interrupts": 0,
    "threads": 1,
    "files": 1,
    "checked": 1,
    "notebook": 1,
    "config": 2,
    "device": 3,
    "annotations": 3,
    "data": 4,
    "networks": 3,
    "weights": 4,
    "separation": 5,
    "adaptation": 6,
    "evaluation": 6,
    "api": 7,
    "bench": 7,
    "reports": 8,
    "song_job": 9,
    "sweeps": 10,
    "studio": 11,
    "cli": 12,
    "__main__": 13,
}
"""A module may import modules with a lower number, and those of its own package."""
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__").removesuffix("__init__")


def imports(path: Path) -> set[str]:
    """Return the modules of the package that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ugosa_jax":
            base = node.module.removeprefix("ugosa_jax").lstrip(".")
            for alias in node.names:
                below = f"{base}.{alias.name}".lstrip(".")
                found.add(below if below in NAMES else base)
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            found |= {name.removeprefix("ugosa_jax").lstrip(".") for name in names if name.split(".")[0] == "ugosa_jax"}
    return found - {""}


NAMES = {name_of(path) for path in MODULES}
TREES = {path: ast.parse(path.read_text("utf-8")) for path in MODULES}
GRAPH = {name_of(path): imports(path) for path in MODULES}


def package_of(name: str) -> str:
    return name.split(".")[0]


def test_imports_go_down_one_way():
    """`ugosa_jax/__init__.py` is left out: it imports the public names when they are used."""
    upwards = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if name and package_of(other) != package_of(name) and LAYERS[package_of(other)] >= LAYERS[package_of(name)]
    ]
    assert not upwards


def test_no_imports_are_circular():
    graph = {name: others & GRAPH.keys() for name, others in GRAPH.items() if name}
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        raise AssertionError(" → ".join(error.args[1])) from None


def test_a_package_holds_names_and_no_code():
    for path in MODULES:
        if path.name != "__init__.py":
            continue
        allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
        if path.parent == PACKAGE:
            allowed += (ast.FunctionDef, ast.If)  # the public API, which is imported lazily
        assert all(isinstance(node, allowed) for node in TREES[path].body), path


def test_no_two_modules_or_public_classes_share_a_name():
    modules = [path.stem for path in MODULES if path.stem not in ("__init__", "__main__")]
    nodes = (node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    classes = [node.name for node in nodes if not node.name.startswith("_")]
    shared = [name for names in (modules, classes) for name, number in Counter(names).items() if number > 1]
    assert not shared


def test_no_module_has_more_than_300_lines():
    too_long = [path for path in MODULES if len(path.read_text("utf-8").splitlines()) > 300]
    assert not too_long

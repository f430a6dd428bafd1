"""The order of the rooms: imports go one way, and a package's `__init__` holds names alone."""

import ast
from pathlib import Path

import pytest

import ugosa_jax

PACKAGE = Path(ugosa_jax.__file__).parent
FLOORS = {
    "errors": 0,
    "files": 1,
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
"""A module imports what is on a lower floor, or in its own room."""
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__").removesuffix("__init__")


def imports(path: Path) -> set[str]:
    """Return the modules of the package that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
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


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path):
    room = name_of(path).split(".")[0]
    if not room:
        return  # the face: it names what is inside, and imports it when asked
    above = [
        other for other in imports(path) if other.split(".")[0] != room and FLOORS[other.split(".")[0]] >= FLOORS[room]
    ]
    assert not above


def test_there_is_no_circle_within_a_room():
    graph = {name_of(path): imports(path) for path in MODULES}
    done, open_ = set(), []

    def visit(name: str) -> None:
        assert name not in open_, " → ".join([*open_[open_.index(name) :], name])
        if name in done:
            return
        open_.append(name)
        for other in sorted(graph.get(name, ())):
            visit(other)
        open_.pop()
        done.add(name)

    for name in sorted(graph):
        if name:
            visit(name)


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=name_of)
def test_a_package_holds_names_and_no_code(path):
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    body = ast.parse(path.read_text("utf-8")).body
    if path.parent == PACKAGE:
        allowed += (ast.FunctionDef, ast.If)  # the lazy face
    assert all(isinstance(node, allowed) for node in body)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_fits_in_the_head(path):
    assert len(path.read_text("utf-8").splitlines()) <= 300

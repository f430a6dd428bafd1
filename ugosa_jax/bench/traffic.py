"""What an optimised program reads from and writes to a device's memory, counted in its text.

XLA's own "bytes accessed" also counts what stays on the chip: on a TPU most arrays of a small network never leave its
vector memory. Here an array counts where an instruction reads or writes it, unless its layout says that it is on chip.
The bodies of loops count once.
"""

import dataclasses
import re
from collections.abc import Iterator

_ARRAY = re.compile(r"\b(pred|bf16|[suf]\d+)\[([\d,]*)\](?:\{([^}]*)\})?")
_FREE = {"after-all", "bitcast", "constant", "get-tuple-element", "parameter", "partition-id", "replica-id", "tuple",
         "while", "conditional", "call"}  # fmt: skip
_CALLED = re.compile(
    r"\b(?:body|to_apply|true_computation|false_computation)=%?([\w.-]+)|branch_computations=\{([^}]*)\}"
)
_SLICES = ("dynamic-slice", "slice")


@dataclasses.dataclass(frozen=True)
class Array:
    """An array of a shape: its bytes, and whether it lies on the chip."""

    n_bytes: int
    is_on_chip: bool

    @property
    def moved(self) -> int:
        """Bytes that pass the device's memory when all of it is read or written."""
        return 0 if self.is_on_chip else self.n_bytes


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation."""

    name: str
    opcode: str
    results: tuple[Array, ...]
    operands: tuple[str, ...]
    rest: str
    is_root: bool


Computations = dict[str, list[Instruction]]


def bytes_moved(text: str) -> int:
    """Return the bytes that a program reads from and writes to memory, each loop's body once."""
    computations, entry = parse(text)
    return sum(_moved(computations, name) for name in _run_by(computations, entry))


def parse(text: str) -> tuple[Computations, str]:
    """Return the computations of a program by name, and the name of the one that it starts with."""
    computations: Computations = {}
    entry, inside = "", None
    for line in text.splitlines():
        if head := re.match(r"(ENTRY )?%?([\w.-]+) \(.*\{\s*$", line):
            inside = computations[head[2]] = []
            entry = head[2] if head[1] else entry
        elif line.startswith("}"):
            inside = None
        elif inside is not None and (parts := re.match(r"\s*(ROOT )?%?([\w.-]+) = (.*)$", line)):
            shape, rest = _split(parts[3])
            opcode, _, rest = rest.partition("(")
            arguments, rest = rest[: (end := _closing(rest))], rest[end:]
            named = arguments if opcode.strip() != "parameter" else f"%{arguments}"  # parameter(0): its number
            operands = tuple(re.findall(r"%([\w.-]+)", named))
            inside.append(Instruction(parts[2], opcode.strip(), arrays(shape), operands, rest, bool(parts[1])))
    return computations, entry


def arrays(shape: str) -> tuple[Array, ...]:
    """Return the arrays of a shape as XLA prints it, such as (f32[8,128]{1,0:T(8,128)S(1)}, s32[])."""
    found = []
    for kind, sizes, layout in _ARRAY.findall(shape):
        bits = 8 if kind == "pred" else int(kind.lstrip("bsuf"))
        n = 1
        for size in filter(None, sizes.split(",")):
            n *= int(size)
        found.append(Array(-(-n * bits // 8), "S(1)" in layout))
    return tuple(found)


def _run_by(computations: Computations, name: str) -> Iterator[str]:
    """Yield a computation and those that its loops, branches and calls run."""
    yield name
    for one in computations[name]:
        if one.opcode in ("while", "conditional", "call"):
            for called, branches in _CALLED.findall(one.rest):
                for inner in [called] if called else re.findall(r"[\w.-]+", branches):
                    yield from _run_by(computations, inner)


def _moved(computations: Computations, name: str) -> int:
    shapes = {one.name: one.results for one in computations[name]}
    return sum(_moved_by(computations, shapes, one) for one in computations[name])


def _moved_by(computations: Computations, shapes: dict[str, tuple[Array, ...]], one: Instruction) -> int:
    read = [shapes.get(operand, ()) for operand in one.operands]
    if one.opcode in _FREE or one.opcode.endswith("-done") or "Bitcast" in one.rest:
        return 0
    if one.opcode in ("copy-start", "slice-start"):  # their results hold the source too, and what it becomes
        n = min(array.n_bytes for array in one.results if array.n_bytes > 4)
        source = read[0][0]
        becomes = one.results[0 if one.opcode == "copy-start" else 1]
        return n * ((not source.is_on_chip) + (not becomes.is_on_chip))
    if one.opcode == "fusion":
        (inner,) = re.findall(r"calls=%?([\w.-]+)", one.rest)
        return _moved_by_fusion(computations[inner], one, read)
    if one.opcode in _SLICES:
        taken = one.results[0]
        return taken.moved + (taken.n_bytes if read[0][0].moved else 0)
    return sum(array.moved for arrays in (*read, one.results) for array in arrays)


def _moved_by_fusion(inner: list[Instruction], one: Instruction, read: list[tuple[Array, ...]]) -> int:
    """Return what a fusion moves: of an operand of which it only takes slices, the slices; of one that it updates in
    place, the update."""
    total = 0
    by_name = {each.name: each for each in inner}
    parameters = {each.operands[0]: each.name for each in inner if each.opcode == "parameter"}
    for number, operand in enumerate(read):
        moved = sum(array.moved for array in operand)
        users = _users(inner, parameters[str(number)])
        opcodes = {each.opcode for each in users}
        if opcodes and opcodes <= set(_SLICES):
            moved = min(moved, sum(array.n_bytes for each in users for array in each.results))
        elif opcodes == {"dynamic-update-slice"}:
            moved = 0
        total += moved
    root = next(each for each in inner if each.is_root)
    while root.opcode == "bitcast":
        root = by_name[root.operands[0]]
    if root.opcode == "dynamic-update-slice":
        return total + sum(array.n_bytes for array in by_name[root.operands[1]].results) * bool(one.results[0].moved)
    return total + sum(array.moved for array in one.results)


def _users(inner: list[Instruction], name: str) -> list[Instruction]:
    """Return the instructions that read a value, seen through bitcasts."""
    found = []
    for each in inner:
        if name in each.operands:
            found += _users(inner, each.name) if each.opcode == "bitcast" else [each]
    return found


def _split(line: str) -> tuple[str, str]:
    """Return the shape that a line begins with, and what follows it."""
    end = _closing(line[1:]) + 2 if line.startswith("(") else line.index(" ")
    return line[:end], line[end:]


def _closing(text: str) -> int:
    """Return where the bracket closes that was open before the text."""
    depth = 1
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place
    return len(text)

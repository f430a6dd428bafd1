"""Check for the programs and Python packages that the material needs, before any work begins."""

import ctypes
import ctypes.util
import importlib
import re
import shutil
import sys
from pathlib import Path

from problems import Problem

APT = ("apt-get", "dpkg-deb", "dpkg-query")
PROGRAMS = ("timidity", "mma")  # commands with the names of their Debian packages
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
MODULES = {"pyfluidsynth": "fluidsynth", "hibari-tts": "hibari"}  # where the package's name is not the module's


def check(requirements: Path | None = None, programs: tuple[str, ...] = PROGRAMS) -> None:
    """Check that programs, libfluidsynth and the packages of a requirements file are installed.

    Raises:
        Problem: something is missing; the message lists all of it and the commands that install it.
    """
    missing = find_missing_programs(programs)
    packages = find_missing_packages(requirements) if requirements else []
    lacks = []
    if sys.version_info < (3, 11):  # noqa: UP036 (pip does not install this folder, so it cannot check)
        lacks.append("Python 3.11 or newer is needed")
    if tools := [tool for tool in APT if not shutil.which(tool)]:
        lacks.append(f"{', '.join(tools)} not found (this needs Debian or Ubuntu, or a container of it)")
    if missing:
        lacks.append(f"missing programs: {', '.join(missing)} (apt-get install {' '.join(missing)})")
    if packages:
        lacks.append(f"missing Python packages: {', '.join(packages)} (pip install -r {requirements})")
    if lacks:
        raise Problem("; ".join(lacks))


def find_missing_programs(programs: tuple[str, ...]) -> list[str]:
    """Return the Debian packages of the missing programs; of fluidsynth, only the library is needed."""
    library = [] if has_fluidsynth() else ["fluidsynth"]
    return library + [program for program in programs if not shutil.which(program)]


def has_fluidsynth() -> bool:
    """Return whether libfluidsynth can be loaded."""
    try:
        ctypes.CDLL(ctypes.util.find_library("fluidsynth") or "libfluidsynth.so.3")
    except OSError:
        return False
    return True


def find_missing_packages(requirements: Path) -> list[str]:
    """Return the packages that cannot be imported, of a requirements file and of the files that it includes."""
    missing = []
    for line in requirements.read_text().splitlines():
        if included := re.match(r"-r\s+(\S+)", line):
            missing += find_missing_packages(requirements.parent / included[1])
        elif name := re.match(r"[\w-]+", line):
            try:
                importlib.import_module(MODULES.get(name[0], name[0]))
            except (ImportError, OSError):  # OSError: soundfile without libsndfile
                missing.append(name[0])
    return list(dict.fromkeys(missing))

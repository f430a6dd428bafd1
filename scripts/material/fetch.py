"""The Debian packages that the material is made of, and where they are unpacked."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """One source package: Debian name, licence of the parts that are used, and what they are used for."""

    name: str
    licence: str
    used_for: str


PACKAGES = (
    Package("freedoom", "BSD-3-Clause", "songs"),
    Package("simutrans-data", "Artistic-1.0", "songs"),
    Package("openttd-openmsx", "GPL-2.0-only", "songs"),
    Package("planetblupi-music-midi", "GPL-3.0-or-later", "songs"),
    Package("klettres-data", "GPL-2.0-or-later", "voices"),
    Package("ktuberling-data", "GPL-2.0-or-later", "voices"),
    Package("timgm6mb-soundfont", "GPL-2.0-only", "instruments (train)"),
    Package("csound-soundfont", "public domain (sf_GMbank.sf2)", "instruments (train)"),
    Package("denemo-data", "GPL-2.0-only (A320U.sf2)", "instruments (train)"),
    Package("opl3-soundfont", "CC-BY-SA-4.0", "instruments (train)"),
    Package("avldrums.lv2-soundfont", "CC-BY-SA-3.0", "drum kits (train)"),
    Package("freepats", "GPL-2.0-or-later with composition exception", "instruments (valid)"),
    Package("musescore-general-soundfont-small", "MIT, parts public domain or CC0", "instruments (test)"),
    Package("fretsonfire-songs-sectoid", "MIT-style", "recorded guitar (train)"),
    Package("fretsonfire-songs-muldjord", "CC-BY-SA-3.0", "recorded guitar (train)"),
)
# Installed, not unpacked; the command has the name of the package.
PROGRAMS = (
    Package("fluidsynth", "LGPL-2.1-or-later", "plays soundfonts"),
    Package("timidity", "GPL-2.0-or-later", "plays Freepats"),
    Package("mma", "GPL-2.0-or-later", "accompaniments (train)"),
)


def material_folder() -> Path:
    """Return the folder of downloaded material: $UGOSA_MATERIAL or ~/.cache/ugosa_jax/material."""
    return Path(os.environ.get("UGOSA_MATERIAL") or Path.home() / ".cache/ugosa_jax/material")


def unpacked(relative: str = "") -> Path:
    """Return a path inside the unpacked packages, which keep the layout of a Debian system."""
    return material_folder() / "root" / relative


def deb_file(package: Package) -> Path | None:
    """Return the downloaded archive of `package`, or None."""
    return max((material_folder() / "debs").glob(f"{package.name}_*.deb"), default=None)


def version(package: Package) -> str | None:
    """Return the version of the downloaded archive; apt writes the colon of an epoch as %3a."""
    archive = deb_file(package)
    return archive and archive.name.split("_")[1].replace("%3a", ":")


def installed_version(name: str) -> str | None:
    """Return the version of an installed Debian package, None if there is none."""
    command = ["dpkg-query", "-W", "-f", "${Version}", name]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout or None


def provenance() -> list[dict[str, str | None]]:
    """Return name, version, licence and use of every package and program, for the manifest."""
    unpacked_ones = [(p, version(p)) for p in PACKAGES]
    installed_ones = [(p, installed_version(p.name)) for p in PROGRAMS]
    return [
        {"package": p.name, "version": found, "licence": p.licence, "used_for": p.used_for}
        for p, found in unpacked_ones + installed_ones
    ]


def missing_programs() -> list[str]:
    """Return the programs that are not on this system."""
    return [program.name for program in PROGRAMS if not shutil.which(program.name)]


def fetch() -> None:
    """Download every package and unpack it; what is already there is kept.

    Raises:
        SystemExit: if a needed command is missing or a download fails, saying what to install.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} not found: the material is rebuilt on Debian or Ubuntu (or in such a container)")
    if missing := missing_programs():
        raise SystemExit(f"missing programs; install them with: apt-get install {' '.join(missing)}")
    debs = material_folder() / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    unpacked().mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if deb_file(package) is None:
            download(package, debs)
        done = debs / f"{package.name}.unpacked"
        if not done.exists():
            subprocess.run(["dpkg-deb", "-x", str(deb_file(package)), str(unpacked())], check=True, timeout=300)
            done.touch()


def download(package: Package, folder: Path) -> None:
    """Let apt download one package into `folder`, within ten minutes."""
    result = subprocess.run(
        ["apt-get", "download", "-q", package.name], cwd=folder, capture_output=True, text=True, timeout=600
    )
    if result.returncode or deb_file(package) is None:
        reason = re.sub(r"\s+", " ", result.stderr).strip()
        raise SystemExit(f"apt-get could not download {package.name} ({reason}); try `apt-get update` first")


if __name__ == "__main__":
    fetch()
    for entry in provenance():
        print(f"{entry['package']:34s} {entry['version'] or '?':26s} {entry['licence']}")

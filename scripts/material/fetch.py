"""Download and unpack the Debian packages with the raw material."""

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import needs
from problems import Problem, exit_status


@dataclass(frozen=True)
class Package:
    """One source package: Debian name, licence of the parts that are used, and what they are used for."""

    name: str
    licence: str
    used_for: str


PACKAGES = (
    Package("freedoom", "BSD-3-Clause", "songs"),
    Package("freedm", "BSD-3-Clause", "songs (valid)"),
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


def get_material_folder() -> Path:
    """Return the folder of downloaded material: $UGOSA_MATERIAL or ~/.cache/ugosa_jax/material."""
    return Path(os.environ.get("UGOSA_MATERIAL") or Path.home() / ".cache/ugosa_jax/material")


def get_unpacked_path(relative: str = "") -> Path:
    """Return a path inside the unpacked packages, which keep the layout of a Debian system."""
    return get_material_folder() / "root" / relative


def find_archive(package: Package) -> Path | None:
    """Return the downloaded archive of `package`, or None."""
    return max((get_material_folder() / "debs").glob(f"{package.name}_*.deb"), default=None)


def get_archive_version(package: Package) -> str | None:
    """Return the version of the downloaded archive; apt writes the colon of an epoch as %3a."""
    archive = find_archive(package)
    return archive and archive.name.split("_")[1].replace("%3a", ":")


def find_installed_version(name: str) -> str | None:
    """Return the version of an installed Debian package, None if there is none."""
    command = ["dpkg-query", "-W", "-f", "${Version}", name]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout or None


def describe_sources() -> list[dict[str, str | None]]:
    """Return name, version, licence and use of every package and program, for the manifest."""
    unpacked_ones = [(p, get_archive_version(p)) for p in PACKAGES]
    installed_ones = [(p, find_installed_version(p.name)) for p in PROGRAMS]
    return [
        {"package": p.name, "version": found, "licence": p.licence, "used_for": p.used_for}
        for p, found in unpacked_ones + installed_ones
    ]


def fetch() -> None:
    """Download every package and unpack it, unless it is already there and complete.

    Raises:
        Problem: a download fails, or the disk is full.
    """
    for package in PACKAGES:
        provide(package)


def provide(package: Package) -> None:
    """Download and unpack one package unless its files are there, unchanged.

    Raises:
        Problem: the download fails, or the files are not there afterwards.
    """
    said = ""
    for _ in range(2):
        archive = find_archive(package) or download(package)
        lacking = find_changed_file(archive)
        if lacking is None:
            return
        print(f"unpacking {package.name} ({lacking} is missing or changed)", flush=True)
        get_unpacked_path().mkdir(parents=True, exist_ok=True)
        command = ["dpkg-deb", "-x", str(archive), str(get_unpacked_path())]
        said = " ".join(subprocess.run(command, capture_output=True, text=True).stderr.split())
        if find_changed_file(archive) is None:
            return
        archive.unlink()  # it may be damaged: download it again
    raise Problem(
        f"{package.name} cannot be unpacked into {get_unpacked_path()}: {said or 'its files come out changed'}"
    )


def find_changed_file(archive: Path) -> str | None:
    """Return the first file whose unpacked copy is missing or differs from its checksum; None if all match."""
    listed = subprocess.run(["dpkg-deb", "--info", str(archive), "md5sums"], capture_output=True, text=True)
    if listed.returncode or not listed.stdout:
        return "its list of files"
    for line in listed.stdout.splitlines():
        md5, name = line.split(maxsplit=1)
        path = get_unpacked_path(name)
        if not path.is_file() or hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != md5:
            return name
    return None


def download(package: Package) -> Path:
    """Let apt download one package within ten minutes; return the archive.

    Raises:
        Problem: the download fails or takes longer.
    """
    print(f"downloading {package.name}", flush=True)
    debs = get_material_folder() / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=debs) as folder:  # an archive gets its final name only when it is complete
        command = ["apt-get", "download", "-q", package.name]
        try:
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        except subprocess.TimeoutExpired:
            raise Problem(f"apt-get took longer than ten minutes for {package.name}; run this again") from None
        found = next(Path(folder).glob(f"{package.name}_*.deb"), None)
        if result.returncode or found is None:
            reason = " ".join(result.stderr.split())
            raise Problem(f"apt-get could not download {package.name} ({reason}); try `apt-get update` first")
        return found.rename(debs / found.name)


def main() -> int:
    """Fetch everything; print versions and licences."""
    needs.check()
    fetch()
    for entry in describe_sources():
        print(f"{entry['package']:34s} {entry['version'] or '?':26s} {entry['licence']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status(main))

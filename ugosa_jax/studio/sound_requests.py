"""HTTP endpoints for sound and pictures; browsers request them in ranges."""

import functools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ugosa_jax.config import require
from ugosa_jax.errors import InputError
from ugosa_jax.studio import mixdown, runs, security
from ugosa_jax.studio.library import clean_name
from ugosa_jax.studio.requests import get_song_id, get_workspace
from ugosa_jax.studio.rhythm import FILE as RHYTHM
from ugosa_jax.studio.runs import Runs
from ugosa_jax.studio.titles import Titles

KINDS = {"wav": "audio/wav", "peaks": "application/octet-stream", "spectrum": "application/octet-stream"}
KEPT = {"cache-control": "private, max-age=31536000, immutable"}
"""Headers of files whose address changes with their content."""


class AnonymousFile(FileResponse):
    """A file response without the file's modification time, which could reveal the runs of a blind trial."""

    def set_stat_headers(self, stat_result: os.stat_result) -> None:
        """Set the length only."""
        super().set_stat_headers(stat_result)
        del self.headers["etag"], self.headers["last-modified"]


async def send_mixture(request: Request) -> Response:
    """Send the mixture or its outline."""
    kind = request.path_params["kind"]
    if kind not in ("wav", "peaks"):
        raise KeyError(kind)
    path = get_workspace(request).library.find_folder(get_song_id(request)) / f"mixture.{kind}"
    return FileResponse(path, media_type=KINDS[kind], headers=KEPT)


async def send_stem(request: Request) -> Response:
    """Send a stem or the residual of a run, its outline or its spectrogram."""
    kind, stored = request.path_params["kind"], get_runs(request)
    if kind not in KINDS:
        raise KeyError(kind)
    path = stored.find_file(request.path_params["run"], request.path_params["source"], kind)
    return FileResponse(path, media_type=KINDS[kind], headers=KEPT)


async def send_trial_sound(request: Request) -> Response:
    """Send one of the two sounds of a blind comparison, under a name that does not reveal its run."""
    song_trials = get_workspace(request).open_trials(get_song_id(request))
    path = song_trials.find_file(request.path_params["trial"], request.path_params["name"])
    return AnonymousFile(path, media_type="audio/wav")


async def send_report(request: Request) -> Response:
    """Send the report of a run."""
    path = get_runs(request).find_folder(request.path_params["run"]) / "report.html"
    if not path.is_file():
        raise KeyError(path.name)
    return FileResponse(path, media_type="text/html", headers={"content-security-policy": security.REPORT_POLICY})


async def send_stems(request: Request) -> Response:
    """Send the stems of a run as a zip file."""
    encoding, run = request.query_params.get("encoding", "float"), request.path_params["run"]
    require(encoding in mixdown.SUBTYPES, "encoding", "float or 24", encoding)
    stored, library, id = get_runs(request), get_workspace(request).library, get_song_id(request)
    stored.find_folder(run)
    title = Titles(library.find_folder(id)).update(stored.list_runs())[run]
    song = re.sub(r"\.\w{2,5}$", "", library.load_song(id).name)
    name = clean_name(f"{song}, {title.describe()}".replace("/", " "))
    write = functools.partial(runs.zip_stems, stored, run, encoding)  # pyright: ignore[reportArgumentType]
    return await _send_temporary(request, write, f"{name}, stems.zip", "application/zip")


async def send_mixdown(request: Request) -> Response:
    """Send a mix of stems, or a part of it, as a sound file.

    Query: `part`, for each sound, RUN/SOURCE/GAIN or mixture/GAIN; `start` and `end` in seconds; `encoding`, float or
    24; `name`, the file name.
    """
    query, kind = request.query_params, request.path_params["kind"]
    if kind not in mixdown.KINDS:
        raise KeyError(kind)
    song = get_workspace(request).library.load_song(get_song_id(request))
    parts = [_parse_part(request, text) for text in query.getlist("part")]
    encoding = query.get("encoding", "24")
    require(encoding in mixdown.SUBTYPES, "encoding", "float or 24", encoding)
    start_s = _parse_number(query.get("start"), 0.0)
    end_s = _parse_number(query.get("end"), song.duration_s)

    def write(scratch: Path) -> Path:
        path = scratch / f"mix.{kind}"
        mixdown.write_mixdown(path, parts, start_s, end_s, kind, encoding)  # pyright: ignore[reportArgumentType]
        return path

    name = f"{clean_name(query.get('name', song.name))}.{kind}"
    return await _send_temporary(request, write, name, mixdown.KINDS[kind])


async def _send_temporary(request: Request, write: Callable[[Path], Path], name: str, media_type: str) -> FileResponse:
    """Send a file that `write` creates in a temporary folder, which is deleted afterwards."""
    scratch = runs.make_scratch_folder(get_workspace(request).library.songs)
    try:
        path = await run_in_threadpool(write, scratch)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    headers = {"content-disposition": f"attachment; filename=\"{path.name}\"; filename*=UTF-8''{quote(name, safe='')}"}
    remove = BackgroundTask(shutil.rmtree, scratch, ignore_errors=True)
    return FileResponse(path, media_type=media_type, headers=headers, background=remove)


async def send_rhythm(request: Request) -> Response:
    """Send the beats and onsets of a song.

    Raises:
      KeyError: they have not been found yet.
    """
    path = get_workspace(request).library.find_folder(get_song_id(request)) / RHYTHM
    if not path.is_file():
        raise KeyError(path.name)
    return FileResponse(path, media_type="application/json")


def _parse_part(request: Request, text: str) -> mixdown.MixPart:
    where, _, gain = text.rpartition("/")
    if where == "mixture":
        path = get_workspace(request).library.find_folder(get_song_id(request)) / "mixture.wav"
    else:
        run, _, source = where.partition("/")
        path = get_runs(request).find_file(run, source, "wav")
    return mixdown.MixPart(path, _parse_number(gain))


def _parse_number(text: str | None, default: float = 1.0) -> float:
    try:
        return float(text) if text else default
    except ValueError as error:
        raise InputError(f"{text!r} must be a number") from error


def get_runs(request: Request) -> Runs:
    """Return the runs of the song in a path."""
    return Runs(get_workspace(request).library.find_folder(get_song_id(request)))

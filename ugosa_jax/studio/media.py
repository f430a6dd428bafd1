"""Sound and pictures, in ranges: the browser asks for what it plays."""

import os
import shutil
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ugosa_jax.config import require
from ugosa_jax.errors import InputError
from ugosa_jax.studio import bounce, runs, security
from ugosa_jax.studio.library import shown_name
from ugosa_jax.studio.requests import song_of, studio_of
from ugosa_jax.studio.runs import Runs

KINDS = {"wav": "audio/wav", "peaks": "application/octet-stream", "spectrum": "application/octet-stream"}
KEPT = {"cache-control": "private, max-age=31536000, immutable"}
"""Of files whose address changes with their content."""


class Nameless(FileResponse):
    """A file without the time of its writing, which would tell two files apart."""

    def set_stat_headers(self, stat_result: os.stat_result) -> None:
        """Set the length alone."""
        super().set_stat_headers(stat_result)
        del self.headers["etag"], self.headers["last-modified"]


async def mixture(request: Request) -> Response:
    """Return the mixture, or its outline."""
    kind = request.path_params["kind"]
    if kind not in ("wav", "peaks"):
        raise KeyError(kind)
    path = studio_of(request).library.folder(song_of(request)) / f"mixture.{kind}"
    return FileResponse(path, media_type=KINDS[kind], headers=KEPT)


async def stem(request: Request) -> Response:
    """Return a stem or the residual of a run, its outline or its spectrogram."""
    kind, found = request.path_params["kind"], runs_of(request)
    if kind not in KINDS:
        raise KeyError(kind)
    path = found.file(request.path_params["run"], request.path_params["source"], kind)
    return FileResponse(path, media_type=KINDS[kind], headers=KEPT)


async def trial(request: Request) -> Response:
    """Return one of the two sounds of a blind comparison, under a name that tells nothing."""
    of_song = studio_of(request).trials(song_of(request))
    path = of_song.file(request.path_params["trial"], request.path_params["name"])
    return Nameless(path, media_type="audio/wav")


async def report(request: Request) -> Response:
    """Return the report of a run, which may show itself and nothing else."""
    path = runs_of(request).folder(request.path_params["run"]) / "report.html"
    if not path.is_file():
        raise KeyError(path.name)
    return FileResponse(path, media_type="text/html", headers={"content-security-policy": security.REPORT_POLICY})


async def stems(request: Request) -> Response:
    """Return the stems of a run as a zip file."""
    encoding, run = request.query_params.get("encoding", "float"), request.path_params["run"]
    require(encoding in ("float", "24"), "encoding", "float or 24", encoding)
    studio, found = studio_of(request), runs_of(request)
    found.folder(run)
    scratch = runs.scratch_folder(studio.library.songs)
    try:
        path = await run_in_threadpool(runs.zipped, found, run, encoding, scratch)  # pyright: ignore[reportArgumentType]
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    name = quote(f"{studio.library.song(song_of(request)).name} stems.zip", safe="")
    headers = {"content-disposition": f"attachment; filename=\"stems.zip\"; filename*=UTF-8''{name}"}
    away = BackgroundTask(shutil.rmtree, scratch, ignore_errors=True)
    return FileResponse(path, media_type="application/zip", headers=headers, background=away)


async def bounced(request: Request) -> Response:
    """Return a mix of stems, or a stretch of it, as one file of sound.

    Query: `part`, as often as there are sounds, is RUN/SOURCE/GAIN, or mixture/GAIN; `start` and `end` are seconds;
    `encoding` is float or 24; `name` is what the file is called.
    """
    studio, asked, kind = studio_of(request), request.query_params, request.path_params["kind"]
    if kind not in bounce.KINDS:
        raise KeyError(kind)
    song = studio.library.song(song_of(request))
    parts = [_part(request, text) for text in asked.getlist("part")]
    encoding = asked.get("encoding", "24")
    require(encoding in bounce.SUBTYPES, "encoding", "float or 24", encoding)
    start_s, end_s = (_number(asked.get(name), other) for name, other in (("start", 0.0), ("end", song.duration_s)))
    scratch = runs.scratch_folder(studio.library.songs)
    try:
        path = scratch / f"mix.{kind}"
        await run_in_threadpool(bounce.write, path, parts, start_s, end_s, kind, encoding)  # pyright: ignore[reportArgumentType]
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    name = quote(f"{shown_name(asked.get('name', song.name))}.{kind}", safe="")
    headers = {"content-disposition": f"attachment; filename=\"mix.{kind}\"; filename*=UTF-8''{name}"}
    away = BackgroundTask(shutil.rmtree, scratch, ignore_errors=True)
    return FileResponse(path, media_type=bounce.KINDS[kind], headers=headers, background=away)


def _part(request: Request, text: str) -> bounce.Part:
    where, _, gain = text.rpartition("/")
    if where == "mixture":
        return bounce.Part(studio_of(request).library.folder(song_of(request)) / "mixture.wav", _number(gain))
    run, _, source = where.partition("/")
    return bounce.Part(runs_of(request).file(run, source, "wav"), _number(gain))


def _number(text: str | None, otherwise: float = 1.0) -> float:
    """Return a number of a query.

    Raises:
      InputError: it is none.
    """
    try:
        return float(text) if text else otherwise
    except ValueError as error:
        raise InputError(f"{text!r} must be a number") from error


def runs_of(request: Request) -> Runs:
    """Return the runs of the song that an address names."""
    return Runs(studio_of(request).library.folder(song_of(request)))

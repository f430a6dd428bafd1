"""What pages ask about marks and jobs; and how requests are read."""

import re
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ugosa_jax.annotations.formats import Format
from ugosa_jax.annotations.formats.content import MAX_BYTES
from ugosa_jax.annotations.formats.label import UNITS, UnknownUnit
from ugosa_jax.annotations.unknown_names import MANY, UnknownNames
from ugosa_jax.config import require
from ugosa_jax.errors import InputError
from ugosa_jax.studio import marks
from ugosa_jax.studio.jobs import OPEN
from ugosa_jax.studio.library import TooLarge, shown_name
from ugosa_jax.studio.studio import Studio

MAX_JSON_BYTES = 4_000_000
EXPORTS: dict[str, tuple[Format, str]] = {"csv": ("csv", "text/csv"), "txt": ("audacity", "text/plain")}


def studio_of(request: Request) -> Studio:
    """Return what the server holds."""
    return request.app.state.studio


def song_of(request: Request) -> str:
    """Return the song that an address names.

    Raises:
      KeyError: there is none of that name.
    """
    id = request.path_params["song"]
    studio_of(request).library.folder(id)
    return id


async def body_of(request: Request, largest: int) -> bytes:
    """Return what was sent.

    Raises:
      TooLarge: it is more than `largest` bytes.
    """
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > largest:
            raise TooLarge(f"more than {largest / 1e6:.0f} MB were sent")
    return bytes(found)


async def json_of(request: Request) -> dict[str, Any]:
    """Return the object that was sent.

    Raises:
      InputError: it is none.
    """
    try:
        value = msgspec.json.decode(await body_of(request, MAX_JSON_BYTES))
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"request: {error}") from error
    require(isinstance(value, dict), "request", "an object", type(value).__name__)
    return value


def name_of(request: Request) -> str:
    """Return the name of a file that is sent, for people to read."""
    return shown_name(unquote(request.headers.get("x-name", "")))


async def events(request: Request) -> Response:
    """Tell a page what happens to its song, for as long as it listens."""
    stream = studio_of(request).events.stream(song_of(request))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def save_marks(request: Request) -> Response:
    """Save marks, and tell the song's other pages."""
    studio, id = studio_of(request), song_of(request)
    said = marks.parse(await json_of(request), studio.library.song(id).duration_s)
    saved = marks.save(studio.library.folder(id), said)  # not in a thread: two savers must not meet
    studio.events.tell(id, "marks", {"revision": saved.revision})
    return JSONResponse({"revision": saved.revision})


async def import_marks(request: Request) -> Response:
    """Return what a file says, as marks that the page takes over; or what is to be asked first: names, or a unit."""
    studio, id = studio_of(request), song_of(request)
    content = await body_of(request, MAX_BYTES)
    asked = request.query_params
    sources = studio.sources(asked.get("network", ""))
    song = studio.library.song(id)
    told = told_names(asked.get("names", "{}"))
    names = studio.names.find(sources) | told
    read = marks.imported, content, name_of(request), sources, song.duration_s, names, asked.get("unit")
    try:
        found, notes = await run_in_threadpool(*read)
    except UnknownNames as error:
        unknown = [
            {"name": one.name, "where": one.describe_place(), "hint": one.hint} for one in error.names if one.name
        ]
        if not 0 < len(unknown) <= MANY:
            raise
        return JSONResponse({"error": "names are not known", "ask": {"names": unknown, "sources": sources}}, 422)
    except UnknownUnit:
        return JSONResponse({"error": "the times can be no seconds", "ask": {"unit": [*UNITS]}}, 422)
    if asked.get("remember") == "yes":
        studio.names.keep(told)
    return JSONResponse(msgspec.to_builtins(found) | {"notes": [without_options(note) for note in notes]})


def without_options(text: str) -> str:
    """Return a message without what it says of options of the command line, which a page does not have."""
    text = re.sub(r" \((?:[^()]*\W)?--[a-z][^()]*\)", "", text)
    return re.sub(r"[;,:] (?:[^;:]*?\W)?--[a-z][^;]*", "", text)


def told_names(text: str) -> dict[str, str]:
    """Return what a page says that names stand for.

    Raises:
      InputError: it is no object of texts.
    """
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError as error:
        raise InputError(f"names: {error}") from error


async def export_marks(request: Request) -> Response:
    """Return the marks as a file."""
    studio, id = studio_of(request), song_of(request)
    format, kind = EXPORTS[request.path_params["format"]]
    known = studio.library.song(id)
    said = marks.load(studio.library.folder(id))
    if not said.marks and "silent" not in said.elsewhere.values():
        raise InputError("nothing is marked yet")
    sources = studio.sources(request.query_params.get("network", ""))
    content = await run_in_threadpool(marks.exported, said, sources, known.duration_s, format)
    name = f'attachment; filename="annotation.{request.path_params["format"]}"'
    return Response(content, media_type=kind, headers={"content-disposition": name})


async def estimate(request: Request) -> Response:
    """Tell how long an adaptation will take, or why it cannot be done."""
    asked = await json_of(request)
    return JSONResponse({"estimate": studio_of(request).estimate(song_of(request), asked)})


async def add_job(request: Request) -> Response:
    """Put a job into the queue."""
    asked = await json_of(request)
    studio = studio_of(request)
    return JSONResponse(studio.shown(studio.order(song_of(request), asked)))


async def cancel_job(request: Request) -> Response:
    """Call a job off."""
    studio = studio_of(request)
    job = studio.queue.get(song_of(request), request.path_params["job"])
    studio.foreman.cancel(job, at_once=request.query_params.get("at") == "once")
    return JSONResponse(studio.shown(job))


async def remove_job(request: Request) -> Response:
    """Forget a job that is over."""
    studio = studio_of(request)
    job = studio.queue.get(song_of(request), request.path_params["job"])
    require(job.state not in OPEN, "job", "over", job.state)
    studio.queue.remove(job)
    return JSONResponse({})

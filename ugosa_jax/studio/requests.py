"""HTTP endpoints for marks and jobs, and functions that read requests."""

import re
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ugosa_jax import files
from ugosa_jax.annotations.formats import Format
from ugosa_jax.annotations.formats.content import MAX_BYTES
from ugosa_jax.annotations.formats.label import UNITS, UnknownUnit
from ugosa_jax.annotations.unknown_names import MAX_UNKNOWN_NAMES, UnknownNames
from ugosa_jax.config import require
from ugosa_jax.errors import InputError, error_context
from ugosa_jax.studio import marks
from ugosa_jax.studio.jobs import OPEN
from ugosa_jax.studio.library import TooLarge, clean_name
from ugosa_jax.studio.workspace import Workspace

MAX_JSON_BYTES = 4_000_000
EXPORTS: dict[str, tuple[Format, str]] = {"csv": ("csv", "text/csv"), "txt": ("audacity", "text/plain")}


def get_workspace(request: Request) -> Workspace:
    """Return the work folder that the server serves."""
    return request.app.state.workspace


def get_song_id(request: Request) -> str:
    """Return the ID of the song in the path of a request.

    Raises:
      KeyError: there is no such song.
    """
    id = request.path_params["song"]
    get_workspace(request).library.find_folder(id)
    return id


async def read_body(request: Request, largest: int) -> bytes:
    """Read the body of a request.

    Raises:
      TooLarge: it has more than `largest` bytes.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > largest:
            raise TooLarge(f"request: larger than {largest / 1e6:.0f} MB")
    return bytes(content)


async def read_json(request: Request) -> dict[str, Any]:
    """Read the JSON object in the body of a request.

    Raises:
      InputError: the body is not a JSON object.
    """
    body = await read_body(request, MAX_JSON_BYTES)
    with error_context("request"):
        return files.decode(body, dict[str, Any])


def read_file_name(request: Request) -> str:
    """Return the cleaned name of an uploaded file."""
    return clean_name(unquote(request.headers.get("x-name", "")))


async def stream_events(request: Request) -> Response:
    """Stream the events of a song to a page."""
    stream = get_workspace(request).events.stream(get_song_id(request))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def save_marks(request: Request) -> Response:
    """Save marks and notify the song's other pages."""
    workspace, id = get_workspace(request), get_song_id(request)
    edited = marks.parse(await read_json(request), workspace.library.load_song(id).duration_s)
    saved = marks.save(workspace.library.find_folder(id), edited)  # not in a thread, because saves must not interleave
    workspace.events.send(id, "marks", {"revision": saved.revision})
    return JSONResponse({"revision": saved.revision})


async def import_marks(request: Request) -> Response:
    """Return the marks in an uploaded file, or the unknown names or unit that the page must ask the user about."""
    workspace, id = get_workspace(request), get_song_id(request)
    content = await read_body(request, MAX_BYTES)
    query = request.query_params
    sources = workspace.list_sources(query.get("network", ""))
    song = workspace.library.load_song(id)
    source_of_name = parse_names(query.get("names", "{}"))
    names = workspace.names.find(sources) | source_of_name
    read = marks.import_file, content, read_file_name(request), sources, song.duration_s, names, query.get("unit")
    try:
        found, notes = await run_in_threadpool(*read)
    except UnknownNames as error:
        unknown = [
            {"name": one.name, "where": one.describe_place(), "hint": one.hint} for one in error.names if one.name
        ]
        if not 0 < len(unknown) <= MAX_UNKNOWN_NAMES:
            raise
        return JSONResponse({"error": "unknown names", "ask": {"names": unknown, "sources": sources}}, 422)
    except UnknownUnit:
        return JSONResponse({"error": "the times cannot be seconds", "ask": {"unit": [*UNITS]}}, 422)
    if query.get("remember") == "yes":
        workspace.names.remember(source_of_name)
    return JSONResponse(msgspec.to_builtins(found) | {"notes": [strip_options(note) for note in notes]})


def strip_options(text: str) -> str:
    """Remove hints about command-line options, which the page does not have, from a message."""
    text = re.sub(r" \((?:[^()]*\W)?--[a-z][^()]*\)", "", text)
    return re.sub(r"[;,:] (?:[^;:]*?\W)?--[a-z][^;]*", "", text)


def parse_names(text: str) -> dict[str, str]:
    """Parse the mapping from names in an uploaded file to sources, which the page sent.

    Raises:
      InputError: the text is not a JSON object of strings.
    """
    with error_context("names"):
        return files.decode(text, dict[str, str])


async def export_marks(request: Request) -> Response:
    """Send the marks as a file."""
    workspace, id = get_workspace(request), get_song_id(request)
    format, kind = EXPORTS[request.path_params["format"]]
    song = workspace.library.load_song(id)
    saved = marks.load(workspace.library.find_folder(id))
    if not saved.marks and "silent" not in saved.elsewhere.values():
        raise InputError("nothing is marked yet")
    sources = workspace.list_sources(request.query_params.get("network", ""))
    content = await run_in_threadpool(marks.export_file, saved, sources, song.duration_s, format)
    name = f'attachment; filename="annotation.{request.path_params["format"]}"'
    return Response(content, media_type=kind, headers={"content-disposition": name})


async def estimate_time(request: Request) -> Response:
    """Return the estimated time of an adaptation, or an error that explains why it is impossible."""
    body = await read_json(request)
    return JSONResponse({"estimate": get_workspace(request).estimate_time(get_song_id(request), body)})


async def estimate_costs(request: Request) -> Response:
    """Return the estimated time of an adaptation with each network and the settings suggested for it."""
    return JSONResponse(get_workspace(request).estimate_costs(get_song_id(request)))


async def add_job(request: Request) -> Response:
    """Add a job to the queue."""
    body = await read_json(request)
    workspace = get_workspace(request)
    return JSONResponse(workspace.describe_job(workspace.add_job(get_song_id(request), body)))


async def cancel_job(request: Request) -> Response:
    """Cancel a job."""
    workspace = get_workspace(request)
    job = workspace.queue.get(get_song_id(request), request.path_params["job"])
    workspace.supervisor.cancel(job, at_once=request.query_params.get("at") == "once")
    return JSONResponse(workspace.describe_job(job))


async def remove_job(request: Request) -> Response:
    """Delete a finished job."""
    workspace = get_workspace(request)
    job = workspace.queue.get(get_song_id(request), request.path_params["job"])
    require(job.state not in OPEN, "job", "finished", job.state)
    workspace.queue.remove(job)
    return JSONResponse({})

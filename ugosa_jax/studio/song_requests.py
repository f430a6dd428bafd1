"""HTTP endpoints for songs, runs and blind comparisons."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ugosa_jax.config import require
from ugosa_jax.studio import demo_song, trials
from ugosa_jax.studio.jobs import OPEN
from ugosa_jax.studio.requests import get_song_id, get_workspace, read_file_name, read_json
from ugosa_jax.studio.runs import Runs
from ugosa_jax.studio.titles import Titles


async def list_songs(request: Request) -> Response:
    """List all songs."""
    entries = await run_in_threadpool(get_workspace(request).library.list_songs)
    return JSONResponse({"songs": msgspec.to_builtins(entries)})


async def add_song(request: Request) -> Response:
    """Add an uploaded song."""
    song = await get_workspace(request).library.receive(request.stream(), read_file_name(request))
    return JSONResponse(msgspec.to_builtins(song))


async def add_demo(request: Request) -> Response:
    """Add the demo song."""
    song = await run_in_threadpool(demo_song.add_demo_song, get_workspace(request).library)
    return JSONResponse(msgspec.to_builtins(song))


async def show_song(request: Request) -> Response:
    """Return everything that the page of a song needs to start."""
    return JSONResponse(await run_in_threadpool(get_workspace(request).describe_song, get_song_id(request)))


async def rename_song(request: Request) -> Response:
    """Rename a song."""
    name = (await read_json(request)).get("name")
    require(isinstance(name, str) and bool(name.strip()), "name", "some letters", name)
    song = get_workspace(request).library.rename(get_song_id(request), str(name))
    return JSONResponse(msgspec.to_builtins(song))


async def remove_song(request: Request) -> Response:
    """Delete a song and all its work."""
    await run_in_threadpool(get_workspace(request).remove_song, get_song_id(request))
    return JSONResponse({})


async def save_page(request: Request) -> Response:
    """Save the state of a song's page."""
    library, id = get_workspace(request).library, get_song_id(request)
    library.save_page(id, await read_json(request))
    return JSONResponse({})


async def remove_run(request: Request) -> Response:
    """Delete a run."""
    workspace, id, run = get_workspace(request), get_song_id(request), request.path_params["run"]
    is_needed = any(job.start == run for job in workspace.queue.select(id) if job.state in OPEN)
    require(not is_needed, "run", "one that no open job starts from", run)
    Runs(workspace.library.find_folder(id)).remove(run)
    workspace.events.send(id, "runs", None)
    return JSONResponse({})


async def title_run(request: Request) -> Response:
    """Give a run a name and a note."""
    workspace, id, run = get_workspace(request), get_song_id(request), request.path_params["run"]
    asked = await read_json(request)
    name, note = (str(asked.get(field, "")) for field in ("name", "note"))
    title = Titles(workspace.library.find_folder(id)).change(run, name, note)
    workspace.events.send(id, "runs", None)
    return JSONResponse(msgspec.to_builtins(title))


async def begin_trial(request: Request) -> Response:
    """Start a blind comparison."""
    asked = await read_json(request)
    source, first, second = (str(asked.get(name)) for name in ("source", "first", "second"))
    return JSONResponse(get_workspace(request).open_trials(get_song_id(request)).begin(source, first, second))


async def record_vote(request: Request) -> Response:
    """Record a vote and return the runs behind a and b."""
    asked = await read_json(request)
    choice = asked.get("choice")
    require(choice in ("a", "b", "same"), "choice", "a, b or same", choice)
    song_trials = get_workspace(request).open_trials(get_song_id(request))
    given = song_trials.vote(request.path_params["trial"], choice)  # pyright: ignore[reportArgumentType]
    return JSONResponse({"vote": given, "votes": trials.count_votes(song_trials.load_votes())})


async def take_back_vote(request: Request) -> Response:
    """Delete a vote."""
    song_trials = get_workspace(request).open_trials(get_song_id(request))
    song_trials.take_back(request.path_params["trial"])
    return JSONResponse({"votes": trials.count_votes(song_trials.load_votes())})

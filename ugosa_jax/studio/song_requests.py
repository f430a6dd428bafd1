"""What pages ask about songs, runs and blind comparisons."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ugosa_jax.config import require
from ugosa_jax.studio import demo, trials
from ugosa_jax.studio.jobs import OPEN
from ugosa_jax.studio.requests import json_of, name_of, song_of, studio_of
from ugosa_jax.studio.runs import Runs
from ugosa_jax.studio.titles import Titles


async def songs(request: Request) -> Response:
    """List all songs."""
    found = await run_in_threadpool(studio_of(request).library.listing)
    return JSONResponse({"songs": msgspec.to_builtins(found)})


async def add_song(request: Request) -> Response:
    """Take in a song."""
    song = await studio_of(request).library.received(request.stream(), name_of(request))
    return JSONResponse(msgspec.to_builtins(song))


async def add_demo(request: Request) -> Response:
    """Open the bundled song."""
    song = await run_in_threadpool(demo.added, studio_of(request).library)
    return JSONResponse(msgspec.to_builtins(song))


async def song(request: Request) -> Response:
    """Tell all that a page shows of a song at first."""
    return JSONResponse(await run_in_threadpool(studio_of(request).described, song_of(request)))


async def rename_song(request: Request) -> Response:
    """Give a song another name."""
    name = (await json_of(request)).get("name")
    require(isinstance(name, str) and bool(name.strip()), "name", "some letters", name)
    song = studio_of(request).library.rename(song_of(request), str(name))
    return JSONResponse(msgspec.to_builtins(song))


async def remove_song(request: Request) -> Response:
    """Delete a song and everything that was done to it."""
    await run_in_threadpool(studio_of(request).remove, song_of(request))
    return JSONResponse({})


async def save_page(request: Request) -> Response:
    """Remember how a song's page was left."""
    library, id = studio_of(request).library, song_of(request)
    library.save_page(id, await json_of(request))
    return JSONResponse({})


async def remove_run(request: Request) -> Response:
    """Delete a run."""
    studio, id, run = studio_of(request), song_of(request), request.path_params["run"]
    wanted = any(job.start == run for job in studio.queue.select(id) if job.state in OPEN)
    require(not wanted, "run", "one that no waiting job begins with", run)
    Runs(studio.library.folder(id)).remove(run)
    studio.events.tell(id, "runs", None)
    return JSONResponse({})


async def title_run(request: Request) -> Response:
    """Give a run a name and a note."""
    studio, id, run = studio_of(request), song_of(request), request.path_params["run"]
    asked = await json_of(request)
    name, note = (str(asked.get(field, "")) for field in ("name", "note"))
    title = Titles(studio.library.folder(id)).change(run, name, note)
    studio.events.tell(id, "runs", None)
    return JSONResponse(msgspec.to_builtins(title))


async def begin_trial(request: Request) -> Response:
    """Begin a blind comparison."""
    asked = await json_of(request)
    source, first, second = (str(asked.get(name)) for name in ("source", "first", "second"))
    return JSONResponse(studio_of(request).trials(song_of(request)).begin(source, first, second))


async def vote(request: Request) -> Response:
    """Record a vote, and tell what a and b were."""
    asked = await json_of(request)
    choice = asked.get("choice")
    require(choice in ("a", "b", "same"), "choice", "a, b or same", choice)
    of_song = studio_of(request).trials(song_of(request))
    given = of_song.vote(request.path_params["trial"], choice)  # pyright: ignore[reportArgumentType]
    return JSONResponse({"vote": given, "votes": trials.tally(of_song.votes())})


async def take_back_vote(request: Request) -> Response:
    """Forget a vote."""
    of_song = studio_of(request).trials(song_of(request))
    of_song.take_back(request.path_params["trial"])
    return JSONResponse({"votes": trials.tally(of_song.votes())})

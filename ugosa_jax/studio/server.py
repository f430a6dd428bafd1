"""The web server: what each address answers, and how the studio is opened."""

import contextlib
import functools
import socket
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import FrameType

import platformdirs
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ugosa_jax.errors import InputError
from ugosa_jax.studio import demo, media, requests, security, song_requests
from ugosa_jax.studio.library import TooLarge, shown_name
from ugosa_jax.studio.marks import Stale
from ugosa_jax.studio.security import Guard
from ugosa_jax.studio.studio import Studio

STATIC = Path(__file__).parent / "static"
PORT = 8630
LOOPBACK = ("127.0.0.1", "localhost", "::1")
GRACE_S = 2
"""Seconds in which open connections may end by themselves."""

Endpoint = Callable[[Request], Awaitable[Response]]


class Serving(uvicorn.Server):
    """A server that lets the listening pages go when it is to end, rather than wait for them."""

    def __init__(self, settings: uvicorn.Config, studio: Studio):
        """Serve a studio."""
        super().__init__(settings)
        self.studio = studio

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End."""
        self.studio.events.close()
        super().handle_exit(sig, frame)


def page(request: Request) -> HTMLResponse:
    """Answer with the page, which asks for everything else."""
    text = (STATIC / "index.html").read_text("utf-8")
    text = text.replace("{{root}}", f"/{request.app.state.token}")
    return HTMLResponse(text, headers={"content-security-policy": security.PAGE_POLICY})


def plain_errors(endpoint: Endpoint) -> Endpoint:
    """Make one line of JSON of every error that is the asker's."""

    @functools.wraps(endpoint)
    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except KeyError:
            return JSONResponse({"error": "there is no such thing (any more)"}, 404)
        except TooLarge as error:
            return JSONResponse({"error": str(error)}, 413, headers={"connection": "close"})
        except Stale as error:
            return JSONResponse({"error": str(error), "revision": error.now.revision}, 409)
        except InputError as error:
            return JSONResponse({"error": requests.without_options(str(error))}, 422)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there who could read it

    return wrapped


def routes() -> list[Route | Mount]:
    """Return all addresses, without the token that they begin with."""
    table: list[tuple[str, str, Endpoint]] = [
        ("GET", "/api/songs", song_requests.songs),
        ("POST", "/api/songs", song_requests.add_song),
        ("POST", "/api/demo", song_requests.add_demo),
        ("GET", "/api/songs/{song}", song_requests.song),
        ("PATCH", "/api/songs/{song}", song_requests.rename_song),
        ("DELETE", "/api/songs/{song}", song_requests.remove_song),
        ("PUT", "/api/songs/{song}/page", song_requests.save_page),
        ("GET", "/api/songs/{song}/events", requests.events),
        ("PUT", "/api/songs/{song}/marks", requests.save_marks),
        ("POST", "/api/songs/{song}/import", requests.import_marks),
        ("GET", "/api/songs/{song}/export.{format:str}", requests.export_marks),
        ("POST", "/api/songs/{song}/estimate", requests.estimate),
        ("POST", "/api/songs/{song}/jobs", requests.add_job),
        ("POST", "/api/songs/{song}/jobs/{job}/cancel", requests.cancel_job),
        ("DELETE", "/api/songs/{song}/jobs/{job}", requests.remove_job),
        ("PATCH", "/api/songs/{song}/runs/{run}", song_requests.title_run),
        ("DELETE", "/api/songs/{song}/runs/{run}", song_requests.remove_run),
        ("POST", "/api/songs/{song}/trials", song_requests.begin_trial),
        ("POST", "/api/songs/{song}/trials/{trial}/vote", song_requests.vote),
        ("DELETE", "/api/songs/{song}/trials/{trial}/vote", song_requests.take_back_vote),
        ("GET", "/api/songs/{song}/sound.{kind:str}", media.bounced),
        ("GET", "/api/songs/{song}/mixture.{kind:str}", media.mixture),
        ("GET", "/api/songs/{song}/runs/{run}/stems.zip", media.stems),
        ("GET", "/api/songs/{song}/runs/{run}/report.html", media.report),
        ("GET", "/api/songs/{song}/runs/{run}/{source}.{kind:str}", media.stem),
        ("GET", "/api/songs/{song}/trials/{trial}/{name}.wav", media.trial),
    ]
    found: list[Route | Mount] = [Route(path, plain_errors(do), methods=[method]) for method, path, do in table]
    return [
        *found,
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/", page),
        Route("/song/{song}", page),
    ]


def app(studio: Studio, token: str) -> Starlette:
    """Return the application behind the guard."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with studio.working():
            yield

    made = Starlette(routes=routes(), lifespan=lifespan)
    made.state.studio, made.state.token = studio, token
    return made


def guarded(studio: Studio, token: str, host: str) -> Guard:
    """Return what a server bound to `host` runs."""
    names = {*LOOPBACK, host}
    beyond = host not in LOOPBACK
    if beyond:
        names |= {socket.gethostname(), socket.getfqdn()}
    return Guard(app(studio, token), token, names, any_address=beyond)


def default_folder() -> Path:
    """Return the folder of work where none is named: the user's data folder."""
    return Path(platformdirs.user_data_dir("ugosa_jax")) / "studio"


def run(song: Path | None, work: Path, host: str, port: int | None, with_demo: bool, open_browser: bool) -> int:
    """Serve the studio until it is interrupted; return 0.

    Args:
      song: a song to open at once.
      work: the folder that all work is kept in.
      host: address to listen on.
      port: port to listen on; 8630, or a free one if that is taken, if not given.
      with_demo: open the bundled song.
      open_browser: open the page in the browser.

    Raises:
      InputError: the song cannot be used, the folder not be written, or the port not be had.
    """
    from ugosa_jax.studio.folder import locked

    with locked(work):
        studio, token = Studio(work), security.kept_token(work)
        opened = None
        if song is not None:
            opened = studio.library.added(song, shown_name(song.name))
        elif with_demo:
            opened = demo.added(studio.library)
        listening = listen(host, port)
        number = listening.getsockname()[1]
        shown = "127.0.0.1" if host in ("0.0.0.0", "::", *LOOPBACK) else host
        address = f"http://{f'[{shown}]' if ':' in shown else shown}:{number}/{token}/"
        address += f"song/{opened.id}" if opened else ""
        print(f"studio   {address}\nwork     {work}\nCtrl+C ends it; everything is saved as you go", flush=True)
        if open_browser:
            webbrowser.open(address)
        settings = uvicorn.Config(
            guarded(studio, token, host), log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S,
            server_header=False, ws="none",
        )  # fmt: skip
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after it has ended in good order
            Serving(settings, studio).run(sockets=[listening])
    return 0


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens.

    Raises:
      InputError: the port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in (PORT, 0) if port is None else (port,):
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, number))
            listening.listen()
            return listening
        except (OSError, OverflowError) as error:
            listening.close()
            if number == port or number == 0:
                reason = getattr(error, "strerror", None) or error
                raise InputError(f"--host {host} --port {number}: cannot listen there ({reason})") from error
    raise AssertionError("a port of 0 is given or refused")

"""The web server of the studio: routes, and the function that starts it."""

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
from ugosa_jax.studio import demo_song, requests, security, song_requests, sound_requests
from ugosa_jax.studio.library import TooLarge, clean_name
from ugosa_jax.studio.marks import Stale
from ugosa_jax.studio.security import Guard
from ugosa_jax.studio.workspace import Workspace

STATIC = Path(__file__).parent / "static"
PORT = 8630
LOOPBACK = ("127.0.0.1", "localhost", "::1")
GRACE_S = 2
"""Time in seconds that open connections have to close when the server stops."""

Endpoint = Callable[[Request], Awaitable[Response]]


class StudioServer(uvicorn.Server):
    """A server that disconnects event streams when it stops, instead of waiting for them."""

    def __init__(self, workspace: Workspace, token: str, host: str):
        """Configure the server for a work folder and requests to `host`."""
        app = build_guarded_app(workspace, token, host)
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=GRACE_S,
                server_header=False,
                ws="none",  # otherwise uvicorn prints that websockets need more packages
            )
        )
        self.workspace = workspace

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop the server."""
        self.workspace.events.close()
        super().handle_exit(sig, frame)


def serve_page(request: Request) -> HTMLResponse:
    """Send the page, which requests everything else."""
    text = (STATIC / "index.html").read_text("utf-8")
    text = text.replace("{{root}}", f"/{request.app.state.token}")
    return HTMLResponse(text, headers={"content-security-policy": security.PAGE_POLICY})


def answer_errors(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that answers errors with one line of JSON."""

    @functools.wraps(endpoint)
    async def respond(request: Request) -> Response:
        try:
            return await endpoint(request)
        except KeyError:
            return JSONResponse({"error": "not found; it may have been deleted"}, 404)
        except TooLarge as error:
            return JSONResponse({"error": str(error)}, 413, headers={"connection": "close"})
        except Stale as error:
            return JSONResponse({"error": str(error), "revision": error.now.revision}, 409)
        except InputError as error:
            return JSONResponse({"error": requests.strip_options(str(error))}, 422)
        except ClientDisconnect:
            return Response(status_code=499)  # the client is gone and does not read it

    return respond


def list_routes() -> list[Route | Mount]:
    """Return all routes; their paths are without the token."""
    table: list[tuple[str, str, Endpoint]] = [
        ("GET", "/api/songs", song_requests.list_songs),
        ("POST", "/api/songs", song_requests.add_song),
        ("POST", "/api/demo", song_requests.add_demo),
        ("GET", "/api/songs/{song}", song_requests.show_song),
        ("PATCH", "/api/songs/{song}", song_requests.rename_song),
        ("DELETE", "/api/songs/{song}", song_requests.remove_song),
        ("PUT", "/api/songs/{song}/page", song_requests.save_page),
        ("GET", "/api/songs/{song}/events", requests.stream_events),
        ("PUT", "/api/songs/{song}/marks", requests.save_marks),
        ("POST", "/api/songs/{song}/import", requests.import_marks),
        ("GET", "/api/songs/{song}/export.{format:str}", requests.export_marks),
        ("POST", "/api/songs/{song}/estimate", requests.estimate_time),
        ("GET", "/api/songs/{song}/costs", requests.estimate_costs),
        ("GET", "/api/songs/{song}/rhythm", sound_requests.send_rhythm),
        ("POST", "/api/songs/{song}/jobs", requests.add_job),
        ("POST", "/api/songs/{song}/jobs/{job}/cancel", requests.cancel_job),
        ("DELETE", "/api/songs/{song}/jobs/{job}", requests.remove_job),
        ("PATCH", "/api/songs/{song}/runs/{run}", song_requests.title_run),
        ("DELETE", "/api/songs/{song}/runs/{run}", song_requests.remove_run),
        ("POST", "/api/songs/{song}/trials", song_requests.begin_trial),
        ("POST", "/api/songs/{song}/trials/{trial}/vote", song_requests.record_vote),
        ("DELETE", "/api/songs/{song}/trials/{trial}/vote", song_requests.take_back_vote),
        ("GET", "/api/songs/{song}/sound.{kind:str}", sound_requests.send_mixdown),
        ("GET", "/api/songs/{song}/mixture.{kind:str}", sound_requests.send_mixture),
        ("GET", "/api/songs/{song}/runs/{run}/stems.zip", sound_requests.send_stems),
        ("GET", "/api/songs/{song}/runs/{run}/report.html", sound_requests.send_report),
        ("GET", "/api/songs/{song}/runs/{run}/{source}.{kind:str}", sound_requests.send_stem),
        ("GET", "/api/songs/{song}/trials/{trial}/{name}.wav", sound_requests.send_trial_sound),
    ]
    found: list[Route | Mount] = [Route(path, answer_errors(do), methods=[method]) for method, path, do in table]
    return [
        *found,
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/", serve_page),
        Route("/song/{song}", serve_page),
    ]


def build_app(workspace: Workspace, token: str) -> Starlette:
    """Return the application without its guard."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with workspace.run_worker():
            yield

    app = Starlette(routes=list_routes(), lifespan=lifespan)
    app.state.workspace, app.state.token = workspace, token
    return app


def build_guarded_app(workspace: Workspace, token: str, host: str) -> Guard:
    """Return the application for a server bound to `host`."""
    names = {*LOOPBACK, host}
    beyond = host not in LOOPBACK
    if beyond:
        names |= {socket.gethostname(), socket.getfqdn()}
    return Guard(build_app(workspace, token), token, names, any_address=beyond)


def find_default_folder() -> Path:
    """Return the default work folder, in the user's data folder."""
    return Path(platformdirs.user_data_dir("ugosa_jax")) / "studio"


def run_server(song: Path | None, work: Path, host: str, port: int | None, with_demo: bool, open_browser: bool) -> int:
    """Serve the studio until it is interrupted; return 0.

    Args:
      song: a song to open.
      work: the work folder.
      host: address to listen on.
      port: port to listen on; by default 8630, or a free one if that is taken.
      with_demo: open the bundled song.
      open_browser: open the page in a browser.

    Raises:
      InputError: the song cannot be read, the folder cannot be written, or the port is taken.
    """
    from ugosa_jax.studio.folder_lock import lock_folder

    with lock_folder(work):
        workspace, token = Workspace(work), security.load_token(work)
        entry = None
        if song is not None:
            entry = workspace.library.add_file(song, clean_name(song.name))
        elif with_demo:
            entry = demo_song.add_demo_song(workspace.library)
        listening = listen(host, port)
        number = listening.getsockname()[1]
        shown = "127.0.0.1" if host in ("0.0.0.0", "::", *LOOPBACK) else host
        address = f"http://{f'[{shown}]' if ':' in shown else shown}:{number}/{token}/"
        address += f"song/{entry.id}" if entry else ""
        print(f"studio   {address}\nwork     {work}\nCtrl+C stops the studio; all work is saved", flush=True)
        if open_browser:
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after a clean stop
            StudioServer(workspace, token, host).run(sockets=[listening])
    return 0


def listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket.

    Raises:
      InputError: the port is taken, or the address does not belong to this machine.
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

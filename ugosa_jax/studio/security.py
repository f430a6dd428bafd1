"""Access control: host names, origins, the token, and the content security policy.

The server runs on a personal machine, where every page in every browser tab can send it requests. Three checks reject
requests of other pages. The Host header must be a name of the server, which prevents DNS rebinding. A request that
changes something must come from one of the server's pages (Origin). Every path begins with a random token that is part
of the printed address only.
"""

import hmac
import ipaddress
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = ("GET", "HEAD")
OPEN_PRINTED = "open the address that `ugosa-jax studio` printed"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy of the page: no inline script or style, and nothing from other hosts."""
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox"
)
"""Content security policy of reports, which are self-contained and have no script."""
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Default headers of every response."""


class Guard:
    """Middleware that forwards a request, without the token in its path, only if host, origin and token are correct."""

    def __init__(self, app: ASGIApp, token: str, names: Iterable[str], any_address: bool = False):
        """Guard an app.

        Args:
          app: the application.
          token: first part of every path.
          names: accepted host names and addresses.
          any_address: whether any numeric address is accepted too, which is safe because DNS rebinding needs a name.
        """
        self.app, self.token, self.names, self.any_address = app, token, {*names}, any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject or forward a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self.refuse(scope)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        path = "/" + scope["path"].split("/", 2)[2]
        await self.app({**scope, "path": path, "raw_path": path.encode()}, receive, send_with_headers)

    def refuse(self, scope: Scope) -> PlainTextResponse | None:
        """Return the response that rejects a request, or None if it is to be forwarded."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self.is_own(host):
            return PlainTextResponse(f"{OPEN_PRINTED}: this server has no other name\n", 403)
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != host
        if foreign or (origin is None and scope["method"] not in SAFE_METHODS):
            return PlainTextResponse(f"{OPEN_PRINTED}: only its own pages may ask for this\n", 403)
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            # a link or a script on another site's page; opening the printed address sends "none"
            return PlainTextResponse("open the address in a tab of its own\n", 403)
        first, _, rest = scope["path"][1:].partition("/")
        if not hmac.compare_digest(first.encode(), self.token.encode()) or "/" not in scope["path"][1:]:
            return PlainTextResponse(f"not found; {OPEN_PRINTED}\n", 404)
        return PlainTextResponse("not found\n", 404) if ".." in rest.split("/") else None

    def is_own(self, host: str) -> bool:
        """Return whether a Host header names this server."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address


def load_token(folder: Path) -> str:
    """Return the random token of a work folder; it is created on first use, in a file that only its owner may read.

    It is kept when the server restarts, so that open pages keep working. Delete the file to get a new token.
    """
    path = folder / "token"
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if len(token) >= 32 and token.replace("-", "").replace("_", "").isalnum():
        return token
    token = secrets.token_urlsafe(24)
    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(token + "\n")
    return token

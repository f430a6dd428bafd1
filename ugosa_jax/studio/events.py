"""Server-sent events: each page gets the events of its own song."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

HEARTBEAT_S = 15.0
"""Time without an event after which a comment is sent, so that both ends notice a broken connection."""
MAX_WAITING = 1000
"""Largest number of events queued for a page; a page with more is disconnected and reloads its state."""


class Events:
    """The connected pages of each song."""

    def __init__(self) -> None:
        """Initialise without pages."""
        self._listeners: dict[str, set[asyncio.Queue[str | None]]] = {}

    def send(self, song: str, kind: str, value: Any) -> None:
        """Send an event to all pages of a song."""
        text = f"event: {kind}\ndata: {json.dumps(value)}\n\n"
        for queue in list(self._listeners.get(song, ())):
            if queue.qsize() >= MAX_WAITING:
                self._listeners[song].discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(text)

    def send_to_all(self, kind: str, value: Any) -> None:
        """Send an event to the pages of all songs."""
        for song in list(self._listeners):
            self.send(song, kind, value)

    def close(self) -> None:
        """Disconnect all pages, so that the server can stop."""
        for queues in self._listeners.values():
            for queue in queues:
                queue.put_nowait(None)

    async def stream(self, song: str) -> AsyncIterator[str]:
        """Yield the events of a song as text/event-stream, until the page leaves or `close` is called."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.setdefault(song, set()).add(queue)
        try:
            yield "retry: 1000\n\n"
            while True:
                text: str | None = ": still here\n\n"
                with contextlib.suppress(TimeoutError):
                    text = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                if text is None:
                    return
                yield text
        finally:
            self._listeners[song].discard(queue)
            if not self._listeners[song]:
                del self._listeners[song]

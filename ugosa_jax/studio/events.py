"""What pages are told while they are open: server-sent events, each song's to its own pages alone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

HEARTBEAT_S = 15.0
"""A comment is sent after so much silence, by which both ends learn that the other one is gone."""
MAX_WAITING = 1000
"""Events that a page may be behind; one that is further behind is let go, and asks again."""


class Events:
    """Hands events on to whoever listens."""

    def __init__(self) -> None:
        """Begin with no listeners."""
        self._listeners: dict[str, set[asyncio.Queue[str | None]]] = {}

    def tell(self, song: str, kind: str, value: Any) -> None:
        """Send an event to all pages of a song."""
        text = f"event: {kind}\ndata: {json.dumps(value)}\n\n"
        for queue in list(self._listeners.get(song, ())):
            if queue.qsize() >= MAX_WAITING:
                self._listeners[song].discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(text)

    def tell_all(self, kind: str, value: Any) -> None:
        """Send an event that speaks of no song to all pages."""
        for song in list(self._listeners):
            self.tell(song, kind, value)

    def close(self) -> None:
        """Let all pages go, so that the server can end."""
        for queues in self._listeners.values():
            for queue in queues:
                queue.put_nowait(None)

    async def stream(self, song: str) -> AsyncIterator[str]:
        """Yield the events of a song as they are sent."""
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

"""One request for Server-Sent Events: the events of its answer."""

from __future__ import annotations

import asyncio
import json
import ssl as tls
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

#: Bytes of a line of the head at most, and of what is read of a refusal.
LINE = 64 << 10
#: Lines of a head at most.
LINES = 100


class Refused(Exception):
    """The request was answered with another status than 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Server:
    """Where streams come from."""

    host: str
    port: int
    ssl: tls.SSLContext | None
    #: Seconds for the connection, and for the head of the answer.
    patience: float
    #: Seconds of silence after which a stream is dead.
    silence: float

    async def events(self, request: str) -> AsyncGenerator[str, None]:
        """Sends the head of a request. Each event is its lines as text."""
        opening = asyncio.open_connection(self.host, self.port, ssl=self.ssl, limit=LINE)
        reader, writer = await asyncio.wait_for(opening, self.patience)
        try:
            writer.write(request.encode())
            body = await asyncio.wait_for(_body(reader), self.patience)
            rest = b""
            while piece := await asyncio.wait_for(body(), self.silence):
                *events, rest = (rest + piece).split(b"\n\n")
                for event in events:
                    yield event.decode()
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader) -> Callable[[], Awaitable[bytes]]:
    """Reads the head of an answer. Returns what reads its body, piece by piece."""
    words = (await reader.readline()).split(maxsplit=2)
    status = int(words[1]) if len(words) > 1 else 0
    fields = {}
    for _ in range(LINES):
        name, colon, value = (await reader.readline()).decode("latin-1").partition(":")
        if not colon:
            break
        fields[name.lower()] = value.strip().lower()
    if status != 200:
        said = await reader.read(min(int(fields.get("content-length", LINE)), LINE))
        raise Refused(status, _message(said) or f"answered {status}")
    is_chunked = fields.get("transfer-encoding") == "chunked"

    async def piece() -> bytes:
        if not is_chunked:
            return await reader.read(LINE)
        size = (await reader.readline()).partition(b";")[0]
        chunk = await reader.readexactly(int(size, 16) + 2) if size else b""
        return chunk[:-2]

    return piece


def _message(said: bytes) -> str:
    """What a refusal says, where it is one of the server's own."""
    try:
        return str(json.loads(said)["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return ""

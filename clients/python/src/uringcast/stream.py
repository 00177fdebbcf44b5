"""Server-Sent Events in the place of a WebSocket, for proxies that break those: the server's
messages come over a stream, which is opened anew whenever its channels change.
docs/PROTOCOL.md, section 8."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import ssl as tls
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from .event_source import Refused, Server
from .places import Position

#: Messages that wait for the client before the stream is read no further.
BUFFER = 64
#: What a stream cannot begin with.
WEBSOCKET_ONLY = ("pattern", "state", "presence")
#: Close codes for refusals of the request.
CODES = {401: 4001, 403: 4002, 404: 4007, 503: 1013}
#: Error codes for refusals of its channels.
ERRORS = {403: "FORBIDDEN", 507: "LIMIT_EXCEEDED"}


@dataclass(slots=True)
class _Asked:
    """A subscription that is not confirmed."""

    number: str
    is_list: bool
    channels: list[str]
    since: dict[str, Position | None]
    #: How channels without a place begin: a parameter of the request.
    start: tuple[str, str] | None
    is_sent: bool = False
    told: dict[str, Any] = field(default_factory=dict)


class StreamConnection:
    """What the client uses of a WebSocket's connection: it sends requests, and iterates over
    messages."""

    def __init__(
        self,
        url: str,
        *,
        open_timeout: float,
        ping_interval: float,
        ping_timeout: float,
        ssl: tls.SSLContext | None = None,
    ) -> None:
        self._url = parts = urlsplit(url)
        is_secure = parts.scheme == "wss"
        port = parts.port or (443 if is_secure else 80)
        context = (ssl or tls.create_default_context()) if is_secure else None
        silence = ping_interval + ping_timeout
        self._server = Server(parts.hostname or "", port, context, open_timeout, silence)
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._token = ""
        #: Where each channel of the stream stands; ``None``: it begins live.
        self._channels: dict[str, Position | None] = {}
        self._asked: list[_Asked] = []
        #: What the client is to be told.
        self._told: collections.deque[str] = collections.deque()
        self._arrived, self._taken = asyncio.Event(), asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._is_due = False
        #: A request with several of them was refused: whose fault it was shows one by one.
        self._is_one_by_one = False

    async def __aenter__(self) -> StreamConnection:
        self._tell({"type": "event", "event": "session.created", "data": {}})
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over(1000, "")
        if self._reader is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    async def send(self, text: str) -> None:
        """A request of the protocol."""
        message = json.loads(text)
        number, event, data = message["id"], message["event"], message["data"]
        if event == "auth":
            self._token = data["token"]
            self._answer(number, event, {"status": "authenticated"})
        elif event == "subscribe" and not any(data.get(key) for key in WEBSOCKET_ONLY):
            self._subscribe(number, data)
        elif event == "unsubscribe" and "pattern" not in data:
            for name in data.get("channels") or [data["channel"]]:
                self._channels.pop(name, None)
            self._answer(number, event, {"status": "unsubscribed", **data})
            self._renew()
        else:
            self._refuse(number, "UNSUPPORTED", f"this {event} needs a WebSocket")

    async def __aiter__(self) -> AsyncIterator[str]:
        while self._told or self.close_code is None:
            if self._told:
                self._taken.set()
                yield self._told.popleft()
            else:
                self._arrived.clear()
                await self._arrived.wait()

    def _subscribe(self, number: str, data: Mapping[str, Any]) -> None:
        is_list, places = "channels" in data, data.get("since") or {}
        channels = data["channels"] if is_list else [data["channel"]]
        if not is_list and places:
            places = {data["channel"]: places}
        since: dict[str, Position | None] = {
            name: Position.of(place) for name, place in places.items()
        }
        start = None
        if data.get("replay"):
            start = ("replay", str(data["replay"]))
        elif data.get("last"):
            start = ("last", str(data["last"]))
        self._asked.append(_Asked(number, is_list, channels, since, start))
        self._renew()

    def _take(self) -> tuple[str, str] | None:
        """Takes up the subscriptions of one beginning, which a request has one of."""
        start = self._asked[0].start if self._asked else None
        self._is_one_by_one = self._is_one_by_one and len(self._asked) > 1
        for one in self._asked[:1] if self._is_one_by_one else self._asked:
            if one.start == start and not one.is_sent:
                one.is_sent = True
                for name in one.channels:
                    one.since[name] = one.since.get(name) or self._channels.get(name)
                    self._channels[name] = one.since[name]
        return start

    def _renew(self) -> None:
        """Opens the stream anew, once for all that is asked in one go."""
        if self._is_due:
            return
        self._is_due = True
        asyncio.get_running_loop().call_soon(self._open)

    def _open(self) -> None:
        self._is_due = False
        if self._reader is not None:
            self._reader.cancel()
        start = self._take()
        if self._channels and self.close_code is None:
            self._reader = asyncio.create_task(self._read(start))

    async def _read(self, start: tuple[str, str] | None) -> None:
        try:
            source = self._server.events(self._request(start))
            async with contextlib.aclosing(source) as events:
                async for event in events:
                    self._event(event)
                    while len(self._told) > BUFFER:
                        self._taken.clear()
                        await self._taken.wait()
            self._over(1006, "the stream ended")
        except Refused as refusal:
            self._refused(refusal)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            self._over(1006, str(error) or "no sign of the server")

    def _request(self, start: tuple[str, str] | None) -> str:
        # What each event's channel has is enough: the others' places are kept here.
        query = [*parse_qsl(self._url.query), ("ids", "own")]
        query += [("channel", name) for name in self._channels]
        if start is not None:
            query.append(start)
        places = [
            f"{at.epoch}:{quote(name, safe='')}={at.seq}"
            for name, at in self._channels.items()
            if at is not None
        ]
        lines = [
            f"GET {self._url.path.rstrip('/')}/v1/sse?{urlencode(query)} HTTP/1.1",
            f"Host: {self._url.netloc.rpartition('@')[2]}",
            "Accept: text/event-stream",
            "Connection: close",
        ]
        if places:
            lines.append(f"Last-Event-ID: {';'.join(places)}")
        if self._token:
            lines.append(f"Authorization: Bearer {self._token}")
        return "\r\n".join([*lines, "", ""])

    def _event(self, text: str) -> None:
        fields = dict(line.split(": ", 1) for line in text.split("\n") if ": " in line)
        self._move(fields.get("id", ""))
        if "data" not in fields:
            if "id" in fields:
                self._settle()
            return
        message = json.loads(fields["data"])
        if fields.get("event") == "close":
            self._over(message["code"], message["reason"])
        elif message.get("event") == "session.created":
            return
        elif message["type"] != "response":
            self._hand(fields["data"])
        else:
            channel = message["data"]["channel"]
            for one in self._asked:
                if one.is_sent and channel in one.channels:
                    one.told[channel] = message["data"]

    def _settle(self) -> None:
        """Behind the confirmations comes an id, which says where each channel begins."""
        settled = [one for one in self._asked if len(one.told) == len(set(one.channels))]
        self._asked = [one for one in self._asked if one not in settled]
        for one in settled:
            told = {
                "status": "subscribed",
                "channels": one.channels,
                "failed": {},
                "positions": one.told,
            }
            self._answer(
                one.number, "subscribe", told if one.is_list else one.told[one.channels[0]]
            )
        if self._asked and settled:
            self._renew()

    def _move(self, place: str) -> None:
        """The client has what an id says."""
        for part in filter(None, place.split(";")):
            epoch, _, places = part.partition(":")
            for position in filter(None, places.split(",")):
                name, _, seq = position.rpartition("=")
                if (channel := unquote(name)) in self._channels:
                    self._channels[channel] = Position(epoch, int(seq))

    def _refused(self, refusal: Refused) -> None:
        asked = [one for one in self._asked if one.is_sent]
        if not asked or refusal.status in (401, 503):
            self._over(CODES.get(refusal.status, 1006), str(refusal))
            return
        for one in asked:
            one.is_sent = False
            for name in one.channels:
                self._channels.pop(name, None)
        # Whose fault it was shows when each is asked for by itself.
        self._is_one_by_one = len(asked) > 1
        if not self._is_one_by_one:
            # The client asks for channels of a list one by one.
            self._asked.remove(asked[0])
            code = ERRORS.get(refusal.status, "INVALID_REQUEST")
            self._refuse(asked[0].number, code, str(refusal))
        self._renew()

    def _hand(self, text: str) -> None:
        self._told.append(text)
        self._arrived.set()

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._hand(json.dumps(message))

    def _answer(self, number: str, event: str, data: Mapping[str, Any]) -> None:
        self._tell({"type": "response", "event": event, "correlation_id": number, "data": data})

    def _refuse(self, number: str, code: str, text: str) -> None:
        error = {"error_code": code, "error_message": text, "data": {}}
        self._tell({"type": "error", "correlation_id": number, **error})

    def _over(self, code: int, reason: str) -> None:
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
        self._arrived.set()
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()

"""A client that keeps its place: it connects again by itself, recovers what it missed, and hands
every message over once, in order, or tells of the gap."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_connection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from .advice import Backoff, after
from .errors import UringcastError, disconnected
from .places import Places, Position
from .subscription import Item, Message, Options, State, Subscription

log = logging.getLogger("uringcast")

#: Channels that one request may name.
CHUNK = 100

TokenSource = Callable[[], "str | Awaitable[str]"]
#: What is done with an answer before the next message is looked at.
Then = Callable[[Any], Awaitable[None]]


class Client:
    """Made by :func:`connect`. Stays connected until it is closed."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        get_token: TokenSource | None = None,
        positions: Mapping[str, Position | Mapping[str, Any]] | None = None,
        on_status: Callable[[str, str], None] | None = None,
        base: float = 0.5,
        longest: float = 30.0,
        patience: float = 10.0,
        idle: float = 25.0,
        **options: Any,
    ) -> None:
        self.url = url
        self.status = "closed"
        self._token, self._get_token = token, get_token
        self._on_status = on_status
        self._patience, self._idle = patience, idle
        self._options = options
        self._places = Places(positions)
        #: Where each channel was begun.
        self._began: dict[str, Position] = dict(self._places.all())
        self._backoff = Backoff(base, longest)
        self._subscriptions: dict[str, Subscription] = {}
        self._pending: dict[str, tuple[asyncio.Future[Any], Then | None]] = {}
        self._ids = itertools.count(1)
        self._connection: ClientConnection | None = None
        self._welcomed = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._helpers: set[asyncio.Task[None]] = set()

    # What an application asks for.

    async def __aenter__(self) -> Client:
        self._runner = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def subscribe(
        self,
        name: str,
        *,
        since: Position | Mapping[str, Any] | None = None,
        buffer: int = 1000,
        **options: Any,
    ) -> Subscription:
        """Subscribes to a channel, or to all whose names begin with a prefix: ``orders:*``.

        ``since`` is the place to go on behind; ``last``, ``replay``, ``state`` and ``presence`` are
        described in docs/PROTOCOL.md; ``on_message``, ``on_gap`` and ``on_state`` are functions or
        coroutines, which take the place of the iterator.
        """
        if name in self._subscriptions:
            raise ValueError(f"there is a subscription to {name}")
        one = Subscription(name, Options(**options), self._leave, buffer)
        self._subscriptions[name] = one
        if since is not None:
            self._places.set(name, Position.of(since))
        if self._welcomed.is_set():
            self._begin(self._subscribe_again([one]))
        return one

    async def publish(
        self, channel: str, event: str, data: Mapping[str, Any], *, key: str | None = None
    ) -> dict[str, Any]:
        """Publishes, and returns ``channel``, ``seq`` and ``epoch``. Raises with the code
        ``DISCONNECTED`` if the connection ends before the answer: whether the message was accepted
        is not known then."""
        more = {} if key is None else {"key": key}
        return await self.request(
            "publish", {"channel": channel, "event": event, "data": data, **more}
        )

    async def request(self, event: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Sends a request of the protocol, and returns the ``data`` of its answer."""
        await self._welcomed.wait()
        answer: dict[str, Any] = await self._ask(event, data)
        return answer

    async def history(self, channel: str, **range_: Any) -> dict[str, Any]:
        """Older messages: ``since``, ``limit``, ``reverse``."""
        if isinstance(since := range_.get("since"), Position):
            range_["since"] = since.to_json()
        return await self.request("history", {"channel": channel, **range_})

    async def presence(self, channel: str) -> dict[str, Any]:
        """Who is there."""
        return await self.request("presence", {"channel": channel})

    def positions(self) -> dict[str, dict[str, Any]]:
        """What the application is through with in each channel, as JSON: save it, and pass it to
        :func:`connect` after a restart. An item counts once its callback has returned, or the
        iterator was asked for the next one."""
        told = {}
        for channel, at in self._places.all().items():
            covering = [one for one in self._subscriptions.values() if one.covers(channel)]
            handled = [one.handled.get(channel, self._began.get(channel, at)) for one in covering]
            told[channel] = min(handled, key=lambda place: place.seq, default=at).to_json()
        return told

    async def close(self) -> None:
        """Ends everything."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
        self._over("closed by the application")

    # The connection.

    async def _run(self) -> None:
        while True:
            self._become("connecting", "")
            code, why = 1006, ""
            try:
                token = await self._next_token()
                async with open_connection(
                    self.url,
                    open_timeout=self._patience,
                    ping_interval=self._idle,
                    ping_timeout=self._patience,
                    **self._options,
                ) as connection:
                    self._connection = connection
                    if token:
                        self._begin(self._authenticate(token))
                    await self._read(connection)
                code, why = connection.close_code or 1006, connection.close_reason or ""
            except ConnectionClosed as error:
                received = error.rcvd
                code, why = (received.code, received.reason) if received else (1006, str(error))
            except InvalidURI:
                raise
            except (OSError, InvalidHandshake, TimeoutError) as error:
                why = str(error)
            finally:
                self._forget_connection()
            advice = after(code, self._get_token is not None)
            why = why or f"connection ended with {code}"
            if advice == "never":
                return self._over(why)
            self._become("waiting", why)
            pause = self._backoff.next()
            await asyncio.sleep(min(pause, self._backoff.base) if advice == "now" else pause)

    async def _next_token(self) -> str | None:
        if self._get_token is None:
            return self._token
        token = self._get_token()
        return await token if inspect.isawaitable(token) else token

    async def _authenticate(self, token: str) -> None:
        while True:
            told = await self._ask("auth", {"token": token})
            left = told.get("expires_in")
            if left is None or self._get_token is None:
                return
            # In good time, but not at once for a token that is nearly over.
            await asyncio.sleep(max(1.0, left * 0.8))
            token = await self._next_token() or token

    async def _read(self, connection: ClientConnection) -> None:
        async for text in connection:
            await self._receive(json.loads(text))

    def _begin(self, work: Any) -> None:
        """Work beside the reader, over with the connection."""
        task = asyncio.create_task(self._quietly(work))
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    async def _quietly(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (UringcastError, ConnectionClosed) as error:
            log.debug("%s", error)

    def _forget_connection(self) -> None:
        self._connection = None
        self._welcomed.clear()
        for task in self._helpers:
            task.cancel()
        pending, self._pending = self._pending, {}
        for future, _ in pending.values():
            if not future.done():
                future.set_exception(disconnected())
                # Who asked may have been cancelled.
                future.exception()

    def _over(self, why: str) -> None:
        self._forget_connection()
        self._become("closed", why)
        subscriptions, self._subscriptions = self._subscriptions, {}
        for one in subscriptions.values():
            one.end(UringcastError(why, "CLOSED"))

    def _become(self, status: str, why: str) -> None:
        self.status = status
        if self._on_status is not None:
            self._on_status(status, why)

    # Messages.

    async def _ask(self, event: str, data: Mapping[str, Any], then: Then | None = None) -> Any:
        if self._connection is None:
            raise disconnected()
        number = str(next(self._ids))
        future = asyncio.get_running_loop().create_future()
        self._pending[number] = (future, then)
        message = {"type": "request", "id": number, "event": event, "data": data}
        try:
            await self._connection.send(json.dumps(message, separators=(",", ":")))
            return await future
        except ConnectionClosed:
            raise disconnected() from None
        finally:
            self._pending.pop(number, None)

    async def _receive(self, message: dict[str, Any]) -> None:
        kind, event, data = message["type"], message.get("event"), message.get("data") or {}
        if kind == "event" and message.get("room"):
            await self._deliver(message)
        elif kind == "event" and event == "session.created":
            self._greet(data)
        elif (asked := self._pending.get(message.get("correlation_id") or "")) is not None:
            future, then = asked
            if then is not None and kind != "error":
                await then(data)
            if future.done():
                return
            if kind == "error":
                text, code = message.get("error_message") or "", message.get("error_code") or ""
                future.set_exception(UringcastError(text, code, data.get("retry_after")))
            else:
                future.set_result(data)
        elif event == "unsubscribe":
            # The server has ended a subscription.
            for name in data.get("channels") or [data.get("pattern") or data.get("channel")]:
                if (one := self._subscriptions.get(name)) is not None:
                    one.end(UringcastError("Ended by the server", "UNSUBSCRIBED"))
                self._drop(name)

    def _greet(self, welcome: Mapping[str, Any]) -> None:
        self._backoff.advise(welcome.get("reconnect"))
        self._welcomed.set()
        self._become("open", "")
        self._begin(self._prove())
        self._begin(self._subscribe_again(list(self._subscriptions.values())))

    async def _prove(self) -> None:
        await asyncio.sleep(5)
        self._backoff.reset()

    async def _deliver(self, message: dict[str, Any]) -> None:
        channel, event, data = message["room"], message["event"], message["data"]
        heard = [one for one in self._subscriptions.values() if one.covers(channel)]
        if not heard:
            return
        if event == "gap":
            if (gap := self._places.skip(channel, data)) is not None:
                await _hand(heard, gap)
        elif event == "state":
            as_of = Position.of(data["as_of"])
            self._places.set(channel, as_of)
            await _hand(heard, State(channel, data["state"], as_of))
        elif (seq := message.get("seq")) is not None:
            is_new, gap = self._places.arrive(channel, seq, message.get("prev"))
            self._began.setdefault(channel, self._places.get(channel) or Position("", seq - 1))
            if gap is not None:
                await _hand(heard, gap)
            if is_new:
                names = ("key", "id", "timestamp")
                more = {name: message[name] for name in names if name in message}
                place = self._places.get(channel)
                assert place is not None, "a message has just arrived there"
                await _hand(heard, Message(channel, event, data, seq, place, **more))

    # Subscriptions.

    async def _subscribe_again(self, every: list[Subscription]) -> None:
        """Subscribes, all that have a place in as few requests as may be."""

        def is_plain(one: Subscription) -> bool:
            has_place = self._places.get(one.name) is not None
            return not one.is_pattern and not one.options.presence and has_place

        names = [one.name for one in every if is_plain(one)]
        # Channels that came by a pattern are recovered by name.
        patterns = [one for one in every if one.is_pattern]
        known = [channel for channel in self._places if channel not in self._subscriptions]
        names += [c for c in known if any(one.covers(c) for one in patterns)]
        for one in every:
            if not is_plain(one):
                self._begin(self._subscribe_one(one))
        for start in range(0, len(names), CHUNK):
            channels = names[start : start + CHUNK]
            places = {name: self._places.get(name) for name in channels}
            since = {name: place.to_json() for name, place in places.items() if place}
            await self._insist({"channels": channels, "since": since}, self._list_confirmed)

    async def _list_confirmed(self, told: Mapping[str, Any]) -> None:
        for channel in told["channels"]:
            await self._confirmed(channel, told["positions"][channel])
        for channel, code in told["failed"].items():
            if (refused := self._subscriptions.get(channel)) is not None:
                refused.end(UringcastError(f"Subscribing to {channel} was refused", code))
            self._drop(channel)

    async def _subscribe_one(self, one: Subscription) -> None:
        place = self._places.get(one.name)
        asked: dict[str, Any] = {"since": place.to_json()} if place else one.options.first()
        if one.options.presence:
            asked["presence"] = True
        asked["pattern" if one.is_pattern else "channel"] = one.name

        async def confirmed(told: Mapping[str, Any]) -> None:
            if not one.is_pattern:
                await self._confirmed(one.name, told)
            elif told.get("epoch"):
                self._places.enter(told["epoch"])
            one.confirm(told)

        try:
            await self._insist(asked, confirmed)
        except UringcastError as error:
            if error.code == "DISCONNECTED":
                raise
            one.end(error)
            self._drop(one.name)

    async def _insist(self, data: Mapping[str, Any], then: Then) -> None:
        """Asks to subscribe until there is an answer, at the server's pace."""
        while True:
            try:
                await self._ask("subscribe", data, then)
                return
            except UringcastError as error:
                if error.code not in ("RATE_LIMIT_EXCEEDED", "BUSY"):
                    raise
                await asyncio.sleep(error.retry_after or 1.0)

    async def _confirmed(self, channel: str, told: Mapping[str, Any]) -> None:
        one = self._subscriptions.get(channel)
        last = one.options.last if one else None
        gap = self._places.confirm(channel, told, last, bool(one and one.options.replay))
        if (place := self._places.get(channel)) is not None:
            self._began.setdefault(channel, place)
        if one is None:
            return
        one.confirm(told)
        if gap is not None:
            await one.hand(gap)
            if one.options.state:
                # What a state document said is not enough any more.
                self._begin(self._ask("subscribe", {"channel": channel, "state": True}))

    async def _leave(self, one: Subscription) -> None:
        self._drop(one.name)
        if self._welcomed.is_set():
            name = {"pattern" if one.is_pattern else "channel": one.name}
            with contextlib.suppress(UringcastError):
                await self._ask("unsubscribe", name)

    def _drop(self, name: str) -> None:
        """Forgets a subscription, and the places that none needs any more."""
        gone = self._subscriptions.pop(name, None)
        rest = self._subscriptions.values()
        for channel in self._places:
            if gone and gone.covers(channel) and not any(one.covers(channel) for one in rest):
                self._places.forget(channel)
                self._began.pop(channel, None)


async def _hand(heard: Iterable[Subscription], item: Item) -> None:
    for one in heard:
        try:
            await one.hand(item)
        except Exception:
            log.exception("a handler of %s failed", one.name)


def connect(url: str, **options: Any) -> Client:
    """A client for ``async with``. ``token`` or ``get_token`` (called before each connection and
    before the last token ends) authenticate; ``positions`` are those of :meth:`Client.positions`,
    saved earlier. Further options are those of ``websockets.asyncio.client.connect``."""
    return Client(url, **options)

"""A client that keeps its place: it connects again by itself, recovers what it missed, and hands
every message over once, in order, or tells of the gap."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import json
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_connection
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)

from .advice import Backoff, after
from .errors import UringcastError, closed, disconnected
from .places import Gap, Places, Position
from .stream import StreamConnection
from .subscription import Item, Message, Options, State, Subscription

log = logging.getLogger("uringcast")

#: Channels that one request may name.
CHUNK = 100

TokenSource = Callable[[], "str | Awaitable[str]"]
#: What is done with an answer before the next message is looked at.
Then = Callable[[Any], None]
Connection = ClientConnection | StreamConnection


class Client:
    """A connection that is made again whenever it ends, for ``async with``.

    ``token`` or ``get_token`` (called before each connection and before the last token ends)
    authenticate; ``positions`` are those of :meth:`positions`, saved earlier; ``on_status`` is told
    ``connecting``, ``open``, ``waiting`` or ``closed``, and why. ``base`` and ``longest`` bound the
    waits between attempts, unless the server advises; after ``idle`` seconds of silence the
    connection is checked, and has ``patience`` to answer. Further options are those of
    ``websockets.asyncio.client.connect``; with ``transport="sse"``, which listens by Server-Sent
    Events where a proxy breaks WebSockets, ``ssl`` alone.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        get_token: TokenSource | None = None,
        transport: Literal["ws", "sse"] = "ws",
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
        self._transport, self._patience, self._idle = transport, patience, idle
        self._options = options
        self._places = Places(positions)
        #: Where each channel was begun.
        self._began: dict[str, Position] = dict(self._places.all())
        self._backoff = Backoff(base, longest)
        self._subscriptions: dict[str, Subscription] = {}
        self._pending: dict[str, tuple[asyncio.Future[Any], Then | None]] = {}
        self._ids = itertools.count(1)
        self._connection: Connection | None = None
        self._welcomed = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._helpers: set[asyncio.Task[None]] = set()
        #: Those that the next request names.
        self._fresh: list[Subscription] = []
        #: The reader may go on.
        self._stirred = asyncio.Event()
        #: The server asked this client to come back at once.
        self._moves = False

    # What an application asks for.

    async def __aenter__(self) -> Client:
        self.status = "connecting"
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
        last: int | None = None,
        replay: Literal["latest"] | None = None,
        state: bool = False,
        presence: bool = False,
        on_message: Callable[[Message], Any] | None = None,
        on_gap: Callable[[Gap], Any] | None = None,
        on_state: Callable[[State], Any] | None = None,
        buffer: int = 1000,
    ) -> Subscription:
        """Subscribes to a channel, or to all whose names begin with a prefix: ``orders:*``.

        It goes on behind ``since``, or begins with the ``last`` so many messages, with the newest
        message of each key (``replay="latest"``), or with the channel's ``state``. ``on_message``,
        ``on_gap`` and ``on_state`` are functions or coroutines, which take the place of the
        iterator. Does not wait: the subscription's
        ``confirmed`` can be awaited.
        """
        if self._runner is not None and self.status == "closed":
            raise closed()
        if name in self._subscriptions:
            raise ValueError(f"there is a subscription to {name}")
        options = Options(last, replay, state, presence, on_message, on_gap, on_state)
        one = Subscription(name, options, self._leave, self._stirred.set, buffer)
        self._subscriptions[name] = one
        if since is not None:
            self._places.set(name, Position.of(since))
            self._began[name] = Position.of(since)
        if self._welcomed.is_set():
            self._fresh.append(one)
            if len(self._fresh) == 1:
                self._begin(self._subscribe_fresh())
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
        """Sends a request of the protocol, as soon as there is a connection, and returns the
        ``data`` of its answer."""
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
        subscriptions, self._subscriptions = self._subscriptions, {}
        for one in subscriptions.values():
            one.close()
        self._over("closed by the application")

    # The connection.

    async def _run(self) -> None:
        while True:
            self._become("connecting", "")
            code, why, wait = await self._connect()
            advice, moves, self._moves = (
                after(code, self._get_token is not None),
                self._moves,
                False,
            )
            why = why or f"connection ended with {code}"
            if advice == "never":
                return self._over(why)
            self._become("waiting", why)
            if moves:
                continue
            soon = random.random() * self._backoff.base
            await asyncio.sleep(wait + (soon if advice == "now" else self._backoff.next()))

    async def _connect(self) -> tuple[int, str, float]:
        """One connection, from its beginning to its end: the close code, the reason, and how long
        the server asks to be left alone."""
        try:
            token = await self._next_token()
        except Exception as error:
            log.exception("there is no token")
            return 1006, f"no token: {error}", 0.0
        try:
            async with self._opened() as connection:
                self._connection = connection
                if token:
                    self._begin(self._authenticate(token))
                await self._read(connection)
            return connection.close_code or 1006, connection.close_reason or "", 0.0
        except ConnectionClosed as error:
            received = error.rcvd
            return (received.code, received.reason, 0.0) if received else (1006, str(error), 0.0)
        except InvalidURI as error:
            return 1002, str(error), 0.0
        except InvalidStatus as error:
            after_s = error.response.headers.get("Retry-After", "0")
            return 1006, str(error), float(after_s) if after_s.isdigit() else 0.0
        # The second one is another class in Python 3.10.
        except (OSError, asyncio.TimeoutError, InvalidHandshake) as error:
            return 1006, str(error) or "no connection in time", 0.0
        finally:
            self._forget_connection()

    def _opened(self) -> contextlib.AbstractAsyncContextManager[Connection]:
        open_it = StreamConnection if self._transport == "sse" else open_connection
        return open_it(
            self.url,
            open_timeout=self._patience,
            ping_interval=self._idle,
            ping_timeout=self._patience,
            **self._options,
        )

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
            try:
                token = await self._next_token() or token
            except Exception:
                # The connection ends with the token, and then it is asked for again.
                log.exception("there is no new token")
                return

    async def _read(self, connection: Connection) -> None:
        async for text in connection:
            self._receive(json.loads(text))
            # The application is behind, and no answer is due that it may wait for.
            while not self._pending and any(one.is_full for one in self._subscriptions.values()):
                self._stirred.clear()
                await self._stirred.wait()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
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
        self._fresh.clear()
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
        # Who waits for a connection learns that there will be none.
        self._welcomed.set()

    def _become(self, status: str, why: str) -> None:
        self.status = status
        if self._on_status is not None:
            try:
                self._on_status(status, why)
            except Exception:
                log.exception("on_status failed")

    # Messages.

    async def _ask(self, event: str, data: Mapping[str, Any], then: Then | None = None) -> Any:
        if self._connection is None:
            raise closed() if self.status == "closed" else disconnected()
        number = str(next(self._ids))
        future = asyncio.get_running_loop().create_future()
        self._pending[number] = (future, then)
        self._stirred.set()
        message = {"type": "request", "id": number, "event": event, "data": data}
        try:
            await self._connection.send(json.dumps(message, separators=(",", ":")))
            return await future
        except ConnectionClosed:
            raise disconnected() from None
        finally:
            self._pending.pop(number, None)

    def _receive(self, message: dict[str, Any]) -> None:
        kind, event, data = message["type"], message.get("event"), message.get("data") or {}
        if kind == "event":
            if message.get("room"):
                self._deliver(message)
            elif event == "session.created":
                self._greet(data)
            elif event == "session.reconnect":
                self._moves = data.get("reason") == "drain"
        elif (asked := self._pending.get(message.get("correlation_id") or "")) is not None:
            future, then = asked
            if future.done():
                return
            if kind == "error":
                text, code = message.get("error_message") or "", message.get("error_code") or ""
                future.set_exception(UringcastError(text, code, data.get("retry_after")))
                return
            if then is not None:
                # Before the messages behind it are looked at.
                then(data)
            future.set_result(data)
        elif kind == "error" and data.get("channel"):
            # There is no room for a channel that came by a pattern.
            channel = data["channel"]
            self._hand(channel, Gap(channel, message.get("error_code") or "unknown"))
        elif event == "unsubscribe":
            # The server has ended a subscription.
            for name in data.get("channels") or [data.get("pattern") or data.get("channel")]:
                self._refused(name, UringcastError("Ended by the server", "UNSUBSCRIBED"))

    def _greet(self, welcome: Mapping[str, Any]) -> None:
        self._backoff.advise(welcome.get("reconnect"))
        self._places.enter("")
        self._become("open", "")
        self._begin(self._prove())
        self._begin(self._subscribe_all(list(self._subscriptions.values())))
        self._welcomed.set()

    async def _prove(self) -> None:
        await asyncio.sleep(5)
        self._backoff.reset()

    def _deliver(self, message: dict[str, Any]) -> None:
        channel, event, data = message["room"], message["event"], message["data"]
        has_place = self._places.get(channel) is not None
        # Without a place it is of a subscription that has ended, unless a pattern brings it.
        by = [one for one in self._heard(channel) if has_place or one.is_pattern]
        if not by:
            return
        if event == "gap":
            if (gap := self._places.skip(channel, data)) is not None:
                self._hand(channel, gap)
        elif (seq := message.get("seq")) is not None:
            is_new, gap = self._places.arrive(channel, seq, message.get("prev"))
            place = self._places.get(channel) or Position("", seq)
            before = Position(place.epoch, seq - 1)
            self._began.setdefault(channel, before)
            if not has_place and message.get("prev", seq - 1) > 0:
                # It may have appeared while there was no connection: nobody knows what came before.
                if any(one.confirmations > 1 for one in by):
                    gap = Gap(channel, "unknown", last=seq - 1, position=before)
            if gap is not None:
                self._hand(channel, gap)
            if is_new:
                names = ("key", "id", "timestamp")
                more = {name: message[name] for name in names if name in message}
                self._hand(channel, Message(channel, event, data, seq, place, **more))

    def _heard(self, channel: str) -> Iterable[Subscription]:
        return [one for one in self._subscriptions.values() if one.covers(channel)]

    def _hand(self, channel: str, item: Item) -> None:
        for one in self._heard(channel):
            if one.options.state or not isinstance(item, State):
                one.hand(item)

    # Subscriptions.

    async def _subscribe_fresh(self) -> None:
        """Subscribes to all that the application has asked for in one go."""
        fresh, self._fresh = self._fresh, []
        await self._subscribe_all(fresh)

    async def _subscribe_all(self, every: list[Subscription]) -> None:
        """Subscribes, in as few requests as may be. What has a place goes on from it."""
        groups: dict[str, list[str]] = {}
        for one in every:
            if not one.is_pattern:
                groups.setdefault(json.dumps(one.options.asked()), []).append(one.name)
        patterns = [one for one in every if one.is_pattern]
        # Channels that came by a pattern are recovered by name, before it brings what is new.
        for name in self._places:
            if name in self._subscriptions or not any(one.covers(name) for one in patterns):
                continue
            if (place := self._places.get(name)) is not None and place.epoch:
                groups.setdefault("{}", []).append(name)
            else:
                self._places.forget(name)
                self._hand(name, Gap(name, "unknown"))
        for asked, names in groups.items():
            for start in range(0, len(names), CHUNK):
                await self._subscribe_list(names[start : start + CHUNK], json.loads(asked))
        for one in patterns:
            await self._subscribe_pattern(one)

    async def _subscribe_list(self, names: list[str], asked: dict[str, Any]) -> None:
        channels = [name for name in names if self._heard(name)]
        if not channels:
            return
        places = {name: self._places.get(name) for name in channels}
        since = {name: place.to_json() for name, place in places.items() if place is not None}
        failed: dict[str, str] = {}
        is_told = False

        def confirmed(told: Mapping[str, Any]) -> None:
            nonlocal failed, is_told
            failed = told.get("failed") or {}
            for name, code in failed.items():
                self._refused(name, UringcastError(f"Subscribing to {name} was refused", code))
            positions = told.get("positions")
            is_told = positions is not None
            if positions is not None:
                for name in told["channels"]:
                    self._confirmed(name, positions[name])

        data = {"channels": channels, **asked, **({"since": since} if since else {})}
        try:
            # A state goes with a single channel.
            if not asked.get("state"):
                await self._insist(data, confirmed)
        except UringcastError as error:
            if error.code == "DISCONNECTED":
                raise
        # Refused as a whole, or by a server that tells no positions of lists: one by one.
        for name in channels if not is_told else ():
            if name not in failed and self._heard(name):
                at = {"since": since[name]} if name in since else {}
                await self._subscribe_one(name, {**asked, **at})

    async def _subscribe_one(self, name: str, asked: Mapping[str, Any]) -> None:
        try:
            data = {"channel": name, **asked}
            await self._insist(data, lambda told: self._confirmed(name, told))
        except UringcastError as error:
            if error.code == "DISCONNECTED":
                raise
            self._refused(name, error)

    async def _subscribe_pattern(self, one: Subscription) -> None:
        def confirmed(told: Mapping[str, Any]) -> None:
            if told.get("epoch"):
                self._places.enter(told["epoch"])
            one.confirm(told)

        presence = {"presence": True} if one.options.presence else {}
        try:
            await self._insist({"pattern": one.name, **presence}, confirmed)
        except UringcastError as error:
            if error.code == "DISCONNECTED":
                raise
            self._refused(one.name, error)

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

    def _confirmed(self, channel: str, told: Mapping[str, Any]) -> None:
        one = self._subscriptions.get(channel)
        if (as_of := told.get("as_of")) is not None:
            # What comes behind the state follows.
            self._places.set(channel, Position.of(as_of))
        begun = (one.options.last, one.options.replay) if one else (None, None)
        gap = self._places.confirm(channel, told, *begun)
        if (place := self._places.get(channel)) is not None:
            self._began.setdefault(channel, place)
        if one is not None:
            one.confirm(told)
        if gap is not None:
            self._hand(channel, gap)
        if "state" in told and (place := self._places.get(channel)) is not None:
            self._hand(channel, State(channel, told["state"], place))

    def _refused(self, name: str, error: UringcastError) -> None:
        one = self._subscriptions.get(name)
        self._drop(name)
        if one is not None:
            one.end(error)

    async def _leave(self, one: Subscription) -> None:
        gone = self._drop(one.name)
        if self._connection is None or not self._welcomed.is_set():
            return
        with contextlib.suppress(UringcastError):
            name = {"pattern" if one.is_pattern else "channel": one.name}
            await self._ask("unsubscribe", name)
            # Those that were recovered by name.
            for start in range(0, len(gone) if one.is_pattern else 0, CHUNK):
                await self._ask("unsubscribe", {"channels": gone[start : start + CHUNK]})

    def _drop(self, name: str) -> list[str]:
        """Forgets a subscription, and the places that none needs any more, whose names it
        returns."""
        gone = self._subscriptions.pop(name, None)
        if gone is None:
            return []
        names = list(self._places) if gone.is_pattern else [name]
        idle = [channel for channel in names if gone.covers(channel) and not self._heard(channel)]
        for channel in idle:
            self._places.forget(channel)
            self._began.pop(channel, None)
        return idle


def connect(url: str, **options: Any) -> Client:
    """A :class:`Client` for ``async with``, which takes the same options."""
    return Client(url, **options)

"""One subscription of a client: to a channel, or to all whose names begin with a prefix."""

from __future__ import annotations

import asyncio
import collections
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import UringcastError
from .places import Gap, Position

log = logging.getLogger("uringcast")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a channel: docs/PROTOCOL.md, section 1."""

    channel: str
    event: str
    data: Any
    seq: int
    position: Position
    key: str | None = None
    id: str = ""
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """A channel's state document, ``None`` where it has none. What comes after ``position`` follows
    as messages."""

    channel: str
    state: Any
    position: Position


Item = Message | Gap | State


@dataclass(slots=True)
class Options:
    """How a subscription begins, and to whom its items go."""

    last: int | None = None
    replay: Literal["latest"] | None = None
    state: bool = False
    presence: bool = False
    on_message: Callable[[Message], Any] | None = None
    on_gap: Callable[[Gap], Any] | None = None
    on_state: Callable[[State], Any] | None = None

    def has_callbacks(self) -> bool:
        """Whether items go to functions rather than to the iterator."""
        return any((self.on_message, self.on_gap, self.on_state))

    def call(self, item: Item) -> Any:
        """Calls the item's function, if there is one."""
        if isinstance(item, Message):
            return self.on_message(item) if self.on_message else None
        if isinstance(item, Gap):
            return self.on_gap(item) if self.on_gap else None
        return self.on_state(item) if self.on_state else None

    def asked(self) -> dict[str, Any]:
        """What a request to subscribe says beside names and places."""
        asked: dict[str, Any] = {}
        if self.last:
            asked["last"] = self.last
        if self.replay:
            asked["replay"] = self.replay
        if self.state:
            asked["state"] = True
        if self.presence:
            asked["presence"] = True
        return asked


@dataclass(eq=False)
class Subscription:
    """Iterate over it, or give callbacks. Every message comes once and in order; where messages are
    missing a :class:`Gap` comes in their place.

    Beyond ``buffer`` items that wait, the client reads no more from its connection, for any of its
    subscriptions, except for answers that are due: the server then treats it as a slow consumer.
    """

    name: str
    options: Options
    leave: Callable[[Subscription], Awaitable[None]]
    #: Told when there is room again.
    stir: Callable[[], None]
    buffer: int = 1000
    is_open: bool = True
    #: More than one: connections have ended meanwhile.
    confirmations: int = 0
    confirmed: asyncio.Future[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.is_pattern = self.name.endswith("*")
        self.confirmed = loop.create_future()
        self._items: collections.deque[Item] = collections.deque()
        self._arrived = asyncio.Event()
        self._error: UringcastError | None = None
        #: By channel, what the application is through with.
        self.handled: dict[str, Position] = {}
        self._caller = loop.create_task(self._call()) if self.options.has_callbacks() else None

    def covers(self, channel: str) -> bool:
        """Whether messages of this channel are its."""
        if self.is_pattern:
            return channel.startswith(self.name[:-1])
        return channel == self.name

    @property
    def waiting(self) -> int:
        """Items that the application has not taken yet."""
        return len(self._items)

    @property
    def is_full(self) -> bool:
        """Whether no more should be read for it."""
        return len(self._items) >= self.buffer

    async def unsubscribe(self) -> None:
        """Ends it: from now on nothing of it is handed over. Returns when the server has
        confirmed."""
        if self.is_open:
            self.close()
            await self.leave(self)

    def hand(self, item: Item) -> None:
        """Has an item for the application."""
        if self.is_open:
            self._items.append(item)
            self._arrived.set()

    def confirm(self, told: Mapping[str, Any]) -> None:
        """The server has confirmed it for the first time, or again."""
        self.confirmations += 1
        if not self.confirmed.done():
            self.confirmed.set_result(dict(told))

    def end(self, error: UringcastError) -> None:
        """The server ends it, or never began it. What has come is handed over before."""
        if self.is_open:
            self._error = error
            self._shut(error)

    def close(self) -> None:
        """The application ends it: nothing is handed over any more."""
        self._items.clear()
        if self._caller is not None and self._caller is not asyncio.current_task():
            self._caller.cancel()
        self._shut(UringcastError("The application has ended it", "CLOSED"))

    def _shut(self, error: UringcastError) -> None:
        self.is_open = False
        if not self.confirmed.done():
            self.confirmed.set_exception(error)
            # It need not be waited for.
            self.confirmed.exception()
        self._arrived.set()
        self.stir()

    def __aiter__(self) -> AsyncIterator[Item]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[Item]:
        while True:
            while self._items:
                item = self._items.popleft()
                if not self.is_full:
                    self.stir()
                yield item
                # The application asks for the next one: it is through with this one.
                if item.position is not None:
                    self.handled[item.channel] = item.position
            if not self.is_open:
                break
            self._arrived.clear()
            await self._arrived.wait()
        if self._error is not None:
            raise self._error

    async def _call(self) -> None:
        """Hands items to the callbacks, one after the other."""
        try:
            async for item in self:
                try:
                    result = self.options.call(item)
                    if inspect.isawaitable(result):
                        await result
                except Exception:
                    log.exception("a callback of %s failed", self.name)
        except UringcastError as error:
            log.warning("%s has ended: %s", self.name, error)

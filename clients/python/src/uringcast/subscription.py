"""One subscription of a client: to a channel, or to all whose names begin with a prefix."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import UringcastError
from .places import Gap, Position


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
    """A channel's state document. What comes after ``position`` follows as messages."""

    channel: str
    state: Any
    position: Position


Item = Message | Gap | State


@dataclass(slots=True)
class Options:
    """How a subscription begins, and to whom its items go."""

    last: int | None = None
    replay: bool = False
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

    def first(self) -> dict[str, Any]:
        """What is asked for where there is no place to go on from."""
        asked: dict[str, Any] = {}
        if self.last:
            asked["last"] = self.last
        if self.replay:
            asked["replay"] = "latest"
        if self.state:
            asked["state"] = True
        return asked


@dataclass(eq=False)
class Subscription:
    """Iterate over it, or give callbacks. Every message comes once and in order; where messages are
    missing a :class:`Gap` comes in their place.

    The iterator holds at most ``buffer`` items. Beyond, the client reads no more from its
    connection, for any of its subscriptions: the server then treats it as a slow consumer.
    """

    name: str
    options: Options
    leave: Callable[[Subscription], Awaitable[None]]
    buffer: int = 1000
    is_open: bool = True
    confirmed: asyncio.Future[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.is_pattern = self.name.endswith("*")
        self.confirmed = asyncio.get_running_loop().create_future()
        self._items: asyncio.Queue[Item | None] = asyncio.Queue(self.buffer)
        self._error: UringcastError | None = None
        #: By channel, what the application is through with.
        self.handled: dict[str, Position] = {}

    def covers(self, channel: str) -> bool:
        """Whether messages of this channel are its."""
        if self.is_pattern:
            return channel.startswith(self.name[:-1])
        return channel == self.name

    async def unsubscribe(self) -> None:
        """Ends it: from now on nothing of it is handed over. Returns when the server has
        confirmed."""
        if self.is_open:
            self._close()
            await self.leave(self)

    async def hand(self, item: Item) -> None:
        """Hands an item to the application."""
        if not self.is_open:
            return
        if not self.options.has_callbacks():
            return await self._items.put(item)
        try:
            result = self.options.call(item)
            if inspect.isawaitable(result):
                await result
        finally:
            self._note(item)

    def _note(self, item: Item) -> None:
        if item.position is not None:
            self.handled[item.channel] = item.position

    def confirm(self, told: Mapping[str, Any]) -> None:
        """The server has confirmed it for the first time, or again."""
        if not self.confirmed.done():
            self.confirmed.set_result(dict(told))

    def end(self, error: UringcastError) -> None:
        """The server ends it, or never began it."""
        if not self.is_open:
            return
        self._error = error
        if not self.confirmed.done():
            self.confirmed.set_exception(error)
            # It need not be waited for.
            self.confirmed.exception()
        self._close()

    def _close(self) -> None:
        self.is_open = False
        if self._items.full():
            self._items.get_nowait()
        self._items.put_nowait(None)

    def __aiter__(self) -> AsyncIterator[Item]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[Item]:
        while (item := await self._items.get()) is not None:
            yield item
            # The application asks for the next one: it is through with this one.
            self._note(item)
        if self._error is not None:
            raise self._error

"""Where a client stands in each channel: what is next, what came already, what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel: the last message seen, in one life (epoch) of the channel's log."""

    epoch: str
    seq: int

    def to_json(self) -> dict[str, Any]:
        """As the protocol has it."""
        return {"epoch": self.epoch, "seq": self.seq}

    @staticmethod
    def of(value: Position | Mapping[str, Any]) -> Position:
        """Reads what :meth:`to_json` made."""
        if isinstance(value, Position):
            return value
        return Position(str(value["epoch"]), int(value["seq"]))


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that will not come. The positions are ``None`` where they are not known."""

    channel: str
    reason: str
    missed: int | None = None
    first: int | None = None
    last: int | None = None
    #: Where the subscription goes on.
    position: Position | None = None


@dataclass(slots=True)
class _Place:
    epoch: str
    seq: int
    # Up to here no message is missing: how many older ones there are the server knows.
    loose: int = -1


class Places:
    """The place in each channel."""

    def __init__(self, saved: Mapping[str, Position | Mapping[str, Any]] | None = None) -> None:
        self._of: dict[str, _Place] = {}
        # Of the newest confirmation: channels that come by a pattern are in it too.
        self._epoch = ""
        for channel, position in (saved or {}).items():
            self.set(channel, Position.of(position))

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._of))

    def get(self, channel: str) -> Position | None:
        """Where it stands."""
        place = self._of.get(channel)
        return Position(place.epoch, place.seq) if place else None

    def set(self, channel: str, position: Position) -> None:
        """Goes on behind this position."""
        self._of[channel] = _Place(position.epoch, position.seq)

    def forget(self, channel: str) -> None:
        """It is not wanted any more."""
        self._of.pop(channel, None)

    def all(self) -> dict[str, Position]:
        """All places that can be named."""
        return {channel: Position(p.epoch, p.seq) for channel, p in self._of.items() if p.epoch}

    def enter(self, epoch: str) -> None:
        """The epoch of what follows, where no confirmation names it."""
        self._epoch = epoch

    def confirm(
        self,
        channel: str,
        told: Mapping[str, Any],
        last: int | None = None,
        replay: str | None = None,
    ) -> Gap | None:
        """A subscription was confirmed, where there was no place with ``last`` older messages or a
        ``replay``. Returns the gap that it tells of."""
        epoch, seq = str(told["epoch"]), int(told["seq"])
        oldest = int(told.get("oldest", seq + 1))
        recovered, partial = told.get("recovered"), bool(told.get("partial"))
        reason = str(told.get("reason", "unknown"))
        self._epoch = epoch
        had = self._of.get(channel)
        if had is None or had.epoch != epoch or recovered is None:
            # What may come before live begins: the last messages, or what the log holds.
            first = max(0, oldest - 1)
            start = first if partial else seq
            if had is None and replay:
                # The newest message of a key may be older than the log.
                start = 0
            elif had is None and last:
                start = min(seq, max(first, seq - last))
            if had is not None and had.epoch == epoch:
                start = max(start, had.seq)
            loose = seq if had is None and (last or replay) else -1
            self._of[channel] = _Place(epoch, start, loose)
            if recovered is not False or had is None:
                return None
            return Gap(channel, reason, position=Position(epoch, start))
        if recovered or partial:
            return None
        self._of[channel] = _Place(epoch, seq)
        position = Position(epoch, seq)
        if had.seq > seq:
            return Gap(channel, reason, position=position)
        return Gap(channel, reason, seq - had.seq, had.seq + 1, seq, position)

    def arrive(self, channel: str, seq: int, prev: int | None = None) -> tuple[bool, Gap | None]:
        """A message has arrived. Returns whether it is new, and the gap before it, of which the
        server has not told. ``prev`` is the position before it, where that is not ``seq - 1``."""
        before = seq - 1 if prev is None else prev
        had = self._of.get(channel)
        if had is None:
            self._of[channel] = _Place(self._epoch, seq)
            return True, None
        if seq <= had.seq:
            return False, None
        behind, had.seq = had.seq, seq
        if before <= behind or before <= had.loose:
            return True, None
        position = Position(had.epoch, seq - 1)
        return True, Gap(channel, "missing", seq - 1 - behind, behind + 1, seq - 1, position)

    def skip(self, channel: str, told: Mapping[str, Any]) -> Gap | None:
        """The server tells of messages that will not come. Returns the gap, unless it is known."""
        had = self._of.get(channel)
        first, last = int(told["from_seq"]), int(told["to_seq"])
        if had is not None and last <= had.seq:
            return None
        epoch = str(told.get("epoch") or (had.epoch if had else self._epoch))
        self._of[channel] = _Place(epoch, last, had.loose if had else -1)
        position = Position(epoch, last)
        return Gap(channel, str(told["reason"]), int(told["missed"]), first, last, position)

"""What to do after a connection's end: docs/PROTOCOL.md, section 2, has the codes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Literal

Advice = Literal["now", "later", "never"]

_NEVER = frozenset({1002, 1003, 1007, 1009, 1010})


def after(code: int, may_renew: bool) -> Advice:
    """Whether to connect again after this close code, and when."""
    if code in (1008, 4001, 4002):
        return "later" if may_renew else "never"
    if code in _NEVER or 4000 <= code < 4100:
        return "never"
    return "now" if code in (1011, 1012) or 4200 <= code < 4300 else "later"


class Backoff:
    """Times between attempts: full jitter, so that clients cut at once come back spread."""

    def __init__(
        self, base: float, longest: float, draw: Callable[[], float] = random.random
    ) -> None:
        self.base = base
        self.longest = longest
        self._draw = draw
        self._attempt = 0

    def advise(self, advice: Mapping[str, Any] | None) -> None:
        """Takes the server's own advice (milliseconds) in place of the defaults."""
        if advice:
            self.base = advice.get("base_ms", self.base * 1000) / 1000
            self.longest = advice.get("max_ms", self.longest * 1000) / 1000

    def next(self) -> float:
        """Seconds to wait."""
        most = min(self.longest, self.base * 2.0 ** min(self._attempt, 30))
        self._attempt += 1
        return self._draw() * most

    def reset(self) -> None:
        """A connection has proved good."""
        self._attempt = 0

"""What can go wrong."""

from __future__ import annotations


class UringcastError(Exception):
    """A refusal of the server, or the end of a connection. ``code`` is for programs."""

    def __init__(self, text: str, code: str, retry_after: float | None = None) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code
        self.retry_after = retry_after


def disconnected() -> UringcastError:
    """The connection ended before the answer: what was asked for may have happened or not."""
    return UringcastError("The connection ended", "DISCONNECTED")


def closed() -> UringcastError:
    """There will be no connection any more."""
    return UringcastError("The client is closed", "CLOSED")

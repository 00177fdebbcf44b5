"""A client of the Uringcast WebSocket broadcast engine that never loses its place."""

from .client import Client, connect
from .errors import UringcastError
from .places import Gap, Position
from .subscription import Item, Message, State, Subscription

__all__ = [
    "Client",
    "Gap",
    "Item",
    "Message",
    "Position",
    "State",
    "Subscription",
    "UringcastError",
    "connect",
]

"""`websockets` with every kind of offer of permessage-deflate, against a server that echoes."""

import asyncio
import os
import random

from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

URL = os.environ["SERVER_URL"]
OFFERS = [
    {},
    {"client_max_window_bits": True},
    {"client_max_window_bits": 9},
    {"client_no_context_takeover": True},
    {"server_no_context_takeover": True},
    {"server_max_window_bits": 15},
    {"server_max_window_bits": 12, "server_no_context_takeover": True},
    {"server_max_window_bits": 9},
]


def texts(count):
    """Texts that repeat each other, of up to 100 KB."""
    dice = random.Random(7)
    words = [f"word-{n}-{dice.random()}" for n in range(300)]
    for _ in range(count):
        yield " ".join(dice.choices(words, k=int(10 ** dice.uniform(0, 3.7))))


async def check(offer):
    extensions = [ClientPerMessageDeflateFactory(**offer)]
    async with connect(URL, compression=None, extensions=extensions, max_size=None) as socket:
        agreed = [extension.name for extension in socket.protocol.extensions]
        assert agreed == ["permessage-deflate"], (offer, agreed)
        for text in texts(250):
            await socket.send(text)
            assert await socket.recv() == text, offer
            await socket.send(text.encode())
            assert await socket.recv() == text.encode(), offer
        parts = list(texts(20))
        await socket.send(parts)
        assert await socket.recv() == "".join(parts), offer
        await (await socket.ping())


async def main():
    for offer in OFFERS:
        await asyncio.wait_for(check(offer), 300)
    print("ok")


asyncio.run(main())

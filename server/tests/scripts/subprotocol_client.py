"""Offers a subprotocol and, beside it, the token of the environment."""

import json
import os

import harness
from harness import equal
from websockets.asyncio.client import connect

TOKEN = os.environ["TOKEN"]


async def main():
    offers = ["uringcast.v1", f"bearer.{TOKEN}"]
    async with connect(harness.URL, subprotocols=offers) as socket:
        equal("agreed to", socket.subprotocol, "uringcast.v1")
        welcome = json.loads(await socket.recv())
        equal("the token is taken", welcome["data"]["authenticated"], True)


harness.run(main)

"""Python's websockets with its broadcast(); speaks as bun.js does.

A certificate and its key may follow the port: wss.
"""

import asyncio
import collections
import ssl
import sys

from websockets.asyncio.server import broadcast, serve

channels = collections.defaultdict(set)


async def handle(socket):
    """Serves one connection."""
    path = socket.request.path
    mine = []
    try:
        async for message in socket:
            if path == "/pub":
                broadcast(channels["bench"], message)
            elif path == "/many":
                channel, _, text = message.partition("\n")
                broadcast(channels[channel], text)
            else:
                mine = message[2:].split(" ")
                for channel in mine:
                    channels[channel].add(socket)
                await socket.send("ready")
    finally:
        for channel in mine:
            channels[channel].discard(socket)


async def main():
    """Serves until killed."""
    options = {"compression": None, "ping_interval": None, "max_size": 16 << 20}
    if len(sys.argv) > 2:
        options["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options["ssl"].load_cert_chain(sys.argv[2], sys.argv[3])
    async with serve(handle, "127.0.0.1", int(sys.argv[1]), backlog=4096, **options) as server:
        await server.serve_forever()


asyncio.run(main())

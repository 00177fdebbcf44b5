"""Many clients of clients/python in one process. Prints what each of them was handed."""

import asyncio
import collections
import json
import os
import random
import sys
import time
import zlib

sys.path.insert(0, os.environ["CLIENTS"] + "/python/src")

import uringcast  # noqa: E402

SOCKET = os.environ.get("SOCKET", "websockets")
if SOCKET == "aiohttp":
    import aiohttp

COUNT = int(os.environ["COUNT"])
CHANNELS = os.environ["CHANNELS"].split(",")
PATTERN = os.environ["PATTERN"]
SECRET = os.environ.get("JWT_SECRET")
LIFE = int(os.environ.get("LIFE", 4))  # seconds: so that tokens end in the middle
LIMIT = int(os.environ.get("LIMIT", 280))


def token():
    import jwt

    return jwt.encode({"sub": "u", "exp": int(time.time()) + LIFE}, SECRET, "HS256")


def plain(item):
    match item:
        case uringcast.Message(data=data):
            is_whole = zlib.crc32(data["text"].encode()) == data["crc"]
            return data["n"] if is_whole else f"{data} is corrupt"
        case uringcast.Gap(reason=reason, missed=missed):
            return [reason, missed]
    raise AssertionError(f"{item} was not asked for")


class Aiohttp:
    """What the client uses of a connection, by aiohttp."""

    def __init__(self, url):
        self.url, self.session, self.socket = url, None, None
        self.close_code, self.close_reason = None, None

    async def __aenter__(self):
        self.session = aiohttp.ClientSession()
        try:
            # 15 bits: compression is not offered otherwise.
            opening = self.session.ws_connect(self.url, heartbeat=2, compress=15, max_msg_size=0)
            self.socket = await asyncio.wait_for(opening, 4)
        except aiohttp.ClientError as error:
            await self.session.close()
            raise OSError(str(error)) from error
        return self

    async def __aexit__(self, *_):
        await self.session.close()

    async def send(self, text):
        try:
            await self.socket.send_str(text)
        except aiohttp.ClientError as error:
            raise OSError(str(error)) from error

    async def __aiter__(self):
        async for message in self.socket:
            assert message.type == aiohttp.WSMsgType.TEXT, message
            yield message.data
        self.close_code = self.socket.close_code


class ByAiohttp(uringcast.Client):
    """The client over another library's WebSockets."""

    def _opened(self):
        return Aiohttp(self.url)


class Taker:
    """What one client is handed, and when it is through."""

    #: How many times each mark was seen by all.
    marks = collections.Counter()

    def __init__(self):
        self.seen = {channel: [] for channel in CHANNELS}
        self.left = set(CHANNELS)
        self.done = asyncio.Event()

    def take(self, item):
        self.seen[item.channel].append(plain(item))
        if not isinstance(item, uringcast.Message):
            return
        if item.data["mark"] == "last":
            self.left.discard(item.channel)
            if not self.left:
                self.done.set()
        elif item.data["mark"]:
            n = item.data["n"]
            self.marks[n] += 1
            if self.marks[n] == COUNT * len(CHANNELS):
                print("at", n, flush=True)

    async def take_slowly(self, item):
        if random.random() < 0.01:
            await asyncio.sleep(0.01)
        self.take(item)

    async def read(self, subscription):
        async for item in subscription:
            await self.take_slowly(item)


async def one(number, ready):
    taker = Taker()
    # Some iterate, some give functions, some coroutines.
    take = [None, taker.take, taker.take_slowly][number % 3]
    calls = {"on_message": take, "on_gap": take} if take else {}
    options = {"get_token": token} if SECRET else {}
    url = os.environ["SERVER_URL"]
    waits = {"idle": 2, "patience": 4, "base": 0.1, "longest": 0.5}
    connect = ByAiohttp if SOCKET == "aiohttp" else uringcast.connect
    async with connect(url, proxy=None, **waits, **options) as client:
        names = [PATTERN] if number % 4 == 3 else CHANNELS
        subscriptions = [await client.subscribe(name, buffer=10, **calls) for name in names]
        await asyncio.gather(*(one.confirmed for one in subscriptions))
        ready()
        readers = [] if take else [asyncio.create_task(taker.read(s)) for s in subscriptions]
        await taker.done.wait()
        for reader in readers:
            reader.cancel()
    return number, taker.seen


async def main():
    missing = COUNT

    def ready():
        nonlocal missing
        missing -= 1
        if not missing:
            print("ready", flush=True)

    for number, seen in await asyncio.gather(*(one(n, ready) for n in range(COUNT))):
        for channel, items in seen.items():
            print(json.dumps({"client": number, "channel": channel, "items": items}))
    print("ok")


asyncio.run(asyncio.wait_for(main(), LIMIT))

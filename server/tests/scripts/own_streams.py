"""The Python client over Server-Sent Events: messages once and in order through ends of its
streams, channels that come and go, refusals."""

import asyncio
import json
import pathlib
import sys
import urllib.request

import harness
from harness import equal

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "clients/python/src"))

import uringcast  # noqa: E402

CHANNELS = ["a", "b 1", "c", "d"]
ROUNDS = 6
harness.TIMEOUT = 100


def post(path, body):
    """A request to the control port."""
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(harness.CONTROL + path, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return answer.read()


class World:
    """The client, and what it was handed."""

    def __init__(self, client):
        self.client, self.published = client, 0
        self.seen, self.subscriptions = {}, {}

    async def add(self, name):
        """Subscribes, and waits for the confirmation."""
        seen = self.seen[name] = []
        taken = {
            "on_message": lambda item: seen.append((item.seq, item.data["n"])),
            "on_gap": lambda gap: seen.append(gap.reason),
        }
        one = self.subscriptions[name] = await self.client.subscribe(name, **taken)
        await one.confirmed

    async def round(self):
        """Publishes to all channels, while every stream is cut."""
        for n in range(20):
            self.published += 1
            data = {"n": self.published}
            batch = [{"channel": channel, "event": "e", "data": data} for channel in CHANNELS]
            await asyncio.to_thread(post, "/v1/publish", batch)
            if n == 10:
                await asyncio.to_thread(post, "/v1/drain", {"channel": "a", "spread": 0})

    async def sees(self, since):
        """Waits for everything that was published to these since they were subscribed to."""
        async with asyncio.timeout(30):
            while any(len(self.seen[name]) < self.published - n for name, n in since.items()):
                await asyncio.sleep(0.02)
        for name, start in since.items():
            expected = [(n, n) for n in range(start + 1, self.published + 1)]
            equal(name, self.seen[name], expected)


async def refusal(work):
    """The code of an error."""
    try:
        return await work
    except uringcast.UringcastError as error:
        return error.code


async def main():
    waits = {"base": 0.02, "longest": 0.2}
    tls = {"ssl": harness.tls()} if harness.CA_FILE else {}
    async with uringcast.connect(harness.URL, transport="sse", **waits, **tls) as client:
        world, since = World(client), {"a": 0, "b 1": 0}
        await asyncio.gather(*map(world.add, since))
        for n in range(ROUNDS):
            if n == 2:
                await world.add("c")
                since["c"] = world.published
            await world.round()
            await world.sees(since)
        # A channel that is left brings nothing more; the others go on.
        await world.subscriptions["b 1"].unsubscribe()
        del since["b 1"]
        before = len(world.seen["b 1"])
        await world.round()
        await world.sees(since)
        equal("what is left", len(world.seen["b 1"]), before)
        equal("publish", await refusal(client.publish("a", "e", {})), "UNSUPPORTED")
        # What is asked for beside it is not refused with it.
        said, _ = await asyncio.gather(refusal(world.add("secret")), world.add("d"))
        equal("secret", said, "FORBIDDEN")
        since["d"] = world.published
        equal("pattern", await refusal(world.add("a*")), "UNSUPPORTED")
        await world.round()
        await world.sees(since)


harness.run(main)

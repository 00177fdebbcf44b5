"""Subscriptions of the Python client that begin with older messages, over both transports."""

import itertools
import pathlib
import sys

import harness
from harness import equal, publish_keyed

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "clients/python/src"))

import uringcast  # noqa: E402

KEYS = ["x", "y", "x", "x", "z", "x"]


runs = itertools.count(1)


async def handed(transport, **options):
    """What a subscription is handed up to the message behind its confirmation, and where it is."""
    seen, run = [], next(runs)
    waits = {} if transport == "sse" else {"proxy": None}
    async with uringcast.connect(harness.URL, transport=transport, **waits) as client:
        subscription = await client.subscribe("keyed", **options)
        await subscription.confirmed
        publish_keyed("keyed", {"last": run}, "last")
        async for item in subscription:
            match item:
                case uringcast.Message(data={"last": last}) if last == run:
                    break
                case uringcast.Message(seq=seq):
                    seen.append(seq)
                case uringcast.Gap(reason=reason, first=first, last=last):
                    seen.append((reason, first, last))
        return seen


async def main():
    for n, key in enumerate(KEYS):
        publish_keyed("keyed", {"n": n}, key)
    head = len(KEYS)
    for transport in ["ws", "sse"]:
        equal(f"{transport}: live", await handed(transport), [])
        begun = await handed(transport, replay="latest")
        # The messages that end a run are of one key.
        equal(f"{transport}: replay", begun[:4], [2, ("conflated", 3, 4), 5, 6])
        head += 1
        equal(f"{transport}: replay", begun[-1], head)
        head += 1
        equal(f"{transport}: last", await handed(transport, last=2), [head - 1, head])
        head += 1


harness.run(main)

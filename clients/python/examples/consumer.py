"""A consumer that must not miss messages: it goes on where it was, also after its own restart.

    python consumer.py ws://127.0.0.1:8765 orders:7 place.json

Each message is handled, then its place is saved. If the process ends between the two, that message
comes again: make the handling repeatable, by its channel, epoch and seq.
"""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import sys
from typing import Any

import uringcast


def load(path: pathlib.Path) -> dict[str, Any]:
    """The places of the last run."""
    try:
        places: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return places


def save(path: pathlib.Path, places: dict[str, Any]) -> None:
    """Replaces the file as a whole, so that none is ever half written."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(places))
    os.replace(new, path)


async def main(url: str, channel: str, path: pathlib.Path) -> None:
    """Prints every message, and every gap."""
    async with uringcast.connect(url, positions=load(path)) as client:
        async for item in await client.subscribe(channel):
            match item:
                case uringcast.Message(seq=seq, event=event, data=data):
                    print(seq, event, json.dumps(data), flush=True)
                    save(path, {channel: item.position.to_json()})
                case uringcast.Gap(reason=reason, missed=missed):
                    # What the log no longer has: read it from where it was made.
                    print(f"gap: {missed or 'some'} messages, {reason}", flush=True)
                case _:
                    pass


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])))

"""Clients and publishers of a cluster, and the comparison of what they had with the stream."""

import asyncio
import contextlib
import datetime
import json
import time

from cluster_lab import ADDRESSES, API_KEY, get
from load_client import Client

PACKED, SEPARATOR = 256, b"\x1e"
PATIENCE = 20


class Publisher:
    """Publishes numbers to its own event of some channels in turn, each when the one before it is
    answered. With ids it tries again, at the next node, until one is acknowledged."""

    def __init__(self, name, nodes, channels, has_ids, rate):
        self.name, self.nodes, self.channels = name, nodes, channels
        self.has_ids, self.pause = has_ids, 1 / rate
        self.acknowledged, self.refused, self.unknown = {}, set(), set()
        self.longest, self.answers, self.tries, self.is_over = 0.0, {}, 0, False
        self.link = None

    async def run(self):
        number = 0
        while not self.is_over:
            number += 1
            channel = self.channels[number % len(self.channels)]
            begun = time.monotonic()
            await self.publish(channel, number)
            self.longest = max(self.longest, time.monotonic() - begun)
            await asyncio.sleep(self.pause)
        self.hang_up()

    async def publish(self, channel, number):
        message = {"channel": channel, "event": self.name, "data": {"n": number}}
        if self.has_ids:
            message["id"] = f"{self.name}-{number}"
        while True:
            status, body = await self.post(message)
            if status == 202:
                self.acknowledged[channel, number] = body["results"][0]["seq"]
                return
            code = body.get("error", {}).get("code") or body.get("code") or str(body)[:60]
            self.answers[code] = self.answers.get(code, 0) + 1
            if not self.has_ids:
                is_sure = status in (503, 429) and code != "unknown_outcome"
                (self.refused if is_sure else self.unknown).add((channel, number))
                return
            self.hang_up()
            self.nodes = self.nodes[1:] + self.nodes[:1]
            await asyncio.sleep(0.1)

    async def post(self, message):
        try:
            return await asyncio.wait_for(self.exchange(message), PATIENCE)
        except (OSError, asyncio.TimeoutError, EOFError, ValueError) as error:
            self.hang_up()
            return 0, {"code": type(error).__name__}

    async def exchange(self, message):
        host = ADDRESSES[self.nodes[0]]
        if self.link is None:
            self.link = await asyncio.open_connection(host, 8766)
        reader, writer = self.link
        body = json.dumps(message).encode()
        head = f"POST /v1/publish HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {API_KEY}\r\n"
        head += "Content-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.partition("content-length:")[2].split()[0])
        return int(head.split()[1]), json.loads(await reader.readexactly(size))

    def hang_up(self):
        if self.link:
            self.link[1].close()
        self.link = None


class Subscription(Client):
    """One connection of a subscriber."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def connection_made(self, transport):
        super().connection_made(transport)
        of = self.of
        # A node that is asked before it has opened the session reads the request afterwards.
        data = {"channels": of.channels}
        if of.epoch is not None:
            since = {name: {"epoch": of.epoch, "seq": of.last[name]} for name in of.channels}
            data["since"] = since
        self.request = {"type": "subscribe", "data": data}

    def message(self, payload):
        message = json.loads(payload)
        if message.get("event") == "session.created":
            self.say(self.request)
        else:
            self.of.take(message)


class Subscriber:
    """A client of all channels. It comes back, at the next node, with where it was."""

    def __init__(self, name, nodes, channels):
        self.name, self.nodes, self.channels = name, nodes, channels
        self.last, self.epoch = dict.fromkeys(channels, 0), None
        self.heard = {name: [] for name in channels}
        self.told, self.breaks, self.is_over, self.is_there = {}, [], False, asyncio.Event()

    async def run(self):
        loop = asyncio.get_running_loop()
        while not self.is_over:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                opening = loop.create_connection(lambda: Subscription(self), self.host(), 8765)
                transport, connection = await asyncio.wait_for(opening, 2)
                while not connection.over.done() and not self.is_over:
                    await asyncio.wait([connection.over], timeout=0.2)
                transport.close()
            self.nodes = self.nodes[1:] + self.nodes[:1]
            await asyncio.sleep(0.2)

    def host(self):
        return ADDRESSES[self.nodes[0]]

    def take(self, message):
        event, channel = message.get("event"), message.get("room")
        if event == "subscribe":
            return self.confirmed(message["data"])
        if event in ("session.degraded", "session.restored", "session.reconnect"):
            self.told[event] = self.told.get(event, 0) + 1
            return
        if event == "gap":
            reason, seq = message["data"]["reason"], message["data"]["to_seq"]
            self.told[f"gap {reason}"] = self.told.get(f"gap {reason}", 0) + 1
            self.heard[channel].append(("gap", seq, time.time(), reason))
            if "epoch" in message["data"]:
                self.epoch = message["data"]["epoch"]
        elif "seq" not in message:
            return self.breaks.append(f"not understood: {message}")
        else:
            seq = message["seq"]
            prev = message.get("prev", seq - 1)
            if prev != self.last[channel]:
                at = f"{channel} {seq}: prev is {prev}, and {self.last[channel]} was the last"
                self.breaks.append(at)
            entry = (message["event"], message["data"]["n"])
            self.heard[channel].append((entry, seq, time.time(), ""))
        self.last[channel] = seq

    def confirmed(self, data):
        for channel, place in data["positions"].items():
            is_first = self.epoch is None
            if not is_first and not place.get("recovered"):
                reason = place.get("reason", "?")
                if place.get("partial"):
                    self.told[f"partial {reason}"] = self.told.get(f"partial {reason}", 0) + 1
                    continue
                self.heard[channel].append(("gap", place["seq"], time.time(), reason))
                self.told[f"not recovered: {reason}"] = 1
                self.last[channel] = place["seq"]
            elif is_first:
                self.last[channel] = place["seq"]
        if data["positions"]:
            self.epoch = next(iter(data["positions"].values()))["epoch"]
        if data.get("failed"):
            self.breaks.append(f"subscriptions failed: {data['failed']}")
        self.is_there.set()


def stored(content):
    """What the stream has of a channel: positions of clients, times of storing, publications."""
    all_of = []
    for seq, at, text in content:
        parts = text.split(SEPARATOR)
        when = datetime.datetime.fromisoformat(at[:26].rstrip("Z") + "+00:00").timestamp()
        for place, part in enumerate(parts):
            entry = json.loads(part)
            position = seq * PACKED - (len(parts) - 1 - place)
            all_of.append((position, when, (entry["event"], entry["data"]["n"])))
    return all_of


class Comparison:
    """What publishers and subscribers had, held against the stream."""

    def __init__(self, content, is_new_stream):
        self.content = {channel: stored(messages) for channel, messages in content.items()}
        self.is_new_stream, self.faults = is_new_stream, []
        self.late, self.latest = 0.0, ("nobody", 0.0)
        self.found = {}
        for channel, publications in self.content.items():
            for seq, _, entry in publications:
                self.found.setdefault((channel, entry), []).append(seq)

    def publisher(self, one):
        for (channel, number), seq in one.acknowledged.items():
            places = self.places(one, channel, number)
            if places != [seq] and not (self.is_new_stream and not places):
                self.fault(f"{one.name} {number} acknowledged at {seq} of {channel}: {places}")
        for channel, number in one.refused:
            if self.places(one, channel, number):
                self.fault(f"{one.name} {number} was refused, and is in {channel}")
        for channel, number in one.unknown:
            if len(self.places(one, channel, number)) > 1:
                self.fault(f"{one.name} {number} is in {channel} twice")
        for channel in one.channels:
            numbers = [entry[1] for _, _, entry in self.of(channel) if entry[0] == one.name]
            if numbers != sorted(set(numbers)):
                self.fault(f"{one.name} is out of order in {channel}")

    def places(self, one, channel, number):
        return self.found.get((channel, (one.name, number)), [])

    def of(self, channel):
        return self.content.get(channel, [])

    def subscriber(self, one):
        for broken in one.breaks[:3]:
            self.fault(f"{one.name}: {broken}")
        for channel in one.channels:
            heard = one.heard[channel]
            gaps = [place for place, (entry, *_) in enumerate(heard) if entry == "gap"]
            if gaps and not self.is_new_stream:
                self.fault(f"{one.name}: a gap in {channel}: {heard[gaps[0]]}")
            # Behind the last gap everything must be there; before it the stream is another one.
            rest = heard[gaps[-1] + 1:] if gaps else heard
            had = [(seq, entry) for entry, seq, *_ in rest]
            wanted = [(seq, entry) for seq, _, entry in self.of(channel)]
            if gaps:
                wanted = wanted[-len(had):] if had else []
            if had != wanted:
                missing = [one for one in wanted if one not in had]
                more = [one for one in had if one not in wanted]
                self.fault(
                    f"{one.name}: {len(had)} of {len(wanted)} in {channel}; missing {missing[:3]},"
                    f" not in the stream {more[:3]}"
                )
            # What a new stream begins with comes again.
            after = heard[gaps[-1]][2] if gaps else 0
            times = {seq: at for seq, at, _ in self.of(channel) if at > after}
            for entry, seq, at, _ in rest:
                if entry != "gap" and seq in times and at - times[seq] > self.late:
                    self.late = at - times[seq]
                    self.latest = f"{one.name} had {seq} of {channel}, stored at", times[seq]

    def fault(self, text):
        self.faults.append(text)


async def counts(names):
    """The events that nodes have counted, together."""
    total = {}
    for name in names:
        page = await get(ADDRESSES[name], 9464, "/metrics") or ""
        for line in page.splitlines():
            if line.startswith("uringcast_cluster_events_total{"):
                event = line.partition('event="')[2].partition('"')[0]
                total[event] = total.get(event, 0) + int(float(line.rpartition(" ")[2]))
    return total

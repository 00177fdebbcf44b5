"""Whatever is shared, and an attacker who takes all of it that there is to have.

Each attack has a name, what holds it back, the number of attackers, and three methods: `before`
looks at the server, `run` attacks, `faults` says what was not held back.
"""

import json
import time

from .client import ATTACKERS, Closed, Connection, frame, say
from .server import Server

MIB = 1 << 20


class Attack:
    attackers = 1

    def before(self, server):
        return server.memory()

    def faults(self, server, before, told):
        return []


def crowd(server, count, sources):
    """Connections of several addresses."""
    found = []
    for number in range(count):
        connection = Connection(server, source=ATTACKERS[number % sources])
        if connection.open(server.token) != "101":
            raise Closed("refused")
        found.append(connection)
    return found


def answers(connections, over):
    """Reads what is answered; returns what was told."""
    for connection in connections:
        connection.socket.setblocking(False)
    while not over():
        for connection in connections:
            try:
                connection.fill()
                connection.take_frames()
            except (Closed, OSError):
                pass
        time.sleep(0.02)
    return set().union(*(connection.told for connection in connections))


class FreshNames(Attack):
    name = "subscribing to fresh names"
    held_by = "ADDRESS_CHANNELS"

    def run(self, server, ready, number):
        clients = crowd(server, 120, 1)
        over = ready()
        for client in clients:
            names = [f"fresh:{id(client)}-{n}" for n in range(100)]
            client.send(say({"type": "subscribe", "data": {"channels": names}}))
        return answers(clients, over)

    def faults(self, server, before, told):
        faults = []
        status, body = server.ask("POST", "/v1/publish/raw?channel=late&event=e", "{}")
        if status != 202:
            faults.append(f"a publisher's new channel was answered {status}: {body}")
        if "LIMIT_EXCEEDED" not in told:
            faults.append(f"the attacker was told {sorted(told)}")
        until = time.monotonic() + 10
        while server.count("uringcast_channels") > 1_000:
            if time.monotonic() > until:
                faults.append("the channels outlive their subscribers")
                break
            time.sleep(0.2)
        return faults


class Unfinished(Attack):
    """Messages of which one byte is missing, of more clients than there is memory for."""

    name = "messages without an end"
    held_by = "UNFINISHED_BYTES_PER_SHARD"

    def run(self, server, ready, number):
        clients = crowd(server, 1_100, 7)
        message = frame(0x82, bytes((64 << 10) - 1))[:-1]
        over = ready()
        for client in clients:
            client.send(message)
        return answers(clients, over)

    def faults(self, server, before, told):
        grown = server.memory() - before
        faults = [] if "close 4102" in told else [f"the attacker was told {sorted(told)}"]
        if grown > 160 * MIB:
            faults.append(f"{grown // MIB} MiB were taken")
        return faults


class AfterTheFault(Attack):
    """A client that breaks the protocol and goes on as if it had not."""

    name = "a flood behind a protocol error"
    held_by = "CLOSING_BYTES"
    attackers = 4

    def run(self, server, ready, number):
        told, chunk = set(), frame(0x82, bytes(60_000))
        over = ready()
        while not over():
            client, begun, sent = Connection(server, source=ATTACKERS[0]), time.monotonic(), 0
            client.open(server.token)
            client.send(frame(0xBF))
            try:
                while not over():
                    client.socket.sendall(client.sealed(chunk))
                    sent += len(chunk)
            except OSError:
                told.add("cut")
            if sent > 32 * MIB or time.monotonic() - begun > 3:
                told.add(f"cut after {sent // MIB} MiB")
            client.close()
        return told

    def faults(self, server, before, told):
        return [] if told == {"cut"} else [f"the attacker was {sorted(told)}"]


class Classes(Attack):
    """Names of many classes, in subscriptions only."""

    name = "words for /metrics"
    held_by = "MAX_CLASSES"

    def run(self, server, ready, number):
        (client,) = crowd(server, 1, 1)
        over = ready()
        names = [f"attacker{n}:x" for n in range(100)]
        client.send(say({"type": "subscribe", "data": {"channels": names}}))
        return answers([client], over)

    def faults(self, server, before, told):
        words = sum("attacker" in series for series in server.metrics())
        return [f"{words} series have the attacker's words"] if words else []


def siphash13(data, key=(0, 0)):
    """SipHash-1-3, which spreads channels over shards, with another key for each start."""
    mask = (1 << 64) - 1
    rotate = lambda x, n: (x << n | x >> 64 - n) & mask
    v = [part ^ word for part, word in zip(
        [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573],
        [*key, *key])]

    def mix():
        v[0] = (v[0] + v[1]) & mask
        v[1] = rotate(v[1], 13) ^ v[0]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[3]) & mask
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & mask
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & mask
        v[1] = rotate(v[1], 17) ^ v[2]
        v[2] = rotate(v[2], 32)

    whole = len(data) // 8 * 8
    last = len(data) % 256 << 56 | int.from_bytes(data[whole:], "little")
    for start in range(0, whole, 8):
        word = int.from_bytes(data[start : start + 8], "little")
        v[3] ^= word
        mix()
        v[0] ^= word
    v[3] ^= last
    mix()
    v[0] ^= last
    v[2] ^= 0xFF
    for _ in range(3):
        mix()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


class OneShard(Attack):
    """Names that fall on one of two shards for who knows the hash and not its key: of a table with
    room for two thirds of them on each, all find a place."""

    name = "names that meet on one shard"
    held_by = "MAX_SHARDS"
    names = 900

    def run(self, server, ready, number):
        meet = (f"meet:{n}" for n in range(10 * self.names))
        meet = [name for name in meet if siphash13(b"\0" + name.encode()) % 2 == 0]
        messages = [{"channel": name, "event": "e", "data": {}} for name in meet[: self.names]]
        flags = [f"--shard-channels={self.names * 2 // 3}"]
        with Server(server.process.args[0], None, None, flags, shards=2) as small:
            ready()
            return {str(small.ask("POST", "/v1/publish", json.dumps(messages))[0])}

    def faults(self, server, before, told):
        return [] if told == {"202"} else [f"they were answered {sorted(told)}"]


def attacks():
    """All of them."""
    return [FreshNames(), Unfinished(), AfterTheFault(), Classes(), OneShard()]

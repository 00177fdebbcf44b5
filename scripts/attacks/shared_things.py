"""Whatever is shared, and an attacker who takes all of it that there is to have.

Each attack has a name, what holds it back, the number of attackers, and three methods: `before`
looks at the server, `run` attacks, `faults` says what was not held back.
"""

import http.client
import json
import os
import socket
import time

from .client import ATTACKERS, Closed, Connection, frame, say
from .server import KEYS, Server

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
        if server.count("uringcast_channel_refusals_total") == 0:
            faults.append("nothing was refused")
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


class Ids(Attack):
    """More ids than the table has places, under one key."""

    name = "ids of one key"
    held_by = "MAX_REPEATS"
    path = "/v1/publish"

    @staticmethod
    def message(number):
        return {"channel": "flood:ids", "event": "e", "data": {}, "id": str(number)}

    def before(self, server):
        status, body = server.ask("POST", self.path, json.dumps(self.message("own")))
        return status, body

    def run(self, server, ready, number):
        batches = [
            json.dumps([self.message(f"{number}-{batch}-{n}") for n in range(1_000)])
            for batch in range(70)
        ]
        over, told = ready(), set()
        for batch in batches:
            if over():
                break
            told.add(server.ask("POST", self.path, batch, key="flood", timeout=60)[0])
        return {str(status) for status in told}

    def faults(self, server, before, told):
        status, body = server.ask("POST", self.path, json.dumps(self.message("own")))
        held = before[0] == 202 and status == 202 and '"duplicate":true' in body
        return [] if held else [f"another key's id was lost: {before}, {status} {body}"]


class Classes(Attack):
    """Names of many classes, in subscriptions only."""

    name = "names for /metrics"
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


class SilentHttp(Attack):
    """Connections to the control port without a key, that say half a request or read nothing."""

    name = "silent HTTP connections"
    held_by = "MAX_HTTP_CONNECTIONS"

    def __init__(self, request, name):
        self.request, self.name = request, name

    def run(self, server, ready, number):
        over, held, found = ready(), [], set()
        begun = time.monotonic()
        while len(held) < 700 and time.monotonic() < begun + 1:
            try:
                held.append(socket.create_connection(server.control, timeout=0.2))
                held[-1].sendall(self.request)
            except OSError:
                pass
        while not over():
            for method, path, key in [
                ("GET", "/health", None), ("POST", "/v1/publish/raw?channel=small&event=e", "probe")
            ]:
                try:
                    status, _ = server.ask(method, path, "{}" if key else None, key, timeout=2)
                except (OSError, http.client.HTTPException):
                    status = "no answer"
                found.add(f"{method} {status}")
            time.sleep(0.3)
        return found

    def faults(self, server, before, told):
        return [] if told == {"GET 200", "POST 202"} else [f"others got {sorted(told)}"]


class LargeHttp(Attack):
    """Requests that are nearly whole, and are kept in memory."""

    held_by = "bytes under way"

    def __init__(self, name, count, request):
        self.name, self.count, self.request = name, count, request

    def run(self, server, ready, number):
        over, held, most, begun = ready(), [], 0, server.memory()
        for _ in range(self.count):
            if over():
                break
            try:
                stream = socket.create_connection(server.control, timeout=1)
                held.append(stream)
                stream.sendall(self.request)
            except OSError:
                continue
        while not over():
            most = max(most, server.memory() - begun)
            time.sleep(0.1)
        return {f"{most // MIB} MiB"}

    def faults(self, server, before, told):
        grown = int(min(told).split(" ")[0])
        return [f"{grown} MiB were taken"] if grown > 160 else []


class Descriptors(Attack):
    """Silent connections to a server of few descriptors: health has one all the same."""

    name = "silent connections of all descriptors"
    held_by = "LimitNOFILE"
    program = None

    def run(self, server, ready, number):
        few = ["--max-connections=20", "--max-connections-per-address=0"]
        with Server(server.process.args[0], 1 if os.cpu_count() > 1 else None, 150, few) as small:
            over, held, found = ready(), [], set()
            begun = time.monotonic()
            while len(held) < 300 and time.monotonic() < begun + 1:
                try:
                    held.append(socket.create_connection(small.clients, timeout=0.1))
                except OSError:
                    pass
            while not over():
                try:
                    found.add(str(small.ask("GET", "/health", key=None, timeout=2)[0]))
                except (OSError, http.client.HTTPException):
                    found.add("no answer")
                time.sleep(0.1)
        return found

    def faults(self, server, before, told):
        return [] if told == {"200"} else [f"/health was answered {sorted(told)}"]


def attacks():
    """All of them."""
    line = b"POST /v1/publish HTTP/1.1\r\nHost: localhost\r\n"
    key = f"Authorization: Bearer {KEYS['flood']}\r\nContent-Type: application/json\r\n".encode()
    body = line + key + b"Content-Length: %d\r\n\r\n[" % (14 * MIB) + b" " * (14 * MIB - 2)
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (390 << 10)
    stream = line + key.replace(b"json", b"x-ndjson") + b"Transfer-Encoding: chunked\r\n\r\n"
    documents = b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
    return [
        FreshNames(),
        Unfinished(),
        AfterTheFault(),
        Ids(),
        Classes(),
        SilentHttp(documents, "HTTP answers that are not read"),
        SilentHttp(stream, "idle streams of one key"),
        SilentHttp(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", "idle kept connections"),
        LargeHttp("bodies without an end", 60, body),
        LargeHttp("heads without an end", 500, head),
        Descriptors(),
    ]

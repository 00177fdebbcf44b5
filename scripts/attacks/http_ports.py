"""The HTTP ports, and an attacker who takes all of them that there is to have: places, bytes, ids,
descriptors. As the attacks of shared_things.
"""

import http.client
import json
import os
import socket
import time

from .server import KEYS, Server
from .shared_things import MIB, Attack


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


class SilentHttp(Attack):
    """Connections to the control port that say half a request, or read nothing."""

    def __init__(self, name, held_by, request):
        self.name, self.held_by, self.request = name, held_by, request

    def run(self, server, ready, number):
        over, held, found = ready(), [], set()
        begun = time.monotonic()
        while len(held) < 700 and time.monotonic() < begun + 1:
            try:
                held.append(socket.create_connection(server.control, timeout=0.2))
                held[-1].sendall(self.request)
            except OSError:
                pass
        while not (over() and found):
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

    def __init__(self, name, held_by, count, request, answer):
        self.name, self.held_by, self.count = name, held_by, count
        self.request, self.answer = request, answer

    def run(self, server, ready, number):
        over, held, told, most, begun = ready(), [], set(), 0, server.memory()
        while not (over() and most):
            try:
                if len(held) < self.count and not over():
                    held.append(socket.create_connection(server.control, timeout=1))
                    held[-1].sendall(self.request)
                else:
                    time.sleep(0.1)
            except OSError:
                pass
            most = max(most, server.memory() - begun, 1)
        for stream in held:
            stream.setblocking(False)
            try:
                told.add(stream.recv(64).decode()[9:12] or "cut")
            except OSError:
                pass
        return told | {f"{most // MIB} MiB"}

    def faults(self, server, before, told):
        (grown,) = (int(each.split(" ")[0]) for each in told if each.endswith(" MiB"))
        faults = [] if self.answer in told else [f"none was answered {self.answer}"]
        if grown > 160:
            faults.append(f"{grown} MiB were taken")
        return faults


class LargePublications(Attack):
    """Lists of the largest messages, faster than a shard takes them."""

    name = "large publications"
    held_by = "MAILBOX_BYTES"
    attackers = 4

    def run(self, server, ready, number):
        message = {"channel": f"flood:{number}", "event": "e", "data": {"x": "x" * 60_000}}
        body = json.dumps([message] * 200)
        over, told = ready(), set()
        while not over():
            told.add(str(server.ask("POST", "/v1/publish", body, key="flood", timeout=60)[0]))
        return told

    def faults(self, server, before, told):
        grown = (server.memory() - before) // MIB
        faults = [] if told <= {"202", "503"} else [f"the attacker was told {sorted(told)}"]
        if grown > 320:
            faults.append(f"{grown} MiB were taken")
        status, body = server.ask("POST", "/v1/publish/raw?channel=small&event=e", "{}")
        if status != 202:
            faults.append(f"another key was answered {status}: {body}")
        return faults


class Descriptors(Attack):
    """Silent connections to a server of few descriptors: health has one all the same."""

    name = "silent connections of all descriptors"
    held_by = "LEAST_HANDSHAKES"

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
            while not (over() and found):
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
    health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (390 << 10)
    stream = line + key.replace(b"json", b"x-ndjson") + b"Transfer-Encoding: chunked\r\n\r\n"
    documents = b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
    return [
        Ids(),
        LargePublications(),
        SilentHttp("HTTP answers that are not read", "NEW_HTTP_CONNECTIONS", documents),
        SilentHttp("idle streams of one key", "MAX_HTTP_CONNECTIONS", stream),
        SilentHttp("idle kept connections", "NEW_HTTP_CONNECTIONS", health),
        LargeHttp("bodies without an end", "HTTP_BODY_BYTES_PER_KEY", 60, body, "503"),
        LargeHttp("heads without an end", "MAX_HTTP_HEAD", 500, head, "431"),
        Descriptors(),
    ]

"""A small channel: how long its messages take while others attack."""

import json
import os
import socket
import struct
import time

from .client import Closed, Connection, frame, say

SO_TIMESTAMPNS = 35
PING, PONG = 9, 0x8A
PUBLISHERS, RATE = 3, 80


class Subscriber(Connection):
    """Reads with the kernel's time of arrival: waiting for a core of one's own does not count."""

    at = 0

    def receive(self):
        data, notes, _, _ = self.socket.recvmsg(1 << 16, 64)
        if not data:
            raise Closed
        for level, kind, value in notes:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                self.at = seconds * 1_000_000_000 + nanoseconds
        self.inbox.write(data)


class Probe:
    """A subscriber and publishers of the channel `small`, in this process."""

    def __init__(self, server):
        self.subscriber = Subscriber(server)
        self.subscriber.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        assert self.subscriber.open(server.token) == "101"
        self.subscriber.send(say({"type": "subscribe", "data": {"channel": "small"}}))
        while not any("subscribed" in str(each) for each in self.subscriber.messages()):
            pass
        self.publishers = [Connection(server) for _ in range(PUBLISHERS)]
        for publisher in self.publishers:
            assert publisher.open(server.token) == "101"
            publisher.socket.setblocking(False)
        self.subscriber.socket.setblocking(False)
        self.number = 0

    def measure(self, seconds):
        """Publishes for so long. Returns the latencies in ms, and how many messages were lost."""
        sent, latencies = {}, []
        begin = time.monotonic()
        end = begin + seconds
        due = begin
        while (now := time.monotonic()) < end or (sent and now < end + 3):
            if now >= due and now < end:
                due += 1 / (PUBLISHERS * RATE)
                self.publish(sent)
            self.collect(sent, latencies)
            self.discard()
            wait = due - time.monotonic() if now < end else 0.001
            if wait > 0:
                time.sleep(min(wait, 0.001))
        return latencies, len(sent)

    def publish(self, sent):
        self.number += 1
        publisher = self.publishers[self.number % PUBLISHERS]
        data = {"channel": "small", "event": "probe", "data": {"n": self.number}}
        records = publisher.sealed(say({"type": "request", "event": "publish", "data": data}))
        sent[self.number] = time.time_ns()
        publisher.socket.send(records)

    def collect(self, sent, latencies):
        try:
            self.subscriber.fill()
        except BlockingIOError:
            return
        for opcode, payload in self.frames(self.subscriber):
            if opcode == 1 and (message := json.loads(payload)).get("event") == "probe":
                begun = sent.pop(message["data"]["n"], None)
                if begun:
                    latencies.append((self.subscriber.at - begun) / 1e6)

    def discard(self):
        """Reads the answers to the publications; keeps the errors."""
        for publisher in self.publishers:
            try:
                publisher.fill()
                self.frames(publisher)
            except BlockingIOError:
                pass

    @staticmethod
    def frames(connection):
        """The frames that have come; PINGs are answered."""
        frames = connection.take_frames()
        if any(opcode == PING for opcode, _ in frames):
            connection.send(frame(PONG))
        return frames

    def told(self):
        return set().union(*(publisher.told for publisher in self.publishers))


def serve(server, pipe, core):
    """Measures on request, until the request is None."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    probe = Probe(server)
    pipe.send("ready")
    while True:
        while not pipe.poll(1):
            # Reads, so that it is not slow itself.
            try:
                probe.measure(0.01)
            except (Closed, ConnectionError):
                # The next measurement says so.
                pipe.poll(None)
        if (seconds := pipe.recv()) is None:
            return
        try:
            pipe.send((*probe.measure(seconds), probe.told()))
        except (Closed, ConnectionError) as error:
            pipe.send(([], -1, {f"the probe was cut: {error}"}))
            probe = Probe(server)


def percentile(latencies, part):
    ordered = sorted(latencies)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("inf")

"""What scripts that load a server share: servers on free ports, and many small clients."""

import asyncio
import json
import os
import pathlib
import resource
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def raise_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Server:
    """A server on free ports, which ends with the script."""

    def __init__(self, program, *flags, log=subprocess.DEVNULL):
        ports = ["--port=0", "--control-port=0", "--metrics-port=0"]
        self.process = subprocess.Popen(
            [program, *ports, *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=log, text=True,
        )
        words = self.process.stdout.readline().split()
        if not words:
            raise SystemExit(f"{program} does not start: build it, or give --program")
        place = dict(zip(words[::2], words[1::2]))
        self.clients = address(place["listening"])
        self.control = address(place["control"])

    def end(self):
        self.process.terminate()
        return self.process.wait()


def address(url):
    host, _, port = url.split("://")[1].rpartition(":")
    return host, int(port)


def masked(opcode, payload):
    """A frame of a client; the mask is zero."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


class Client(asyncio.Protocol):
    """One connection. Subclasses say what happens at each message."""

    def __init__(self):
        self.buffer, self.is_open, self.transport = bytearray(), False, None
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(
            b"GET / HTTP/1.1\r\nHost: load\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data):
        self.buffer += data
        if not self.is_open:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.refused(head.decode(errors="replace"))
                return self.transport.close()
            self.is_open, self.buffer = True, bytearray(rest)
        while (frame := self.take()) is not None:
            opcode, payload = frame
            if opcode == TEXT:
                self.message(payload)
            elif opcode == PING:
                self.transport.write(masked(PONG, payload))
            elif opcode == CLOSE:
                self.closed(struct.unpack(">H", payload[:2])[0], payload[2:].decode())
                self.transport.write(masked(CLOSE, payload))
                self.transport.close()

    def take(self):
        """The next whole frame."""
        if len(self.buffer) < 2:
            return None
        size, start = self.buffer[1], 2
        if size == 126:
            start, size = 4, int.from_bytes(self.buffer[2:4], "big")
        elif size == 127:
            start, size = 10, int.from_bytes(self.buffer[2:10], "big")
        if len(self.buffer) < start + size:
            return None
        frame = self.buffer[0] & 15, bytes(self.buffer[start : start + size])
        del self.buffer[: start + size]
        return frame

    def say(self, message):
        self.transport.write(masked(TEXT, json.dumps(message).encode()))

    def connection_lost(self, error):
        if not self.over.done():
            self.over.set_result(error)

    def message(self, payload):
        pass

    def closed(self, code, reason):
        pass

    def refused(self, head):
        pass


async def connect(client, where, number=0):
    """Connects from one of several loopback addresses: one has too few ports for all."""
    source = (f"127.0.0.{2 + number % 8}", 0) if where[0].startswith("127.") else None
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: client, *where, local_addr=source)
    return client


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))

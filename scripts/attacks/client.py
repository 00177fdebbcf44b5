"""A WebSocket client over TLS that sends what it likes: frames, records, half handshakes."""

import hashlib
import hmac
import json
import socket
import ssl
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TEXT, CLOSE = 0x81, 0x88
HANDSHAKE, APPLICATION_DATA = 22, 23
KEY_UPDATE = bytes([24, 0, 0, 1, 0])
# The addresses of this attacker; the small channel's clients have another.
ATTACKERS = [f"127.0.0.{n}" for n in range(2, 10)]


def frame(first, payload=b""):
    """A masked frame; the mask is zero, so that the payload stays as it is."""
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    elif len(payload) < 1 << 16:
        length = b"\xfe" + struct.pack("!H", len(payload))
    else:
        length = b"\xff" + struct.pack("!Q", len(payload))
    return bytes([first]) + length + bytes(4) + payload


def say(message):
    """A text frame with a document."""
    return frame(TEXT, json.dumps(message).encode())


def connect(address, source=None):
    """A TCP connection, from another loopback address if one is given."""
    return socket.create_connection(address, timeout=10, source_address=source and (source, 0))


class Closed(Exception):
    """The server ended the connection."""


class Connection:
    """One connection, upgraded once `open` has returned."""

    def __init__(self, server, source=None, session=None, context=None):
        self.server = server
        self.socket = connect(server.clients, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.inbox, self.outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = context or server.context
        self.tls = context.wrap_bio(
            self.inbox, self.outbox, server_hostname="localhost", session=session
        )
        self.buffer = b""
        # Error codes, close codes and alerts that the server sent.
        self.told = set()

    def shake_hands(self):
        while True:
            try:
                self.tls.do_handshake()
                return self.socket.sendall(self.outbox.read())
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outbox.read())
                self.receive()

    def request(self, token=None):
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        return (
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"{bearer}\r\n"
        ).encode()

    def open(self, token=None):
        """Makes the handshake and the upgrade; returns the status of the answer."""
        self.shake_hands()
        self.send(self.request(token))
        return self.status()

    def status(self):
        """Reads the head of the answer to an upgrade."""
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return head.split(b" ")[1].decode()

    def sealed(self, data):
        """The records that carry the data."""
        self.tls.write(data)
        return self.outbox.read()

    def send(self, data):
        self.socket.sendall(self.sealed(data))

    def receive(self):
        """Takes in what the socket has, and waits for it if it blocks."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            raise Closed
        self.inbox.write(data)

    def fill(self):
        self.receive()
        self.read_records()

    def read_records(self):
        """Opens the records that were received."""
        try:
            while data := self.tls.read(1 << 16):
                self.buffer += data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.told.add("alert" if "ALERT" in str(error) else str(error))
            raise Closed from error

    def take_frames(self):
        """The frames that have come whole, each with its opcode; notes errors and closes."""
        frames, data = [], self.buffer
        while len(data) >= 2:
            length, start = data[1], 2
            if length == 126:
                length, start = int.from_bytes(data[2:4], "big"), 4
            if len(data) < start + length or len(data) < start:
                break
            frames.append((data[0] & 15, data[start : start + length]))
            data = data[start + length :]
        self.buffer = data
        for opcode, payload in frames:
            if opcode == CLOSE & 15:
                self.told.add(f"close {int.from_bytes(payload[:2], 'big')}")
            elif b'"error_code":"' in payload:
                self.told.add(json.loads(payload)["error_code"])
            elif b'"failed":{"' in payload:
                self.told |= set(json.loads(payload)["data"]["failed"].values())
        return frames

    def messages(self):
        """Waits for messages and returns them as documents."""
        while True:
            found = [json.loads(payload) for code, payload in self.take_frames() if code == 1]
            if found:
                return found
            self.fill()

    def close(self):
        self.socket.close()


def expand(secret, label, length, digest):
    """HKDF-Expand-Label of RFC 8446, 7.1, of up to one hash."""
    label = b"tls13 " + label
    info = struct.pack("!HB", length, len(label)) + label + b"\0"
    return hmac.new(secret, info + b"\1", digest).digest()[:length]


class Forger(Connection):
    """Seals the client's records itself, with the secret that OpenSSL writes into a file."""

    def open(self, token=None):
        context = self.tls.context
        self.shake_hands()
        with open(context.keylog_filename, encoding="ascii") as keys:
            lines = [line.split() for line in keys if line.startswith("CLIENT_TRAFFIC_SECRET_0")]
        self.secret = bytes.fromhex(lines[-1][2])
        suite = self.tls.cipher()[0]
        self.digest = hashlib.sha384 if suite.endswith("384") else hashlib.sha256
        self.key_length = 32 if "256_GCM" in suite else 16
        self.use(self.secret)
        self.socket.sendall(self.seal(APPLICATION_DATA, self.request(token)))
        return self.status()

    def use(self, secret):
        self.secret, self.sequence = secret, 0
        self.key = AESGCM(expand(secret, b"key", self.key_length, self.digest))
        self.iv = int.from_bytes(expand(secret, b"iv", 12, self.digest), "big")

    def seal(self, kind, plain):
        """One record of this content type."""
        head = struct.pack("!BHH", APPLICATION_DATA, 0x303, len(plain) + 17)
        nonce = (self.iv ^ self.sequence).to_bytes(12, "big")
        self.sequence += 1
        return head + self.key.encrypt(nonce, plain + bytes([kind]), head)

    def key_update(self):
        record = self.seal(HANDSHAKE, KEY_UPDATE)
        size = self.digest().digest_size
        self.use(expand(self.secret, b"traffic upd", size, self.digest))
        return record

    def empty(self):
        return self.seal(APPLICATION_DATA, b"")

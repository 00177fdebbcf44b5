"""The floods of server/tests/floods.toml, each as a program of one attacker.

An attacker prepares, reports that it is ready, attacks until its time is over, and returns what it
was told: error codes, close codes, HTTP statuses, alerts, or that it was cut.
"""

import pathlib
import select
import tempfile
import time
import tomllib

from .client import APPLICATION_DATA, ATTACKERS, Closed, Connection, Forger, connect, frame, say
from .server import ROOT, token

FLOODS = tomllib.loads((ROOT / "server/tests/floods.toml").read_text())["flood"]
CHUNK = 64 << 10
SOURCE = ATTACKERS[0]
# More than MAX_CONTROL_RECORDS, and more than a burst of messages.
RECORDS_EACH = 300


def attack(server, flood, ready, number):
    """Runs a flood until `ready` says that it is over. Returns what the attacker was told."""
    if flood["sends"] == "frames":
        return frames(server, flood, ready)
    if flood["sends"] == "records":
        return records(server, flood["record"], ready)
    return CONNECTIONS[flood["each"]](server, ready, number)


def bytes_of(frames_given):
    return b"".join(frame(first, text.encode()) for first, text in frames_given)


def opened(server, kind=Connection, **more):
    connection = kind(server, source=SOURCE, **more)
    status = connection.open(server.token)
    if status != "101":
        raise Closed(status)
    return connection


def frames(server, flood, ready):
    """One connection that writes frames as fast as it may; a new one when it was closed."""
    once = bytes_of(flood["frames"])
    chunk = once * (CHUNK // len(once))
    connection, told = opened(server), set()
    over = ready()
    while not over():
        try:
            connection.send(bytes_of(flood.get("begin", [])))
            pump(connection, chunk, over)
        except (Closed, OSError):
            connection.close()
            told |= connection.told
            connection = opened(server)
    connection.close()
    return told | connection.told


def pump(connection, chunk, over):
    """Writes the chunk again and again, and reads what is answered."""
    connection.socket.setblocking(False)
    outgoing = memoryview(b"")
    while not over():
        if not outgoing:
            outgoing = memoryview(connection.sealed(chunk))
        readable, writable, _ = select.select([connection.socket], [connection.socket], [], 0.1)
        if readable:
            connection.fill()
            connection.take_frames()
        if writable:
            outgoing = outgoing[connection.socket.send(outgoing) :]


def records(server, kind, ready):
    """Connections that send records without data, sealed in advance, until each is cut."""
    with tempfile.TemporaryDirectory() as home:
        def forged(number):
            keys = pathlib.Path(home) / str(number)
            forger = opened(server, Forger, context=server.tls_context(keys))
            forger.socket.settimeout(1)
            # The beginning of a message that goes on.
            begin = forger.seal(APPLICATION_DATA, frame(0x82, bytes(65_000))[:8])
            return forger, begin + b"".join(RECORDS[kind](forger) for _ in range(RECORDS_EACH))

        waiting, told, number = [forged(n) for n in range(8)], set(), 8
        over = ready()
        while not over():
            forger, flood = waiting.pop() if waiting else forged(number)
            number += 1
            try:
                forger.socket.sendall(flood)
                while not (over() or forger.told):
                    forger.fill()
                    forger.take_frames()
            except (Closed, OSError):
                pass
            told |= forger.told
            forger.close()
    return told


RECORDS = {
    "key_update": Forger.key_update,
    "empty": Forger.empty,
    "key_update_and_byte": lambda forger: forger.key_update() + forger.seal(APPLICATION_DATA, b" "),
    # So much data that no receive holds more KeyUpdates than a peer may send.
    "key_update_and_data": lambda forger: (
        forger.key_update() + forger.seal(APPLICATION_DATA, b" " * 200)
    ),
}


def half_handshakes(server, ready, number):
    """Keeps more connections half way through TLS than a shard has places for."""
    hello = Connection(server, source=SOURCE)
    try:
        hello.tls.do_handshake()
    except OSError:
        pass
    half = hello.outbox.read()[:200]
    hello.close()

    def begun():
        stream = connect(server.clients, ATTACKERS[number % len(ATTACKERS)])
        stream.sendall(half)
        stream.setblocking(False)
        poller.register(stream, select.POLLIN)
        held[stream.fileno()] = stream

    poller, held, told = select.poll(), {}, set()
    for _ in range(400):
        begun()
    over = ready()
    while not over():
        for descriptor, _ in poller.poll(50):
            told.add("cut")
            poller.unregister(descriptor)
            held.pop(descriptor).close()
            begun()
    return told


def upgrades(server, ready, number, resume=False):
    """Connects and upgrades, and holds what it has got until it is refused."""
    held, told, session = [], set(), None
    if resume:
        first = opened(server)
        # The tickets may have come with the answer.
        while not (first.tls.session and first.tls.session.has_ticket):
            first.fill()
        session = first.tls.session
        first.close()
    over = ready()
    while not over():
        try:
            connection = Connection(server, source=SOURCE, session=session)
            status = connection.open(server.token)
        except (Closed, OSError):
            told.add("cut")
            continue
        held.append(connection)
        if status != "101":
            told.add(status)
            while held:
                held.pop().close()
    return told


def tickets(server, ready, number):
    """As upgrades, with TLS sessions that are taken up again."""
    return upgrades(server, ready, number, resume=True)


def tokens(server, ready, number):
    """Connects, shows a token of another issuer, and comes again."""
    told, forged = set(), token("another secret of as many bytes, by an attacker")
    over = ready()
    while not over():
        try:
            connection = Connection(server, source=SOURCE)
            told.add(connection.open())
            data = {"token": forged}
            connection.send(say({"type": "request", "event": "auth", "id": "a", "data": data}))
            closed = lambda: any(word.startswith("close") for word in connection.told)
            while not (over() or closed()):
                connection.fill()
                connection.take_frames()
        except (Closed, OSError):
            pass
        told |= connection.told
        connection.close()
    return told


CONNECTIONS = {
    "half_handshake": half_handshakes,
    "upgrade": upgrades,
    "ticket": tickets,
    "token": tokens,
}

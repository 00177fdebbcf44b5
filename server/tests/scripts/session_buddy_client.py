"""A client of session-buddy's own protocol, as its documents say, over PyPI's `websockets`.

SERVER_URL is open, AUTH_URL wants tokens.
"""

import asyncio
import json
import os
import types
from datetime import datetime, timedelta

import harness
from harness import equal
from service_code import Service
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

AUTH_URL = os.environ["AUTH_URL"]
SECRET = os.environ["AUTH_SECRET"]
WELCOME = "Connected to Session-Buddy real-time metrics"


async def receive(socket):
    """The next message and the keys it has; a time must be one, in UTC."""
    message = json.loads(await socket.recv())
    if stamp := message.pop("timestamp", None):
        equal("zone", datetime.fromisoformat(stamp).utcoffset(), timedelta(0))
    return message, stamp is not None


async def connected(socket, authenticated):
    hello = {"type": "connected", "message": WELCOME, "authenticated": authenticated}
    equal("hello", await receive(socket), (hello, True))


async def confirmed(socket, skill):
    """Takes a confirmation; an update may come before it."""
    while True:
        message = await receive(socket)
        if message[0]["type"] != "metrics_update":
            expected = {"type": "subscription_confirmed", "skill": skill}
            return equal("confirmed", message, (expected, True))


async def update(socket, data):
    """Takes updates until one has this data; what was on its way may be older."""
    while True:
        message, timed = await receive(socket)
        shape = (message["type"], set(message), timed)
        equal("update", shape, ("metrics_update", {"type", "data"}, True))
        if message["data"] == data:
            return


async def snapshot(service):
    """What the service's own broadcaster sends, given two skills."""
    server = service.server.__new__(service.server)
    skills = [
        types.SimpleNamespace(
            skill_name=name, total_invocations=42, completion_rate=0.95, avg_duration_seconds=3.2
        )
        for name in ("pytest-run", "ruff-fix")
    ]
    anomaly = {"skill_name": "ruff-fix", "anomaly_type": "drop", "deviation_score": 2.4}
    server.storage = types.SimpleNamespace(get_top_skills=lambda limit: skills[:limit])
    server._detect_anomalies = lambda threshold: [anomaly]
    server._running, server.update_interval = True, 0
    server.clients, server.metrics_subscribers = set(), []
    made = []

    def stop(message):
        made.append(message)
        server._running = False

    server.register_metrics_subscriber(stop)
    await server.broadcast_metrics()
    return made[0]


async def everything_and_one_skill(service):
    message = await snapshot(service)
    equal("the original's keys", list(message), ["type", "timestamp", "data"])
    everything = message["data"]
    async with connect(harness.URL) as socket:
        await connected(socket, False)
        await update(socket, {"top_skills": [], "anomalies": []})
        harness.publish("metrics", "metrics.updated", everything)
        await update(socket, everything)
        await socket.send(json.dumps({"type": "subscribe", "skill": "ruff-fix"}))
        await confirmed(socket, "ruff-fix")
        await update(socket, {"top_skills": everything["top_skills"][1:], "anomalies": []})
        await socket.send(json.dumps({"type": "subscribe", "skill": None}))
        await confirmed(socket, None)
        await update(socket, everything)
        await socket.send(json.dumps({"type": "unsubscribe"}))
        await socket.send(json.dumps({"type": "no such thing"}))
        await socket.send(json.dumps({"type": "ping"}))
        while (message := await receive(socket))[0]["type"] == "metrics_update":
            pass
        equal("pong", message, ({"type": "pong"}, False))


async def a_token_or_4001(service):
    good = service.token(SECRET, ["session-buddy:read"])
    for first in [{"token": "no.token.this"}, {"token": ""}, {"token": 7}, {"type": "ping"}, {}]:
        await refused(json.dumps(first))
    await refused("no JSON")
    await refused(json.dumps({"token": good[:-2]}))
    async with connect(AUTH_URL) as socket:
        await socket.send(json.dumps({"token": good}))
        await connected(socket, True)
        await update(socket, {"top_skills": [], "anomalies": []})
        # Once more renews the session: no reply, and all goes on.
        await socket.send(json.dumps({"token": service.token(SECRET, ["session-buddy:read"])}))
        await update(socket, {"top_skills": [], "anomalies": []})
    headers = {"Authorization": f"Bearer {good}"}
    async with connect(AUTH_URL, additional_headers=headers) as socket:
        await connected(socket, True)


async def refused(first):
    async with connect(AUTH_URL) as socket:
        await socket.send(first)
        try:
            equal(f"an answer to {first}", await socket.recv(), None)
        except ConnectionClosed as end:
            equal(first, (end.rcvd.code, end.rcvd.reason), (4001, "Authentication failed"))


async def silence_is_refused():
    async with connect(AUTH_URL) as socket:
        try:
            equal("an answer to nothing", await socket.recv(), None)
        except ConnectionClosed as end:
            equal("silence", (end.rcvd.code, end.rcvd.reason), (4001, "Authentication failed"))


async def main():
    service = Service("session-buddy")
    silent = asyncio.create_task(silence_is_refused())
    await everything_and_one_skill(service)
    await a_token_or_4001(service)
    await silent


harness.run(main)

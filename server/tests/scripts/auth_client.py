"""Tokens made by PyJWT, shown by PyPI's `websockets`, in each of the three ways."""

import asyncio
import json
import os
import time

import jwt
import websockets

from harness import TIMEOUT, URL, equal, publish, run, tls

SECRET = os.environ.get("AUTH_SECRET", "an-old-oak-in-the-meadow-of-1849")


def token(seconds=60, algorithm="HS256", secret=SECRET, **claims):
    """A token as the original family's services make them."""
    now = int(time.time())
    claims = {"user_id": "u1", "permissions": ["workflow:read"], "iat": now} | claims
    return jwt.encode(claims | {"exp": now + seconds}, secret, algorithm=algorithm)


def auth(text):
    data = {"token": text}
    return json.dumps({"type": "request", "id": "a1", "event": "auth", "data": data})


def connect(url=URL, **options):
    return websockets.connect(url, ssl=tls(), **options)


async def receive(client):
    return json.loads(await asyncio.wait_for(client.recv(), TIMEOUT))


async def closed(client, code, reason):
    try:
        while True:
            await asyncio.wait_for(client.recv(), TIMEOUT)
    except websockets.ConnectionClosed as end:
        equal("close", (end.rcvd.code, end.rcvd.reason), (code, reason))


async def first_frame():
    for algorithm in ["HS256", "HS384", "HS512"]:
        async with connect() as client:
            await client.send(auth(token(algorithm=algorithm)))
            # Before the answer: what follows must wait for it, in order.
            await client.send(json.dumps({"type": "subscribe", "room": "workflow:1"}))
            reply = await receive(client)
            data = {key: reply["data"][key] for key in ("status", "user_id")}
            equal("auth reply", data, {"status": "authenticated", "user_id": "u1"})
            equal("its correlation", reply["correlation_id"], "a1")
            welcome = await receive(client)
            equal("welcome", welcome["event"], "session.created")
            equal("authenticated", welcome["data"]["authenticated"], True)
            equal("subscribed", (await receive(client))["data"]["channel"], "workflow:1")
            seq = publish("workflow:1", "workflow.started", {"by": algorithm})
            event = await receive(client)
            equal("event", (event["seq"], event["data"]), (seq, {"by": algorithm}))


async def upgrade():
    headers = {"Authorization": f"Bearer {token()}"}
    for options in [{"additional_headers": headers}, {"url": f"{URL}/?token={token()}"}]:
        async with connect(**options) as client:
            welcome = await receive(client)
            equal("welcome", welcome["event"], "session.created")
            equal("authenticated", welcome["data"]["authenticated"], True)
            await client.send(json.dumps({"type": "subscribe", "room": "pool:1"}))
            equal("no permission", (await receive(client))["error_code"], "FORBIDDEN")
    async with connect(additional_headers={"Authorization": "Bearer x"}) as client:
        equal("bad token", (await receive(client))["error_code"], "AUTH_FAILED")
        await closed(client, 4001, "Authentication failed")


async def bad_tokens():
    now = int(time.time())
    good = token()
    for what, bad in {
        "expired": token(seconds=-1),
        "nbf": token(nbf=now + 30),
        "wrong key": token(secret="another-key-that-is-long-enough-too"),
        "none": jwt.encode({"user_id": "u1", "exp": now + 60}, None, algorithm="none"),
        "truncated": good[:-3],
        "aud": token(aud="others"),
        "no user": jwt.encode({"exp": now + 60}, SECRET, algorithm="HS256"),
        "no exp": jwt.encode({"user_id": "u1"}, SECRET, algorithm="HS256"),
    }.items():
        async with connect() as client:
            await client.send(auth(bad))
            reply = await receive(client)
            equal(what, reply["error_message"], "Invalid or expired token")
            await closed(client, 4001, "Authentication failed")


async def main():
    await first_frame()
    await upgrade()
    await bad_tokens()


run(main)

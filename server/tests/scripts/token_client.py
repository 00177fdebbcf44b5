"""Sends tokens of every algorithm to a running server. STEP names the keys that are in force."""

import asyncio
import json
import os

import harness
from harness import equal
from issuer import FIRST, NEXT, Issuer
from websockets.asyncio.client import connect

ISSUER = Issuer(os.environ["KEYS"])
REFUSED = ("error", "Invalid or expired token")


async def shown(token):
    """The server's reply to a token."""
    async with connect(harness.URL) as socket:
        data = {"token": token}
        await socket.send(json.dumps({"type": "request", "event": "auth", "data": data}))
        reply = json.loads(await socket.recv())
        return reply["type"], reply["error_message"] or reply["data"]["user_id"]


async def are_good(keys, kid=True):
    for name, algorithms in keys.items():
        for algorithm in algorithms:
            token = ISSUER.sign(name, algorithm, name if kid else None)
            equal(f"{algorithm}, kid {kid}", await shown(token), ("response", name))


async def first():
    await are_good(FIRST)
    await are_good(FIRST, kid=False)
    for what, token in {
        "none": ISSUER.unsigned(),
        "expired": ISSUER.sign("rsa", "RS256", "rsa", seconds=-1),
        "wrong key": ISSUER.sign("rsa-stolen", "RS256", "rsa"),
        "wrong key without kid": ISSUER.sign("rsa-stolen", "PS256"),
        "another key's kid": ISSUER.sign("ec", "ES256", "ed"),
        "a kid that nobody has": ISSUER.sign("ec", "ES256", "ec-2"),
        "a public key as secret": ISSUER.confused("rsa"),
        "a key that comes later": ISSUER.sign("rsa-2", "RS256", "rsa-2"),
    }.items():
        equal(what, await shown(token), REFUSED)


async def rotated():
    """The file was replaced: sooner or later its keys count, and then no other."""
    token = ISSUER.sign("rsa-2", "RS256", "rsa-2")
    while await shown(token) == REFUSED:
        await asyncio.sleep(0.05)
    await are_good(NEXT)
    await are_good(NEXT, kid=False)
    for name in FIRST.keys() - NEXT.keys():
        token = ISSUER.sign(name, FIRST[name][0], name)
        equal(f"{name} is gone", await shown(token), REFUSED)


async def public_key():
    """The server has the public key of one, as a PEM file."""
    name = os.environ["KEY"]
    await are_good({name: FIRST[name]})
    await are_good({name: FIRST[name]}, kid=False)
    for other in FIRST.keys() - {name}:
        equal(other, await shown(ISSUER.sign(other, FIRST[other][0])), REFUSED)
    equal("a public key as secret", await shown(ISSUER.confused(name)), REFUSED)


harness.run({"first": first, "rotated": rotated, "public key": public_key}[os.environ["STEP"]])

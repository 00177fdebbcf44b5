"""A client of one of the services that speak the family's envelope, as its documents say.

What the server promises is in PRESET (`uringcast-server presets --json`); what the service does,
in its own package (service_code.py). SERVER_URL is open, AUTH_URL wants tokens.
"""

import asyncio
import json
import os
import re
import uuid
from datetime import datetime, timedelta

import harness
from harness import equal
from service_code import Service
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

PRESET = json.loads(os.environ["PRESET"])
NAME = PRESET["name"]
AUTH_URL = os.environ["AUTH_URL"]
SECRET = os.environ["AUTH_SECRET"]
# Where a permission opens what the original keeps shut by mistake: it asks for other names than its
# channels have, forgets that its own tokens say `read`, or `admin` of all that its tokens may say.
OPENS = {
    ("akosha", "akosha:read"),
    ("crackerjack", "read"),
    ("fastblocks", "admin"),
    ("excalidraw", "admin"),
}
ENVELOPE = "id correlation_id type event data timestamp room error_code error_message".split()


def envelope(message):
    """Checks what every message of the server has."""
    equal("keys", list(message)[:9], ENVELOPE)
    equal("version of the id", uuid.UUID(message["id"]).version, 4)
    equal("zone", datetime.fromisoformat(message["timestamp"]).utcoffset(), timedelta(0))
    equal("a fault is an error", message["error_code"] is None, message["type"] != "error")
    return message


class Raw:
    """A client that does nothing of itself."""

    def __init__(self, socket):
        self.socket = socket

    async def receive(self):
        return envelope(json.loads(await self.socket.recv()))

    async def ask(self, event, data=None):
        message = {"type": "request", "id": "q", "event": event, "data": data or {}}
        await self.socket.send(json.dumps(message))
        answer = await self.receive()
        equal("correlation", answer["correlation_id"], "q")
        return answer

    async def refused(self, code, text, event, data=None):
        answer = await self.ask(event, data)
        equal("refusal", (answer["error_code"], answer["error_message"]), (code, text))

    async def closed(self, code, reason):
        try:
            while True:
                await self.socket.recv()
        except ConnectionClosed as end:
            equal("close", (end.rcvd.code, end.rcvd.reason), (code, reason))

    async def welcomed(self, authenticated):
        """Takes the welcome message, whatever came before it."""
        welcome = await self.receive()
        equal("welcome", (welcome["type"], welcome["event"]), ("event", "session.created"))
        uuid.UUID(welcome["data"].pop("connection_id"))
        expected = {"server": NAME, "message": PRESET["settings"]["welcome_message"]}
        expected |= {"authenticated": authenticated, "tls_mode": "WS", "secure": False}
        expected |= {"reconnect": {"base_ms": 1000, "max_ms": 30000}}
        for key, setting in PRESET["welcome"].items():
            expected[key] = PRESET["settings"][setting]
        equal("welcome's data", welcome["data"], expected)


def concrete(channel):
    """A channel's name with an id where it needs one."""
    prefix, variable, _ = channel["name"].partition("{")
    return prefix + ("x-1" if variable else "")


# The status requests: event, data, the channel each is about.
REQUESTS = [
    (ask["event"], {ask["key"]: "x-1"} if ask["key"] else {}, concrete(channel))
    for channel in PRESET["channels"]
    if (ask := channel["request"])
]


async def every_event_is_received():
    async with connect(harness.URL) as socket:
        client = Raw(socket)
        await client.welcomed(False)
        for channel in PRESET["channels"]:
            name = concrete(channel)
            reply = await client.ask("subscribe", {"channel": name})
            answer = (reply["type"], reply["data"]["status"])
            equal("subscribed", answer, ("response", "subscribed"))
            for event in channel["events"]:
                seq = harness.publish(name, event["name"], event["data"])
                told = envelope(json.loads(await socket.recv()))
                equal("its keys", list(told), [*ENVELOPE, "seq"])
                del told["id"], told["timestamp"]
                expected = {"correlation_id": None, "type": "event", "event": event["name"]}
                expected |= {"data": event["data"], "room": name, "error_code": None}
                equal("event", told, {**expected, "error_message": None, "seq": seq})
            reply = await client.ask("unsubscribe", {"channel": name})
            equal("unsubscribed", reply["data"], {"status": "unsubscribed", "channel": name})


async def every_request_is_answered():
    async with connect(harness.URL) as socket:
        client = Raw(socket)
        await client.welcomed(False)
        for channel in filter(lambda channel: channel["request"], PRESET["channels"]):
            request, event = channel["request"], channel["events"][0]
            asked, name = {}, concrete(channel).replace("x-1", "x-2")
            if key := request["key"]:
                asked = {key: "x-2"}
                text = f"data.{key} is missing"
                answer = await client.ask(request["event"])
                equal(text, answer["error_code"], "INVALID_REQUEST")
            if "{" in channel["name"]:  # The others have had their events above.
                answer = await client.ask(request["event"], asked)
                equal("nothing yet", answer["data"], {**asked, "status": "not_found"})
            data = event["data"] | asked
            harness.publish(name, event["name"], data)
            answer = await client.ask(request["event"], asked)
            status = data.get("status", event["name"].rpartition(".")[2])
            equal("status", (answer["type"], answer["event"]), ("response", request["event"]))
            equal("its data", answer["data"], {**data, "status": status})
        await client.refused(
            "UNKNOWN_REQUEST", "Unknown request event: get_nothing", "get_nothing"
        )


async def its_own_broadcasts_reach_the_stock_client(service):
    """The service's broadcaster, but for `broadcast_to_room`, which publishes over HTTP."""
    made = await service.broadcasts() if service.server else []
    client = service.stock.WebSocketClient(harness.URL, reconnect=False)
    told = asyncio.Queue()
    for event in {event for _, event, _ in made}:
        client.on_event(event)(lambda data, event=event: told.put_nowait((event, data)))
    await client.connect()
    for room in {room for room, _, _ in made}:
        await client.subscribe_to_room(room)
    # It awaits no replies; behind them comes this one.
    reply = await client.send_request("subscribe", {"channel": "global"})
    equal("subscribed", reply.data["status"], "subscribed")
    known = set()
    for channel in PRESET["channels"]:
        head = channel["name"].partition("{")[0]
        known |= {(head, event["name"]) for event in channel["events"]}
    for room, event, data in made:
        data = json.loads(json.dumps(data, default=lambda _: {}))
        harness.publish(room, event, data)
        equal("broadcast", await told.get(), (event, data))
        head, colon, _ = room.partition(":")
        equal(f"{room} {event} is listed", (head + colon, event) in known, True)
    await client.disconnect()
    return len(made)


async def a_token_opens_what_it_should(service):
    """Each permission by itself, and then none and all."""
    channels = {concrete(c): set(c["permissions"]) for c in PRESET["channels"]}
    if admin := set(PRESET["admin"]):
        channels["nobody:knows"] = admin
    permissions = set().union(*channels.values())
    for granted in [*({one} for one in sorted(permissions)), {"write"}]:
        token = service.token(SECRET, sorted(granted))
        async with connect(AUTH_URL) as socket:
            client = Raw(socket)
            reply = await client.ask("auth", {"token": token})
            data = {key: reply["data"][key] for key in ("status", "user_id")}
            equal("auth", data, {"status": "authenticated", "user_id": "u1"})
            await client.welcomed(True)
            for name, needed in channels.items():
                if service.server and not any((NAME, one) in OPENS for one in granted):
                    opens = bool(granted & (needed | admin))
                    equal(f"{granted} {name}", opens, service.lets(sorted(granted), name))
                if not needed or granted & (needed | admin):
                    reply = await client.ask("subscribe", {"channel": name})
                    equal(f"{granted} {name}", reply["data"].get("status"), "subscribed")
                else:
                    text = f"Not authorized to subscribe to {name}"
                    await client.refused("FORBIDDEN", text, "subscribe", {"channel": name})
            for event, asked, name in REQUESTS:
                if not channels[name] or granted & (channels[name] | admin):
                    reply = await client.ask(event, asked)
                    equal(f"{granted} {event}", reply["data"]["status"], "not_found")
                else:
                    text = f"Not authorized to subscribe to {name}"
                    await client.refused("FORBIDDEN", text, event, asked)
    stock = service.stock.WebSocketClient(AUTH_URL, service.token(SECRET, ["read"]), False)
    await stock.connect()
    equal("authenticated", stock.is_authenticated, True)
    await stock.disconnect()


async def without_a_token():
    frames = {
        "ping": ("AUTH_REQUIRED", "Authentication required", "Authentication required"),
        "auth": ("AUTH_FAILED", "Missing or malformed auth token", "Authentication failed"),
    }
    for event, (code, text, reason) in frames.items():
        async with connect(AUTH_URL) as socket:
            client = Raw(socket)
            await client.refused(code, text, event)
            await client.closed(1008, reason)
    async with connect(AUTH_URL) as socket:
        client = Raw(socket)
        await client.refused(
            "AUTH_FAILED", "Invalid or expired token", "auth", {"token": "no.token.this"}
        )
        await client.closed(1008, "Authentication failed")


async def too_fast_is_told():
    """The burst of 1.5 times the rate is answered; beyond it the reply is an error with a delay."""
    rate = PRESET["settings"]["message_rate"]
    async with connect(harness.URL, max_queue=None) as socket:
        client = Raw(socket)
        await client.welcomed(False)
        answered = 0
        while True:
            for _ in range(2 * rate):
                await socket.send('{"type":"ping"}')
            kinds = [await client.receive() for _ in range(2 * rate)]
            refused = [kind for kind in kinds if kind["type"] == "error"]
            answered += len(kinds) if not refused else kinds.index(refused[0])
            if refused:
                break
        equal("the burst is answered", answered >= rate * 3 // 2, True)
        equal("too fast", refused[0]["error_code"], "RATE_LIMIT_EXCEEDED")
        text = re.fullmatch(
            r"Message rate limit exceeded\. Retry after (0\.\d{3}) seconds\.",
            refused[0]["error_message"],
        )
        equal("how long to wait", text is not None, True)


async def main():
    service = Service(NAME)
    await every_event_is_received()
    await every_request_is_answered()
    made = await its_own_broadcasts_reach_the_stock_client(service)
    await without_a_token()
    await a_token_opens_what_it_should(service)
    await too_fast_is_told()
    equal("broadcasts of its own", made > 0, service.server is not None)


harness.run(main)

"""Every request of docs/PROTOCOL.md over PyPI's `websockets`, message by message."""

import json
import uuid
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import harness
from harness import equal
from websockets.asyncio.client import connect

KEYS = ["id", "correlation_id", "type", "event", "data", "timestamp", "room"]
KEYS += ["error_code", "error_message"]


class Client:
    """A connection that has read its welcome."""

    def __init__(self, socket):
        self.socket = socket

    async def receive(self):
        text = await self.socket.recv()
        equal("frame type", type(text), str)
        message = json.loads(text)
        keys = KEYS + ["seq"] if message["type"] == "event" and message["room"] else KEYS
        equal("keys", list(message), keys)
        uuid.UUID(message["id"])
        equal("UTC", datetime.fromisoformat(message["timestamp"]).utcoffset(), timedelta(0))
        return message

    async def ask(self, message):
        """Sends a message with a fresh id and returns the answer to it."""
        message = {"id": str(uuid.uuid4()), **message}
        await self.socket.send(json.dumps(message))
        reply = await self.receive()
        equal(f"correlation of {message}", reply["correlation_id"], message["id"])
        return reply

    async def request(self, event, data):
        return await self.ask({"type": "request", "event": event, "data": data})


@asynccontextmanager
async def client():
    async with connect(harness.URL, ssl=harness.tls()) as socket:
        client = Client(socket)
        welcome = await client.receive()
        equal("welcome", (welcome["type"], welcome["event"]), ("event", "session.created"))
        equal("welcome's correlation", welcome["correlation_id"], None)
        uuid.UUID(welcome["data"]["connection_id"])
        equal("secure", welcome["data"]["secure"], harness.CA_FILE is not None)
        yield client


def forms(verb, channel):
    """The four ways to ask for a subscription, and for its end."""
    return [
        {"type": "request", "event": verb, "data": {"channel": channel}},
        {"type": "event", "event": verb, "data": {"room": channel}},
        {"type": verb, "data": {"channel": channel}},
        {"type": verb, "room": channel},
    ]


async def every_form_subscribes_and_unsubscribes():
    async with client() as c:
        for number in range(4):
            channel = f"workflow:{number}"
            reply = await c.ask(forms("subscribe", channel)[number])
            equal("reply", (reply["type"], reply["event"]), ("response", "subscribe"))
            equal("status", reply["data"]["status"], "subscribed")
            equal("channel", reply["data"]["channel"], channel)
            position, epoch = reply["data"]["seq"], reply["data"]["epoch"]
            equal("types", (type(position), type(epoch)), (int, str))

            seq = harness.publish(channel, "workflow.started", {"n": number})
            equal("seq", seq, position + 1)
            event = await c.receive()
            got = [event[key] for key in ("event", "room", "data", "seq", "correlation_id")]
            equal("event", got, ["workflow.started", channel, {"n": number}, seq, None])

            reply = await c.ask(forms("unsubscribe", channel)[number])
            equal("reply", (reply["type"], reply["event"]), ("response", "unsubscribe"))
            equal("data", reply["data"], {"status": "unsubscribed", "channel": channel})
            harness.publish(channel, "workflow.completed", {})
            pong = await c.ask({"type": "ping"})
            equal("next message", pong["type"], "pong")


async def a_list_of_channels_is_one_request():
    async with client() as c:
        reply = await c.request("subscribe", {"channels": ["pool:a", "pool:b", "bad\u0000"]})
        equal("status", reply["data"]["status"], "subscribed")
        equal("channels", sorted(reply["data"]["channels"]), ["pool:a", "pool:b"])
        equal("failed", reply["data"]["failed"], {"bad\u0000": "INVALID_CHANNEL"})
        for channel in ("pool:a", "pool:b"):
            harness.publish_raw(channel, "pool.scaled", '{"size": 1.50}')
            event = await c.receive()
            equal("event", (event["room"], event["data"]), (channel, {"size": 1.5}))


async def since_brings_back_what_was_missed():
    channel = "run:recovery"
    async with client() as c:
        first = (await c.request("subscribe", {"channel": channel}))["data"]
    missed = [harness.publish(channel, "settle.transition", {"n": n}) for n in range(5)]
    async with client() as c:
        since = {"epoch": first["epoch"], "seq": first["seq"]}
        reply = await c.request("subscribe", {"channel": channel, "since": since})
        equal("recovered", reply["data"]["recovered"], True)
        got = [await c.receive() for _ in missed]
        equal("recovered events", [event["seq"] for event in got], missed)
        live = harness.publish(channel, "settle.transition", {"n": 5})
        equal("live event", (await c.receive())["seq"], live)
    async with client() as c:
        since = {"epoch": "0123456789abcdef", "seq": 1}
        reply = await c.request("subscribe", {"channel": channel, "since": since})
        equal("another epoch", reply["data"]["recovered"], False)


async def a_client_that_may_publishes():
    async with client() as subscriber, client() as publisher:
        await subscriber.request("subscribe", {"channel": "global"})
        data = {"channel": "global", "event": "note", "data": {"text": "ünï", "n": 1e3}}
        reply = await publisher.request("publish", data)
        equal("status", reply["data"]["status"], "published")
        event = await subscriber.receive()
        equal("event", (event["event"], event["data"]), ("note", data["data"]))
        equal("seq", event["seq"], reply["data"]["seq"])


async def mistakes_are_answered_and_the_connection_stays():
    async with client() as c:
        for message, code in [
            ({"type": "request", "event": "nothing", "data": {}}, "UNKNOWN_REQUEST"),
            ({"type": "request", "event": "subscribe", "data": {}}, "INVALID_CHANNEL"),
            ({"type": "subscribe", "room": ""}, "INVALID_CHANNEL"),
        ]:
            reply = await c.ask(message)
            equal(f"answer to {message}", (reply["type"], reply["error_code"]), ("error", code))
        for text in ["", "{", "[]", '{"type":"nonsense"}', '{"type":"ping","data":[]}', "{} x"]:
            await c.socket.send(text)
            reply = await c.receive()
            equal(f"answer to {text!r}", reply["error_code"], "DECODE_ERROR")
        await c.socket.send(b'{"type":"ping","id":"binary"}')
        pong = await c.receive()
        equal("answer to BINARY", (pong["type"], pong["correlation_id"]), ("pong", "binary"))
        await (await c.socket.ping(b"payload"))
        await c.socket.close(1000, "done")
        equal("close code", c.socket.close_code, 1000)


async def main():
    for promise in (
        every_form_subscribes_and_unsubscribes,
        a_list_of_channels_is_one_request,
        since_brings_back_what_was_missed,
        a_client_that_may_publishes,
        mistakes_are_answered_and_the_connection_stays,
    ):
        print(promise.__name__, flush=True)
        await promise()


harness.run(main)

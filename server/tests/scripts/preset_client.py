"""A client of one of the seven services as its documentation says, over PyPI's `websockets`."""

import json

import harness
from harness import equal
from websockets.asyncio.client import connect

# Service: welcome message, channel, event, its data, status request, the id it asks for.
SERVICES = {
    "mahavishnu": (
        "Connected to Mahavishnu orchestration",
        "pool:p1", "pool.scaled", {"pool_id": "p1", "worker_count": 5},
        "get_pool_status", {"pool_id": "p1"},
    ),
    "crackerjack": (
        "Connected to Crackerjack quality monitoring",
        "test:r1", "test.completed", {"run_id": "r1", "tests_failed": 0},
        "get_test_status", {"run_id": "r1"},
    ),
}


async def main():
    async with connect(harness.URL, ssl=harness.tls()) as socket:

        async def receive():
            return json.loads(await socket.recv())

        async def ask(event, data):
            message = {"type": "request", "id": "1", "event": event, "data": data}
            await socket.send(json.dumps(message))
            return (await receive())["data"]

        welcome = (await receive())["data"]
        name = welcome["server"]
        hello, channel, event, data, request, asked = SERVICES[name]
        equal("message", welcome["message"], hello)
        equal("rate_limit", welcome.get("rate_limit"), 100 if name == "mahavishnu" else None)
        equal("before", await ask(request, asked), {**asked, "status": "not_found"})
        equal("subscribed", (await ask("subscribe", {"channel": channel}))["status"], "subscribed")
        harness.publish(channel, event, data)
        told = await receive()
        equal("event", (told["event"], told["room"], told["data"]), (event, channel, data))
        status = {**data, "status": event.split(".")[1]}
        equal("after", await ask(request, asked), status)


harness.run(main)

"""The original family's own client, unchanged: mcp-common's WebSocketClient.

Its package demands Python 3.14 in its top `__init__`; client and protocol do not, so they are
loaded as what they are, modules of a package whose `__init__` never runs.
"""

import asyncio
import importlib.util
import sys
import types
import uuid

import harness
from harness import equal


def load():
    """The module mcp_common.websocket.client."""
    top = importlib.util.find_spec("mcp_common").submodule_search_locations[0]
    for name, path in [("mcp_common", top), ("mcp_common.websocket", top + "/websocket")]:
        package = types.ModuleType(name)
        package.__path__ = [path]
        sys.modules[name] = package
    return importlib.import_module("mcp_common.websocket.client")


def expect(client, event):
    """A future of the data of the first `event`."""
    seen = asyncio.get_running_loop().create_future()
    client.on_event(event)(lambda data: seen.done() or seen.set_result(data))
    return seen


async def main():
    stock = load()
    client = stock.WebSocketClient(harness.URL, reconnect=False, ca_file=harness.CA_FILE)
    client.request_timeout = 10.0
    welcomed = expect(client, "session.created")
    started = expect(client, "workflow.started")
    completed = expect(client, "workflow.completed")

    await client.connect()
    welcome = await welcomed
    uuid.UUID(welcome["connection_id"])
    equal("authenticated", welcome["authenticated"], False)
    equal("secure", welcome["secure"], client.is_secure)
    equal("tls_mode", welcome["tls_mode"], "WSS" if client.is_secure else "WS")

    # Its subscribe_to_room awaits no reply; a request behind it is answered after it.
    await client.subscribe_to_room("workflow:stock")
    reply = await client.send_request("subscribe", {"channel": "global"})
    equal("type of the reply", reply.type, "response")
    equal("reply", reply.data["status"], "subscribed")

    harness.publish("workflow:stock", "workflow.started", {"name": "Grüße", "step": 1})
    equal("broadcast", await started, {"name": "Grüße", "step": 1})

    refused = await client.send_request("no_such_request", {})
    equal("error_code", refused.error_code, "UNKNOWN_REQUEST")

    await client.unsubscribe_from_room("workflow:stock")
    reply = await client.send_request("unsubscribe", {"channel": "workflow:stock"})
    equal("reply", reply.data["status"], "unsubscribed")
    harness.publish("workflow:stock", "workflow.completed", {})
    pong = await client.send_request("subscribe", {"channel": "global"})
    equal("reply", pong.data["status"], "subscribed")
    equal("events after unsubscribing", completed.done(), False)

    equal("still connected", client.is_connected, True)
    await client.disconnect()


harness.run(main)

"""The original family's WebSocketServer, unchanged, with the least a service adds to it.

Its package demands Python 3.14 in its top `__init__`; the WebSocket modules do not, so they are
loaded as what they are, modules of a package whose `__init__` never runs.
"""

import asyncio
import importlib.util
import logging
import sys
import types


top = importlib.util.find_spec("mcp_common").submodule_search_locations[0]
for package, path in (("mcp_common", top), ("mcp_common.websocket", top + "/websocket")):
    sys.modules[package] = types.ModuleType(package)
    sys.modules[package].__path__ = [path]
server = importlib.import_module("mcp_common.websocket.server")
protocol = importlib.import_module("mcp_common.websocket.protocol")


class Service(server.WebSocketServer):
    """Rooms by request, events passed on by whoever sends them."""

    async def on_connect(self, websocket, connection_id):
        websocket.id_of_connection = connection_id

    async def on_disconnect(self, websocket, connection_id):
        await self.leave_all_rooms(connection_id)

    async def on_message(self, websocket, message):
        if message.event == "subscribe":
            for channel in message.data["channels"]:
                await self.join_room(channel, websocket.id_of_connection)
            reply = protocol.WebSocketProtocol.create_response(message, {"status": "subscribed"})
            await websocket.send(protocol.WebSocketProtocol.encode(reply))
        else:
            await self.broadcast_to_room(message.room, message)


async def main():
    """Serves until killed."""
    logging.disable(logging.CRITICAL)
    await Service(host="127.0.0.1", port=int(sys.argv[1]), max_connections=19800).start()
    await asyncio.Future()


asyncio.run(main())

"""The services' own code, as PyPI has it: how they make tokens, and what they broadcast.

Of each package only the modules that serve WebSockets are loaded, and mcp-common's; all else that
they import is a stand-in, since the whole packages need Python 3.14 and hundreds of others.
"""

import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
import types

# Service: its package, the part of it that serves WebSockets, and the server's module and class.
# dhruva's package has no such server: its clients are mcp-common's.
SERVICES = {
    "mahavishnu": ("mahavishnu", "websocket", "server", "MahavishnuWebSocketServer"),
    "crackerjack": ("crackerjack", "websocket", "server", "CrackerjackWebSocketServer"),
    "session-buddy": ("session_buddy", "realtime", "websocket_server", "RealTimeMetricsServer"),
    "akosha": ("akosha", "websocket", "server", "AkoshaWebSocketServer"),
    "fastblocks": ("fastblocks", "websocket", "server", "FastblocksWebSocketServer"),
    "excalidraw": ("excalidraw_mcp", "websocket", "server", "ExcalidrawWebSocketServer"),
}


class Anything:
    """Does whatever is asked of it, and nothing comes of it."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_arguments, **_named):
        return self

    def __await__(self):
        return self
        yield


class StandIn(types.ModuleType):
    """A module that has whatever is imported from it: mcp-common's, where that has it."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        stock = sys.modules.get("mcp_common.websocket")
        return getattr(stock, name, Anything())


class StandIns:
    """Finds a substitute for every module that no other finder has."""

    def find_spec(self, name, _path=None, _target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, _module):
        pass


def _bare(name, path):
    """A package whose `__init__` does not run; without a path it has no modules of its own."""
    package = StandIn(name)
    package.__path__ = path
    sys.modules[name] = package


def _where(package):
    return importlib.util.find_spec(package).submodule_search_locations[0]


class Service:
    """One service's code."""

    def __init__(self, name):
        import jwt  # noqa: F401: before there are stand-ins for what it can do without

        common = _where("mcp_common")
        own = SERVICES.get(name)
        if own:
            package, part, module, server = own
            _bare(f"{package}.{part}", [f"{_where(package)}/{part}"])
            _bare(package, [])
        _bare("mcp_common", [common])
        _bare("mcp_common.auth", [common + "/auth"])
        sys.meta_path.append(StandIns())
        self.stock = importlib.import_module("mcp_common.websocket")
        if own:
            self._auth = importlib.import_module(f"{package}.{part}.auth")
            self.server = getattr(importlib.import_module(f"{package}.{part}.{module}"), server)
        else:
            self._auth = self.server = None

    def token(self, secret, permissions):
        """A token as the service makes it, of the secret in its own environment variable."""
        if self._auth:
            return self._auth.generate_token("u1", permissions)
        maker = self.stock.WebSocketAuthenticator(secret)
        return maker.create_token({"user_id": "u1", "permissions": permissions})

    def lets(self, permissions, channel):
        """Whether the original lets a user with these permissions have a channel."""
        server = self.server.__new__(self.server)
        return server._can_subscribe_to_channel({"permissions": permissions}, channel)

    async def broadcasts(self):
        """What the service's methods named `broadcast_…` give: room, event and data of each."""
        made = []

        async def record(room, message):
            event = getattr(message.event, "value", message.event)
            made.append((str(room), str(event), message.data))

        for name, method in inspect.getmembers(self.server, inspect.iscoroutinefunction):
            if name.startswith("broadcast_") and name != "broadcast_to_room":
                server = self.server.__new__(self.server)
                server.broadcast_to_room = record
                parameters = list(inspect.signature(method).parameters.values())[1:]
                await method(server, **{p.name: _example(p) for p in parameters})
        return made


def _example(parameter):
    """A value for a parameter: its annotation is a text such as `str | None`."""
    kind = parameter.annotation.split("[")[0].split(" ")[0]
    simple = {"str": f"{parameter.name}-1", "int": 3, "float": 0.5, "bool": True, "list": ["x"]}
    return simple.get(kind, {"more": 1})

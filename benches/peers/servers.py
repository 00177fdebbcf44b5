"""The servers of the race: how each is installed, started, and what it speaks."""

import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / "target" / "peers"
RELEASE = ROOT / "target" / "release"
BUN = "@oven/bun-linux-x64@1.4.5"


def sh(*command, **options):
    """Runs a command; its output goes to the log unless it fails."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "install.log", "ab") as log:
        log.write(f"$ {' '.join(map(str, command))}\n".encode())
        log.flush()
        done = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed, see {CACHE}/install.log")


class Server:
    """One server. `command(port)` starts it in the foreground."""

    name = dialect = ""
    many = True
    """Whether it has channels."""
    slow = False
    """Whether it runs the small points only."""

    def install(self):
        """Brings it here, if it is not."""

    def command(self, port):
        raise NotImplementedError

    def pid(self, process):
        """The process that serves."""
        return process.pid


class Ours(Server):
    name, dialect = "ours", "ours"

    def install(self):
        sh("cargo", "build", "--release", "-p", "uringcast-server", cwd=ROOT)

    def command(self, port):
        return [RELEASE / "uringcast-server", "--shards", "1", "--port", str(port),
                "--control-port", "0", "--no-metrics", "--anonymous-publish", "--message-rate", "0",
                "--max-connections", "19800", "--keepalive-interval", "1h", "--log-level", "warn"]


class Floor(Server):
    dialect, many = "floor", False

    def __init__(self, mode):
        self.mode, self.name = mode, f"floor-{mode}"

    def command(self, port):
        return [RELEASE / "floor", "--mode", self.mode, "--listen", f"127.0.0.1:{port}"]


class Bun(Server):
    name, dialect = "bun", "script"

    def install(self):
        if not self.program().exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            sh("npm", "--prefix", CACHE, "install", "--no-audit", "--no-fund", BUN)

    def program(self):
        return CACHE / "node_modules" / "@oven" / "bun-linux-x64" / "bin" / "bun"

    def command(self, port):
        return [self.program(), HERE / "bun.js", str(port)]


ALL = [Ours(), Floor("ring"), Floor("loop"), Bun()]


def named(names):
    """The servers of a comma-separated list; `floor` is both of its modes."""
    wanted = names.split(",") if names else [server.name for server in ALL]
    known = {server.name for server in ALL} | {"floor"}
    for name in wanted:
        if name not in known:
            sys.exit(f"no such server: {name}; there are {', '.join(sorted(known))}")
    return [s for s in ALL if s.name in wanted or s.name.split("-")[0] in wanted]


def install(servers):
    """Installs all of them. Returns those that are here, and why the others are not."""
    sh("cargo", "build", "--release", "-p", "uringcast-benches", "--bins", cwd=ROOT)
    here, missing = [], {}
    for server in servers:
        try:
            server.install()
            here.append(server)
        except (OSError, RuntimeError) as error:
            missing[server.name] = str(error)
    return here, missing

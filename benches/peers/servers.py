"""The servers of the race: how each is installed, started, and what it speaks."""

import pathlib
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / "target" / "peers"
"""Everything that comes from elsewhere."""
CACHE.mkdir(parents=True, exist_ok=True)
RELEASE = ROOT / "target" / "release"
BUN = "@oven/bun-linux-x64@1.4.5"


def free_port():
    """A port nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def sh(*command, **options):
    """Runs a command; its output goes to the log unless it fails."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "install.log", "ab") as log:
        log.write(f"$ {' '.join(map(str, command))}\n".encode())
        log.flush()
        done = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed, see {CACHE}/install.log")


def debian(*packages):
    """Unpacks Debian packages; nothing is installed into the system, nothing starts."""
    here = CACHE / "deb"
    here.mkdir(parents=True, exist_ok=True)
    sh("apt-get", "download", *packages, cwd=here)
    for package in packages:
        for found in here.glob(f"{package}_*.deb"):
            sh("dpkg", "-x", found, here)


def python(*packages, alone=()):
    """Installs PyPI packages into an environment of our own; `alone` without what they ask for."""
    here = CACHE / "py"
    if not (here / "bin" / "python").exists():
        sh("python3", "-m", "venv", here)
    pip = [here / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check", "install"]
    sh(*pip, *packages)
    for package in alone:
        sh(*pip, "--no-deps", "--ignore-requires-python", package)


class Server:
    """One server. `command(port)` starts it in the foreground."""

    name = dialect = ""
    publishes_many = True
    """Whether it has channels, and takes publishes to thousands of them over one WebSocket."""
    slow = False
    """Whether it runs some points only."""
    cores = "0"

    def install(self):
        """Brings it here, if it is not."""

    def command(self, port):
        """How it is started."""
        raise NotImplementedError

    def pid(self, process):
        """The process that serves."""
        return process.pid


class Ours(Server):
    """Uringcast with one shard, no metrics."""

    dialect = "ours"

    def __init__(self, name="ours", metrics=False, shards=1, cores="0"):
        self.name, self.metrics, self.shards, self.cores = name, metrics, shards, cores

    def install(self):
        sh("cargo", "build", "--release", "-p", "uringcast-server", cwd=ROOT)

    def command(self, port):
        metrics = ["--metrics-port", str(free_port())] if self.metrics else ["--no-metrics"]
        return [RELEASE / "uringcast-server", "--shards", str(self.shards), "--port", str(port),
                "--control-port", "0", *metrics, "--anonymous-publish", "--message-rate", "0",
                "--max-connections", str(19500 * self.shards), "--keepalive-interval", "1h",
                "--log-level", "warn"]


class Floor(Server):
    """The kernel's sends and nothing else."""

    dialect = "floor"

    def __init__(self, mode):
        self.mode, self.name = mode, f"floor-{mode}"

    def command(self, port):
        return [RELEASE / "floor", "--mode", self.mode, "--listen", f"127.0.0.1:{port}"]


class Bun(Server):
    """Bun's native publish: the core of µWebSockets."""

    name, dialect = "bun", "script"

    def program(self):
        return CACHE / "node_modules" / "@oven" / "bun-linux-x64" / "bin" / "bun"

    def install(self):
        if not self.program().exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            sh("npm", "--prefix", CACHE, "install", "--no-audit", "--no-fund", BUN)

    def command(self, port):
        return [self.program(), HERE / "bun.js", str(port)]


class Nchan(Server):
    """nginx with nchan, one worker."""

    name, dialect, slow, publishes_many = "nchan", "nchan", True, False
    deflate = "off"
    """Whether it keeps a compressed copy of each message."""

    def install(self):
        if not (CACHE / "deb" / "usr" / "sbin" / "nginx").exists():
            debian("nginx", "libnginx-mod-nchan")
        # Debian's nginx makes its default directories there, whatever its configuration says.
        pathlib.Path("/var/lib/nginx").mkdir(exist_ok=True)

    def command(self, port):
        deb, place = CACHE / "deb", CACHE / "nginx"
        place.mkdir(parents=True, exist_ok=True)
        config = (HERE / "nginx.conf").read_text(encoding="utf-8")
        config = config.replace("@DEB@", str(deb)).replace("@PORT@", str(port))
        config = config.replace("@DEFLATE@", self.deflate)
        (place / "nginx.conf").write_text(config, encoding="utf-8")
        nginx = deb / "usr" / "sbin" / "nginx"
        return [nginx, "-p", place, "-c", place / "nginx.conf", "-e", "stderr"]

    def pid(self, process):
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        # The master listens before it has its worker.
        for _ in range(100):
            workers = children.read_text(encoding="ascii").split()
            if workers:
                return int(workers[0])
            time.sleep(0.05)
        raise RuntimeError("nginx has no worker")


class Nats(Server):
    """NATS's own WebSocket listener."""

    name, dialect, slow = "nats", "nats", True

    def install(self):
        if not (CACHE / "deb" / "usr" / "sbin" / "nats-server").exists():
            debian("nats-server")

    def command(self, port):
        config = CACHE / "nats.conf"
        config.write_text(
            f'host: "127.0.0.1"\nport: {free_port()}\nping_interval: "1h"\n'
            f'write_deadline: "30s"\nmax_subs: 0\nwebsocket {{ host: "127.0.0.1"\n'
            f"port: {port}\nno_tls: true\ncompression: false }}\n", encoding="utf-8")
        return [CACHE / "deb" / "usr" / "sbin" / "nats-server", "-c", config]


class Script(Server):
    """A server in Python."""

    slow = True

    def __init__(self, name, dialect, script):
        self.name, self.dialect, self.script = name, dialect, script

    def install(self):
        if not (CACHE / "py" / "bin" / "python").exists():
            python("websockets==17.4", "pydantic", "cryptography", "prometheus-client",
                   "matplotlib", alone=["mcp-common==0.31.2"])

    def command(self, port):
        return [CACHE / "py" / "bin" / "python", HERE / self.script, str(port)]


ALL = [Ours(), Floor("ring"), Floor("loop"), Bun(), Nchan(), Nats(),
       Script("websockets", "script", "websockets_server.py"),
       Script("mcp-common", "mcp", "mcp_server.py")]
METERED = Ours("ours-metrics", metrics=True)
SHARDS = [Ours("one-shard", cores="0,1"), Ours("two-shards", shards=2, cores="0,1")]


def named(names):
    """The servers of a comma-separated list; `floor` is both of its modes."""
    wanted = names.split(",") if names else [server.name for server in ALL]
    known = {server.name for server in ALL} | {"floor"}
    for name in wanted:
        if name not in known:
            sys.exit(f"no such server: {name}; there are {', '.join(sorted(known))}")
    return [s for s in ALL if s.name in wanted or (s.dialect == "floor" and "floor" in wanted)]


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

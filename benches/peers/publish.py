"""HTTP publishing: servers side by side, and wrk against one of them at a time."""

import json
import os
import shutil
import subprocess

import servers
from arena import LOAD_CORE, Arena, Lane

WRK = shutil.which("wrk")
CONNECTIONS = 64
KEY = "0123456789abcdef0123456789abcdef"


class OursOverHttp(servers.Ours):
    """Uringcast, asked on its control port; with metrics, which count requests."""

    path = "/v1/publish/raw?channel=race&event=race"

    def __init__(self, keyed):
        super().__init__("ours", metrics=True)
        self.keyed = keyed

    def command(self, port):
        command = super().command(servers.free_port())
        command[command.index("--control-port") + 1] = str(port)
        return command + (["--api-key", KEY] if self.keyed else [])


class NchanOverHttp(servers.Nchan):
    """nginx with nchan, asked at its publisher. It reads no keys and no ids."""

    path = "/post/race"


def wanted(names, keyed):
    """Those of these servers that can be asked."""
    known = {"ours": OursOverHttp(keyed), "nchan": NchanOverHttp()}
    return [known[name] for name in names if name in known]


class HttpLane(Lane):
    """A server. Its load is started for each measurement."""

    def start_load(self, net, load):
        self.pid = self.server.pid(self.process)

    def cpu(self):
        """Seconds that the server's threads have run."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, command):
        """One measurement: seconds, and what each request carries."""
        if self.failed:
            return {"failed": self.failed}
        seconds, *carried = command.split()
        url = f"http://127.0.0.1:{self.port}{self.server.path}"
        run = ["taskset", "-c", LOAD_CORE, WRK, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s",
               "-s", servers.HERE / "publish.lua", url, "--", KEY if "key" in carried else "",
               "id" if "id" in carried else ""]
        before = self.cpu()
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        used = self.cpu() - before
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            self.failed = f"wrk: {done.stderr.strip() or done.stdout.strip()}"
            return {"failed": self.failed}
        told = json.loads(lines[-1])
        requests = max(1, told["requests"])
        return {"rate": told["requests"] / told["seconds"], "p50_us": told["p50_us"],
                "p99_us": told["p99_us"], "process_us_per_request": used * 1e6 / requests,
                "strange": told["refused"], "closed": told["broken"]}


class HttpArena(Arena):
    """All of them."""

    lane = HttpLane

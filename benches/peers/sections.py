"""The parts of a race: which settings, in which order, about how long."""

import re
import statistics
import sys

import publish
import servers
from arena import Arena
from figures import with_percentiles

PAYLOADS, WIDTHS = [16, 128, 1024, 16384], [1, 16, 64]
CONNECTS = 4000
"""Connections of one measurement of upgrades."""
LATENCY_SHARE = 0.3
"""Of Bun's deliveries a second with one message in flight."""


class Plan:
    """What is to be measured."""

    def __init__(self, args, wanted):
        self.quick, self.servers = args.quick, wanted
        self.rounds = args.rounds or (3 if args.quick else 5)
        self.seconds = args.seconds or (0.25 if args.quick else 0.4)
        sizes = [1000] if args.quick else [100, 1000, 10000]
        self.sizes = [int(n) for n in args.sizes.split(",")] if args.sizes else sizes

    def of(self, slow=False, metered=False):
        """The servers of a part: the slow ones only where asked for."""
        chosen = [s for s in self.servers if slow or not s.slow]
        with_ours = any(s.name == "ours" for s in chosen)
        return chosen + ([servers.METERED] if metered and with_ours else [])

    def still_bursts(self, size):
        """Bursts of one measurement: about 0.1 s of the server's core, ten ticks of its clock."""
        return max(3, min(60, 25000 // size))


class Step:
    """One command to several servers, in turn."""

    def __init__(self, what, setting, command, seconds, only=lambda server: True):
        self.what, self.setting, self.command = what, setting, command
        self.seconds, self.only = seconds, only


class Part:
    """Steps that run with the same connections."""

    arena = Arena

    def __init__(self, wanted, load, steps, rounds, connections, apart=False, warm=None):
        self.wanted, self.load, self.steps, self.rounds = wanted, load, steps, rounds
        self.connections, self.apart, self.warm = connections, apart, warm

    def only(self, pattern):
        """The same with those steps whose setting matches."""
        self.steps = [step for step in self.steps if re.search(pattern, step.setting)]
        return self

    def estimate(self):
        """Seconds, roughly."""
        each = sum(step.seconds for s in self.wanted for step in self.steps if step.only(s))
        once = 0.7 + self.connections * 2e-4 + (self.warm.seconds if self.warm else 0)
        return len(self.wanted) * once + self.rounds * each

    def run(self, results, progress):
        """All rounds; every round another server begins."""
        groups = [[server] for server in self.wanted] if self.apart else [self.wanted]
        for group in groups:
            with self.arena(group, self.load) as lanes:
                for lane in lanes if self.warm else ():
                    lane.ask(self.warm.command)
                    progress.step(self.warm.seconds, f"{self.warm.what} warm {lane.server.name}")
                for round_ in range(self.rounds):
                    for step in self.steps:
                        self.ask(step, lanes, round_, results, progress)

    def ask(self, step, lanes, round_, results, progress):
        """One round of one step."""
        start = round_ % len(lanes)
        for lane in lanes[start:] + lanes[:start]:
            if not step.only(lane.server):
                continue
            command = step.command(results) if callable(step.command) else step.command
            answer = lane.ask(command)
            results[(step.what, step.setting, lane.server.name)].append(
                with_percentiles(answer))
            progress.step(step.seconds, f"{step.what} {step.setting} {lane.server.name}")


def is_fast(server):
    """For steps that are not worth the slow ones' time."""
    return not server.slow and server.name != "ours-metrics"


def one_in(fast):
    """The servers of a point of the matrix."""
    return is_fast if fast else (lambda server: True)


def matrix(plan):
    """W messages in flight, to N subscribers of one channel."""
    for size in plan.sizes:
        # Rounds steady a median more than long rounds do, while a round holds enough messages.
        split = 2 if size <= 1000 and not plan.quick else 1
        length = plan.seconds / split
        steps = []
        for payload in PAYLOADS:
            for width in WIDTHS:
                shared = payload == 128 and (width == 1 or (width == 16 and size < 10000))
                quick = payload == 128 or (payload == 16384 and width == 16) or (
                    payload == 1024 and width == 16) or (payload == 16 and width == 1)
                if plan.quick and not quick:
                    continue
                # The largest windows take longer than asked for.
                seconds = 0.15 + max(length, size * width * (5e-7 + payload * 5e-10))
                steps.append(Step("matrix", f"N={size} P={payload} W={width}",
                                  f"window {width} {payload} {length}", seconds,
                                  one_in(not shared)))
        yield Part(plan.of(not plan.quick, True), ["--subscribers", str(size)], steps,
                   split * plan.rounds, size)


def still(plan):
    """Nobody reads during a burst."""
    for size in plan.sizes:
        bursts = plan.still_bursts(size)
        steps = [Step("still", f"N={size} P={payload} W={width}",
                      f"still {width} {payload} {bursts}",
                      0.05 + (bursts + 1) * (size * (8e-6 + width * 5e-7) + 0.008 * (width > 1)))
                 for payload, width in ((128, 1), (128, 16))]
        yield Part(plan.of(metered=True), ["--subscribers", str(size)], steps,
                   2 * plan.rounds, size)


def latency(plan):
    """An open loop at a share of what Bun can do with one message in flight."""
    for size in plan.sizes:
        # The fewer messages a second, the longer.
        seconds = 1.5 if plan.quick else 2 if size <= 1000 else 5

        def rate(results, size=size, seconds=seconds):
            rates = []
            for what in ("matrix", "latency"):
                found = results.get((what, f"N={size} P=128 W=1", "bun"), [])
                rates += [answer["rate"] for answer in found if answer.get("rate")]
            most = statistics.median(rates) if rates else 200e3
            return f"rate {LATENCY_SHARE * most / size:.3f} 128 {seconds}"

        first = Step("latency", f"N={size} P=128 W=1", f"window 1 128 {plan.seconds}",
                     plan.seconds, lambda server: server.name == "bun")
        step = Step("latency", f"N={size} P=128", rate, seconds + 0.1)
        yield Part(plan.of(not plan.quick), ["--subscribers", str(size)], [first, step],
                   2 * plan.rounds, size)


def channels(plan):
    """Many channels, published to round robin; as many channels a connection as it takes. Every
    server first runs until what it keeps of many channels has reached its bounds."""
    for count, each, connections in ((1000, 10, 10000), (100000, 1, 10000)):
        if plan.quick and count > 1000:
            continue
        wanted = [s for s in plan.of(True) if s.name not in ("websockets", "mcp-common")
                  and (s.publishes_many or count <= 1000)]
        load = ["--channels", str(count), "--subscribers", str(each),
                "--connections", str(connections)]
        step = Step("channels", f"{count} x {each} W=64", f"window 64 128 {2.5 * plan.seconds}",
                    2.5 * plan.seconds + 0.15)
        seconds = 0.5 if plan.quick else 8
        warm = Step("channels", step.setting, f"window 64 128 {seconds}", seconds + 0.15)
        if wanted:
            yield Part(wanted, load, [step], plan.rounds, connections + count // 2, warm=warm)


def many(plan):
    """Clients in many channels each, and many messages at once: what a client is owed together."""
    # Channels, subscribers of each, connections, messages at once.
    points = ((16, 1000, 1000, 16), (16, 1000, 1000, 1), (100, 500, 500, 100), (100, 500, 500, 20),
              (100, 161, 1000, 100), (1000, 21, 1000, 200))
    for count, each, connections, width in points:
        if plan.quick and count == 1000:
            continue
        load = ["--channels", str(count), "--subscribers", str(each),
                "--connections", str(connections)]
        seconds = 2 * plan.seconds
        setting = f"N={connections} C={count * each // connections}/{count} K={width}"
        step = Step("many", setting, f"burst {width} 128 {seconds}", seconds + 0.15)
        wanted = [s for s in plan.of() if s.publishes_many]
        yield Part(wanted, load, [step], 2 * plan.rounds, connections)


class HttpPart(Part):
    """Steps over HTTP."""

    arena = publish.HttpArena


def publishing(plan):
    """Messages published over HTTP, one a request, to a channel without subscribers."""
    if not publish.WRK:
        print("publish is skipped: it needs wrk (Debian: wrk)", file=sys.stderr)
        return
    names = [server.name for server in plan.servers]
    seconds = 1 if plan.quick else 2
    for carried in ("", "key", "key id"):
        step = Step("publish", f"message{carried and f', {carried}'}",
                    f"{seconds} {carried}", seconds + 0.1)
        wanted = publish.wanted(names, "key" in carried)
        if wanted:
            yield HttpPart(wanted, [], [step], 2 * plan.rounds, 0)


def connect(plan):
    """Connections upgraded a second."""
    step = Step("connect", f"{CONNECTS} connections", f"connect {CONNECTS}", 0.5)
    yield Part(plan.of(not plan.quick), [], [step], plan.rounds, 0)


def memory(plan):
    """Idle connections, each server by itself."""
    step = Step("memory", "1k to 19k connections", "idle 1000 19000 0", 7.0)
    further = Step("memory", "1k to 19k connections", "idle 1000 19000 20", 12.0)
    several = [s for s in plan.of(not plan.quick) if s.name in ("ours", "bun")]
    rounds = 1 if plan.quick else 2
    for _ in range(rounds):
        others = [s for s in plan.of(not plan.quick) if s not in several and s.dialect != "floor"]
        yield Part(several, [], [further], 1, 0, apart=True)
        yield Part(others, [], [step], 1, 0, apart=True)


def shards(plan):
    """One shard and two, on both cores, with the receivers held still."""
    if not any(s.name == "ours" for s in plan.servers):
        return
    for size in plan.sizes[-1:]:
        bursts = plan.still_bursts(size) * 2
        step = Step("shards", f"N={size} P=128 W=1", f"still 1 128 {bursts}",
                    0.05 + bursts * size * 1e-5)
        yield Part(servers.SHARDS, ["--subscribers", str(size)], [step], plan.rounds, size)


ALL = {"matrix": matrix, "still": still, "latency": latency, "channels": channels, "many": many,
       "publish": publishing, "connect": connect, "memory": memory, "shards": shards}

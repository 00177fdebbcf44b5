"""The parts of a race: which settings, in which order, how long."""

from arena import Arena

PAYLOADS, WIDTHS = [16, 128, 1024, 16384], [1, 16, 64]


class Plan:
    """What is to be measured."""

    def __init__(self, args, servers):
        self.quick = args.quick
        self.servers = servers
        self.rounds = args.rounds or (3 if args.quick else 5)
        self.seconds = args.seconds or (0.25 if args.quick else 0.4)
        sizes = [1000] if args.quick else [100, 1000, 10000]
        self.sizes = [int(n) for n in args.sizes.split(",")] if args.sizes else sizes

    def points(self, size):
        """Payload and messages in flight of the matrix, at so many subscribers."""
        if self.quick:
            return [(16, 1), (128, 1), (128, 16), (128, 64), (1024, 16), (16384, 1), (16384, 16)]
        return [(payload, width) for payload in PAYLOADS for width in WIDTHS]

    def window_seconds(self, size, payload, width):
        """Estimate: a window of the largest takes longer than asked for."""
        return 0.15 + max(self.seconds, size * width * 1.2 * (0.4e-6 + payload * 0.4e-9))

    def estimate(self, what):
        """Seconds a part will take, roughly."""
        start = sum(1.0 + size * 1e-4 for size in self.sizes) * len(self.servers)
        each = self.rounds * len(self.servers)
        match what:
            case "matrix":
                return start + each * sum(
                    self.window_seconds(n, *point) for n in self.sizes for point in self.points(n))
            case "still":
                return start + each * sum(2 * STILL * n * 8e-6 for n in self.sizes)
        return 0.0


def ask(lanes, command, key, results, progress, estimate):
    """One round of one point: every lane in its turn."""
    for lane in lanes:
        results[(*key, lane.server.name)].append(lane.ask(command))
        progress.step(estimate, f"{key[0]} {key[1]} {lane.server.name}")


def turned(lanes, round_):
    """Another one begins every round."""
    start = round_ % len(lanes)
    return lanes[start:] + lanes[:start]


def matrix(plan, results, progress):
    """W messages in flight."""
    for size in plan.sizes:
        with Arena(plan.servers, ["--subscribers", str(size)]) as lanes:
            for round_ in range(plan.rounds):
                for payload, width in plan.points(size):
                    command = f"window {width} {payload} {plan.seconds}"
                    key = ("matrix", f"N={size} P={payload} W={width}")
                    estimate = plan.window_seconds(size, payload, width)
                    ask(turned(lanes, round_), command, key, results, progress, estimate)


STILL = 20
"""Bursts of one measurement with the receivers held still."""


def still(plan, results, progress):
    """Nobody reads during a burst."""
    for size in plan.sizes:
        with Arena(plan.servers, ["--subscribers", str(size)]) as lanes:
            for round_ in range(plan.rounds):
                for width in (1, 16):
                    command = f"still {width} 128 {STILL}"
                    key = ("still", f"N={size} P=128 W={width}")
                    estimate = STILL * size * 8e-6
                    ask(turned(lanes, round_), command, key, results, progress, estimate)


ALL = {"matrix": matrix, "still": still}

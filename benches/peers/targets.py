"""The targets, and how far they are met."""

import collections
import re
import statistics

from figures import FLOORS, against, floor, measured, median, percentile, short, summary


Row = collections.namedtuple("Row", "text bound least found floor")
"""A target: what, how much, whether more is better, ours, and the same of the floor."""


def rows(results):
    """A row for each target that this run says something about."""
    settings = collections.defaultdict(dict)
    for (what, setting, server), answers in results.items():
        settings[(what, setting)][server] = answers
    for check in CHECKS:
        for text, found, bound, least, *floor in check(settings):
            if found:
                yield Row(text, bound, least, found, floor[0] if floor else [])


def told(row):
    """The target, what is, what the floor stands at, and the verdict, in words."""
    value = statistics.median(row.found)
    met = value >= row.bound if row.least else value <= row.bound
    shown, itself = (summary(found) if len(found) > 1 else "".join(map(short, found))
                     for found in (row.found, row.floor))
    return (f"{row.text} {'>=' if row.least else '<='} {row.bound}", shown, itself,
            "met" if met else "NOT MET")


def show(results):
    """Prints them."""
    lines = [told(row) for row in rows(results)]
    if lines:
        print(f"\n{'target':<62}{'is':<26}{'':<10}{'the floor itself'}")
    for text, shown, floor, verdict in lines:
        print(f"{text:<62}{shown:<26}{verdict:<10}{floor}".rstrip())


def ratio(by_server, other, name):
    return against(by_server, "ours", other, name)


def floor_ratio(by_server, other, name):
    """What the better floor has: who sends to each socket cannot do better."""
    best = floor(by_server, name)
    return against(by_server, best, other, name) if best else []


def fan_out(settings):
    """CPU and rate at 128 bytes, one in flight."""
    for size in (1000, 10000):
        setting = f"N={size} P=128 W=1"
        window, still = settings[("matrix", setting)], settings[("still", setting)]
        core = "core_us_per_delivery"
        yield f"N={size}: CPU / floor, held still", ratio(still, "floor", core), 1.05, False
        yield (f"N={size}: sweep / floor, held still",
               ratio(still, "floor", "sweep_us_per_delivery"), 1.05, False)
        yield f"N={size}: CPU / floor, in flight", ratio(window, "floor", core), 1.05, False
        yield f"N={size}: rate / floor", ratio(window, "floor", "rate"), 0.95, True
        yield f"N={size}: CPU / Bun, held still", ratio(still, "bun", core), 0.85, False, \
            floor_ratio(still, "bun", core)
        sweep = "sweep_us_per_delivery"
        yield f"N={size}: sweep / Bun, held still", ratio(still, "bun", sweep), 0.85, False, \
            floor_ratio(still, "bun", sweep)
        yield f"N={size}: CPU / Bun, in flight", ratio(window, "bun", core), 0.85, False, \
            floor_ratio(window, "bun", core)


def everywhere(settings):
    """Higher than Bun at every point."""
    for (what, setting), by_server in settings.items():
        if what != "matrix":
            continue
        bound = 1.0
        if "P=128 W=16" in setting:
            bound = 1.25
        if "P=16384 W=16" in setting:
            bound = 2.5
        yield f"{setting}: rate / Bun", ratio(by_server, "bun", "rate"), bound, True, \
            floor_ratio(by_server, "bun", "rate")


def latencies(settings):
    """Open loop, to the last subscriber."""
    for (what, setting), by_server in settings.items():
        if what != "latency" or "W=" in setting or "ours" not in by_server:
            continue
        rounds = by_server["ours"]
        in_round = min((measured([answer]) for answer in rounds), default=0)
        in_all = min(measured(by_server.get(s, [])) for s in ("ours", "bun"))
        # A percentile is told where a hundredth, or thousandth, of the messages is one at least.
        for name in ("p50", "p99") if in_round >= 100 else ("p50",):
            for other, bound in (("floor", 1.1), ("bun", 0.9)):
                yield (f"{setting}: {name} / {other}", ratio(by_server, other, f"{name}_us"),
                       bound, False, floor_ratio(by_server, other, f"{name}_us")
                       if other == "bun" else [])
        pooled = [(0.99, "p99")] if in_round < 100 <= in_all else []
        for share, name in pooled + ([(0.999, "p99.9")] if in_all >= 1000 else []):
            yield from tail(setting, by_server, share, name)


def tail(setting, by_server, share, name):
    """A percentile of all rounds together."""
    last = {s: percentile(a, share) for s, a in by_server.items()}
    floors = [last[s] for s in FLOORS if last.get(s)]
    best = min(floors, default=None)
    for other, value, bound in (("floor", best, 1.1), ("bun", last.get("bun"), 0.9)):
        found = [last["ours"] / value] if last["ours"] and value else []
        itself = [best / value] if other == "bun" and best and value else []
        yield f"{setting}: {name} of all rounds / {other}", found, bound, False, itself


def channels(settings):
    """Many channels, against the best of the others."""
    for (what, setting), by_server in settings.items():
        others = {s: median(a, "rate") for s, a in by_server.items()
                  if s != "ours" and s not in FLOORS}
        others = {s: rate for s, rate in others.items() if rate}
        if what == "channels" and others:
            best = max(others, key=others.get)
            yield f"{setting}: rate / {best}", ratio(by_server, best, "rate"), 1.3, True, \
                floor_ratio(by_server, best, "rate")


def publishing(settings):
    """HTTP, one message a request, against nchan."""
    for (what, setting), by_server in settings.items():
        if what != "publish":
            continue
        for figure, name, least in (("rate", "rate", True), ("p99_us", "p99", False)):
            found = against(by_server, "ours", "nchan", figure)
            yield f"publish, {setting}: {name} / nchan", found, 1.0, least


def connections(settings):
    """Upgrades, memory, metrics, shards."""
    for (what, setting), by_server in settings.items():
        if what == "connect":
            yield "upgrades / Bun", ratio(by_server, "bun", "rate"), 1.2, True, \
                floor_ratio(by_server, "bun", "rate")
        if what == "memory" and "ours" in by_server:
            mine = by_server["ours"]
            found = [median(mine, "bytes_per_connection")]
            yield "bytes per idle connection", [v for v in found if v is not None], 256, False
            found = [median(mine, "bytes_per_further_subscription")]
            yield "bytes per further subscription", [v for v in found if v is not None], 32, False
        if what == "still" and re.search(r"W=1$", setting):
            cost = against(by_server, "ours-metrics", "ours", "core_us_per_delivery")
            yield f"{setting}: CPU with metrics / without", cost, 1.02, False
        if what == "shards":
            found = against(by_server, "two-shards", "one-shard", "sweep_us_per_delivery")
            yield f"{setting}: sweep of two shards / one", found, 0.55, False


CHECKS = (fan_out, everywhere, latencies, channels, publishing, connections)

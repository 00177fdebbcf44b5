"""The answers as a page of the documentation: report.py JSON... > docs/RACE.md. Of several sessions
the rounds are put together: those of one session stay beside each other."""

import collections
import json
import re
import sys

from figures import (against, measured, percentile, short, summary, values,
                     with_percentiles)
from table import COLUMNS, compare, faults
from targets import rows, told

NAMES = {"ours": "Uringcast", "ours-metrics": "Uringcast, metrics on",
         "floor-ring": "floor, ring", "floor-loop": "floor, loop",
         "bun": "Bun", "nats": "nats-server", "websockets": "Python websockets"}


HEAD = """# The race

All answers of {sessions} of `benches/peers/run`, written by `benches/peers/report.py`. How it
measures and what follows from it:
[BENCHMARKS.md](BENCHMARKS.md#against-the-floor-and-against-others). Ratios are taken within a
round; each cell is the median of the rounds and, in brackets, the least and the greatest. The
column *the floor itself* says what the better floor has against the same server: what a server
that sends to each socket can come to on that machine, give or take the spread. Ours runs without
metrics, as the others do; *metrics on* is the default. A percentile is told where enough messages
were measured.

![deliveries a second and p99 against the number of subscribers](race.svg)

## Targets"""


def table(titles, lines):
    """One table."""
    print(f"\n| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for cells in lines:
        print(f"| {' | '.join(cells)} |")


def spread(found):
    """Median and range, in the documentation's words."""
    return summary(found).replace("..", " to ") if found else "–"


def matrix(settings):
    """Against the floor and against Bun, every point."""
    points = collections.defaultdict(dict)
    for (what, setting), by_server in settings.items():
        match = re.fullmatch(r"N=(\d+) P=(\d+) W=(\d+)", setting)
        if what == "matrix" and match:
            size, payload, width = (int(number) for number in match.groups())
            points[(size, payload)][width] = by_server
    for other, title in (("floor", "the better floor"), ("bun", "Bun")):
        print(f"\nDeliveries a second, ours over {title}, with 1, 16 and 64 in flight:")
        table(["subscribers", "bytes", "1", "16", "64"],
              [[f"{size:,}", f"{payload:,}",
                *(spread(against(by_width.get(width, {}), "ours", other, "rate"))
                  for width in (1, 16, 64))]
               for (size, payload), by_width in points.items()])


def everybody(settings, wanted, columns):
    """All servers at some settings."""
    for key in wanted:
        by_server = settings[key]
        lines = [[NAMES.get(server, server),
                  *(spread([scale * v for v in values(answers, name)])
                    for name, _, scale in columns),
                  faults(answers) or "none"]
                 for server, answers in by_server.items()]
        ratios = [[f"*{name}*", *(cell.replace("..", " to ") for cell in found), ""]
                  for name, found in compare(key[0], by_server)]
        print(f"\n{key[0]}, {key[1]}:")
        table(["", *(title for _, title, _ in columns), "faults"], lines + ratios)


def latency(settings):
    """The open loop."""
    lines = []
    for (what, setting), by_server in settings.items():
        if what != "latency" or "W=" in setting:
            continue
        for server, answers in by_server.items():
            count = measured(answers)
            # Where a hundredth, or thousandth, of the messages is one at least.
            tails = [percentile(answers, share) if count * (1 - share) >= 1 else None
                     for share in (0.99, 0.999)]
            lines.append([re.sub(r"N=(\d+).*", r"\1", setting), NAMES.get(server, server),
                          str(count), spread([v / 1e3 for v in values(answers, "p50_us")]),
                          *(short(us / 1e3) if us else "–" for us in tails),
                          faults(answers) or "none"])
    if lines:
        table(["subscribers", "", "messages", "p50 ms", "p99 ms, all rounds",
               "p99.9 ms, all rounds", "faults"], lines)


def main():
    """Everything."""
    results, settings = collections.defaultdict(list), collections.defaultdict(dict)
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as answers:
            for part in json.load(answers)["results"]:
                found = results[(part["what"], part["setting"], part["server"])]
                found += [with_percentiles(answer) for answer in part["answers"]]
                settings[(part["what"], part["setting"])][part["server"]] = found
    sessions = len(sys.argv) - 1
    print(HEAD.replace("{sessions}", f"{sessions} sessions" if sessions > 1 else "one session"))
    table(["target", "is", "the floor itself", ""],
          [[cell.replace(">=", "≥").replace("<=", "≤").replace("..", " to ") for cell in told(row)]
           for row in rows(results)])
    print("\n## Every point")
    matrix(settings)
    shared = [key for key, by_server in settings.items()
              if key[0] == "matrix" and len(by_server) > 5]
    print("\n## Every server")
    everybody(settings, shared, COLUMNS["matrix"])
    print("\n## Open loop, from due to the last subscriber")
    latency(settings)
    print("\n## The rest")
    for what in ("still", "channels", "many", "publish", "connect", "memory", "shards"):
        everybody(settings, [key for key in settings if key[0] == what], COLUMNS[what])


main()

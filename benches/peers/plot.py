"""Draws deliveries a second and p99 against the number of subscribers: plot.py JSON SVG."""

import json
import re
import statistics
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

from figures import percentile  # noqa: E402


def series(results, pattern, value):
    """For each server, the value at each number of subscribers."""
    lines = {}
    for result in results:
        match = re.fullmatch(pattern, f"{result['what']} {result['setting']}")
        found = value(result["answers"]) if match else None
        if found:
            lines.setdefault(result["server"], []).append((int(match[1]), found))
    return {server: sorted(points) for server, points in lines.items()}


def rate(answers):
    """Thousand deliveries a second."""
    found = [answer["rate"] / 1e3 for answer in answers if answer.get("rate")]
    return statistics.median(found) if found else None


def p99(answers):
    """Milliseconds."""
    found = percentile(answers, 0.99)
    return found / 1e3 if found else None


def main():
    """Reads the answers, draws both."""
    with open(sys.argv[1], encoding="utf-8") as answers:
        results = json.load(answers)["results"]
    plots = [
        ("one message in flight, 128 B", "thousand deliveries/s",
         series(results, r"matrix N=(\d+) P=128 W=1", rate)),
        ("16 in flight, 128 B", "thousand deliveries/s",
         series(results, r"matrix N=(\d+) P=128 W=16", rate)),
        ("open loop, publish to last subscriber", "p99, ms",
         series(results, r"latency N=(\d+) P=128", p99)),
    ]
    plots = [plot for plot in plots if plot[2]]
    if not plots:
        return
    figure, axes = pyplot.subplots(1, len(plots), figsize=(5.2 * len(plots), 4.2), squeeze=False)
    for axis, (title, label, lines) in zip(axes[0], plots):
        for server, points in lines.items():
            axis.plot(*zip(*points), marker="o", label=server,
                      linewidth=2.4 if server == "ours" else 1.2,
                      linestyle="--" if server.startswith("floor") else "-")
        axis.set(title=title, xlabel="subscribers", ylabel=label, xscale="log", yscale="log")
        axis.grid(True, which="both", alpha=0.25)
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(sys.argv[2])
    print(f"plot: {sys.argv[2]}")


main()

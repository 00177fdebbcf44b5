"""What the answers say: medians, spread, and ratios within one round."""

import statistics

FLOORS = ("floor-ring", "floor-loop")


def values(answers, name):
    """Everything measured under a name."""
    return [answer[name] for answer in answers if answer.get(name) is not None]


def median(answers, name):
    """The median, or None."""
    found = values(answers, name)
    return statistics.median(found) if found else None


def percentile(answers, share):
    """Of all latencies of all rounds, in microseconds."""
    pooled = sorted(us for answer in answers for us in answer.get("latencies_us", []))
    return pooled[min(len(pooled) - 1, int(share * len(pooled)))] if pooled else None


def measured(answers):
    """Latencies of all rounds."""
    return sum(len(answer.get("latencies_us", [])) for answer in answers)


def with_percentiles(answer):
    """The answer with its own round's percentiles, in microseconds."""
    for share, name in ((0.5, "p50_us"), (0.99, "p99_us")):
        if answer.get("latencies_us"):
            answer[name] = percentile([answer], share)
    return answer


def floor(by_server, name):
    """Which of the two floors is the better one."""
    best = max if name == "rate" else min
    found = {s: median(by_server[s], name) for s in FLOORS if s in by_server}
    found = {s: value for s, value in found.items() if value}
    return best(found, key=found.get) if found else None


def ratios(mine, others, name):
    """Round by round, what is mine over what is theirs."""
    pairs = zip(mine, others)
    return [a[name] / b[name] for a, b in pairs if a.get(name) and b.get(name)]


def against(by_server, mine, other, name):
    """The ratios of a server to another one, or to `floor`."""
    other = floor(by_server, name) if other == "floor" else other
    return ratios(by_server.get(mine, []), by_server.get(other, []), name)


def summary(found, scale=1.0):
    """Median, least and greatest."""
    if not found:
        return "-"
    low, high = min(found) * scale, max(found) * scale
    return f"{short(statistics.median(found) * scale)} ({short(low)}..{short(high)})"


def short(value):
    """Three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

"""One table of everything: medians, spread, ratios, faults."""

import collections

from figures import against, percentile, short, summary, values

COLUMNS = {
    "matrix": [("rate", "k deliveries/s", 1e-3),
               ("core_us_per_delivery", "core \u00b5s", 1),
               ("process_us_per_delivery", "process \u00b5s", 1)],
    "still": [("sweep_us_per_delivery", "sweep \u00b5s", 1),
              ("core_us_per_delivery", "core \u00b5s", 1),
              ("process_us_per_delivery", "process \u00b5s", 1)],
    "latency": [("p50_us", "p50 \u00b5s", 1), ("p99_us", "p99 \u00b5s", 1)],
    "publish": [("rate", "k requests/s", 1e-3),
                ("process_us_per_request", "process \u00b5s", 1),
                ("p50_us", "p50 \u00b5s", 1), ("p99_us", "p99 \u00b5s", 1)],
    "connect": [("rate", "upgrades/s", 1), ("core_us_per_connection", "core \u00b5s", 1),
                ("process_us_per_connection", "process \u00b5s", 1)],
    "memory": [("bytes_per_connection", "bytes/connection", 1),
               ("bytes_in_all_per_connection", "all bytes/connection", 1),
               ("bytes_per_further_subscription", "bytes/further sub.", 1),
               ("slab_per_connection", "slab/connection", 1)],
}
COLUMNS["channels"] = COLUMNS["many"] = COLUMNS["matrix"]
COLUMNS["shards"] = COLUMNS["still"]
FAULTS = ("lost", "repeated", "misshapen", "closed", "strange", "refusal", "failed")


def faults(answers):
    """What went wrong, in words."""
    said = []
    for name in FAULTS:
        found = [answer[name] for answer in answers if answer.get(name)]
        if found:
            is_text = isinstance(found[0], str)
            said.append(f"{name}: {' '.join(found[0].split())[:150] if is_text else sum(found)}")
    return "; ".join(said)


def cells(what, answers):
    """A server's figures."""
    found = [summary(values(answers, name), scale) for name, _, scale in COLUMNS[what]]
    if what == "latency":
        # Of all rounds: one round alone has too few messages to have this percentile.
        last = percentile(answers, 0.999)
        found.append(short(last) if last else "-")
    return found


def compare(what, by_server):
    """Ours over floor and over Bun, or over nchan, round by round."""
    for other in ("nchan",) if what == "publish" else ("floor", "bun"):
        found = [summary(against(by_server, "ours", other, name)) for name, _, _ in COLUMNS[what]]
        if any(cell != "-" for cell in found):
            yield f"ours / {other}", found


def show(results, missing):
    """Prints every setting with every server."""
    settings = collections.defaultdict(dict)
    for (what, setting, server), answers in results.items():
        settings[(what, setting)][server] = answers
    heading = None
    for (what, setting), by_server in settings.items():
        if what == "latency" and "W=" in setting:
            continue  # Only to find the rate.
        if heading != what:
            heading = what
            titles = [title for _, title, _ in COLUMNS[what]]
            titles += ["p99.9 \u00b5s, all rounds"] if what == "latency" else []
            line(what, "server", titles, "faults")
        for server, answers in by_server.items():
            line(setting, server, cells(what, answers), faults(answers))
        for name, found in compare(what, by_server):
            line("", name, found, "")
    for server, why in missing.items():
        print(f"{server} is MISSING: {why}")


def line(setting, server, found, last):
    print(f"{setting:<24}{server:<14}{''.join(f'{cell:>24}' for cell in found)}  {last}".rstrip())

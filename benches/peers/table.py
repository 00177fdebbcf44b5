"""One table of everything: medians, spread, ratios."""

import collections
import statistics

COLUMNS = {
    "matrix": [("rate", "k deliveries/s", 1e-3), ("core_us_per_delivery", "core us", 1),
               ("process_us_per_delivery", "process us", 1)],
    "still": [("sweep_us_per_delivery", "sweep us", 1), ("core_us_per_delivery", "core us", 1),
              ("process_us_per_delivery", "process us", 1)],
}
FAULTS = ("lost", "repeated", "misshapen", "closed", "strange", "refusal", "failed")


def values(answers, name):
    return [answer[name] for answer in answers if answer.get(name) is not None]


def median(answers, name):
    """The median of what was measured, or None."""
    found = values(answers, name)
    return statistics.median(found) if found else None


def spread(answers, name, scale):
    """Median, least and greatest."""
    found = [value * scale for value in values(answers, name)]
    if not found:
        return "-"
    return f"{statistics.median(found):.3g} ({min(found):.3g}..{max(found):.3g})"


def faults(answers):
    """What went wrong, in words."""
    said = []
    for name in FAULTS:
        found = [answer[name] for answer in answers if answer.get(name)]
        if found:
            is_text = isinstance(found[0], str)
            said.append(f"{name}: {found[0][:120] if is_text else sum(found)}")
    return "; ".join(said)


def ratio(mine, other):
    return f"{mine / other:.2f}" if mine and other else "-"


def show(results, missing):
    """Prints every setting with every server, and ours against floor and Bun."""
    settings = collections.defaultdict(dict)
    for (what, setting, server), answers in results.items():
        settings[(what, setting)][server] = answers
    heading = None
    for (what, setting), by_server in settings.items():
        columns = COLUMNS[what]
        if heading != what:
            heading = what
            names = "".join(f"{title:>26}" for _, title, _ in columns)
            print(f"\n{what:<24}{'server':<12}{names}  faults")
        for server, answers in by_server.items():
            cells = "".join(f"{spread(answers, name, scale):>26}" for name, _, scale in columns)
            print(f"{setting:<24}{server:<12}{cells}  {faults(answers)}")
        compare(by_server, columns)
    for server, why in missing.items():
        print(f"{server} is missing: {why}")


def floor(by_server, name):
    """The better of the two floors."""
    best = max if name == "rate" else min
    found = [median(by_server[s], name) for s in ("floor-ring", "floor-loop") if s in by_server]
    found = [value for value in found if value]
    return best(found) if found else None


def compare(by_server, columns):
    if "ours" not in by_server:
        return
    mine = {name: median(by_server["ours"], name) for name, _, _ in columns}
    for other, value in (("floor", lambda name: floor(by_server, name)),
                         ("bun", lambda name: median(by_server.get("bun", []), name))):
        cells = "".join(f"{ratio(mine[name], value(name)):>26}" for name, _, _ in columns)
        if cells.strip(" -"):
            print(f"{'':<24}{'ours/' + other:<12}{cells}")

"""Draws a dashboard's panels from what Prometheus answers: so that a reader sees what to expect."""

import math
import os
import socket
import time
import urllib.request

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot, ticker  # noqa: E402

INTERVAL = "10s"
UNITS = {
    "s": [(86400, "d"), (3600, "h"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")],
    "bytes": [(2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")],
    "Bps": [(1e6, "MB/s"), (1e3, "kB/s"), (1, "B/s")],
    "cps": [(1e6, "M/s"), (1e3, "k/s"), (1, "/s")],
    "ops": [(1e6, "M/s"), (1e3, "k/s"), (1, "/s")],
    "percentunit": [(0.01, "%")],
    "short": [(1e6, "M"), (1e3, "k"), (1, "")],
}


def text(value, unit):
    steps = UNITS[unit]
    scale, name = next((step for step in steps if abs(value) >= step[0]), steps[-1])
    if value == 0:
        scale, name = steps[-1] if unit == "percentunit" else (1, "")
    return f"{value / scale:.3g} {name}".strip()


def load(servers, loadgen):
    """Some 45 s: a calm time, a busy one, a subscriber that does not read, garbage."""
    plain, secure = servers
    calm = [loadgen(server, "--connections=200", "--channels=4", "--rate=40", "--duration=42")
            for server in servers]
    time.sleep(14)
    busy = loadgen(plain, "--connections=600", "--rate=25", "--duration=12")
    storm = loadgen(secure, "--connections=300", "--rate=20", "--duration=10")
    slow = not_reading(plain)
    for _ in range(60):
        garbage(plain)
        publish(plain, "bulk:1", 60_000)
        time.sleep(0.2)
    drain(slow)
    for run in [busy, storm, *calm]:
        run.communicate()
    time.sleep(2)


def address(server):
    host, port = server.url.split("//")[1].rsplit(":", 1)
    return host, int(port)


def upgraded(server):
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream.connect(address(server))
    stream.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return stream


def say(stream, message):
    """A masked frame, with a mask of zeros."""
    stream.sendall(bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)


def not_reading(server):
    stream = upgraded(server)
    say(stream, b'{"type":"subscribe","data":{"channel":"bulk:1"}}')
    return stream


def drain(stream):
    """Reads until nothing has come for a while."""
    stream.settimeout(1)
    with stream:
        try:
            while stream.recv(1 << 16):
                pass
        except TimeoutError:
            pass


def garbage(server):
    with upgraded(server) as stream:
        say(stream, b"no JSON")
        say(stream, b'{"type":"ping","id":"1"}')
        stream.recv(4096)
    with socket.create_connection(address(server)) as stream:
        stream.sendall(b"no upgrade\r\n\r\n")


def publish(server, channel, size):
    url = f"{server.control}/v1/publish/raw?channel={channel}&event=bulk"
    body = b'{"x":"' + b"x" * size + b'"}'
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers)).read()


def draw(dashboard, prometheus, begin, path):
    panels = dashboard["panels"]
    units = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    width, unit = 15.0, 0.36
    note = 1.6
    height = (units + note) * unit
    figure = pyplot.figure(figsize=(width, height), dpi=72)
    pyplot.rcParams.update({"font.size": 7.5})
    figure.text(0.012, 1 - 0.45 * unit / height, dashboard["title"], size=14, va="top",
                weight="bold")
    figure.text(
        0.988, 1 - 0.55 * unit / height, va="top", ha="right", size=8.5, color="#666666",
        s=f"Drawn with matplotlib from what Prometheus answered; no Grafana screenshot. "
        f"All servers and instances; rates and maxima over {INTERVAL}",
    )
    span = (begin, time.time())
    for panel in panels:
        at = panel["gridPos"]
        left, right = at["x"] / 24, (at["x"] + at["w"]) / 24
        top = 1 - (at["y"] + note) * unit / height
        bottom = 1 - (at["y"] + at["h"] + note) * unit / height
        if panel["type"] == "row":
            where = bottom + 0.25 * unit / height
            figure.text(0.012, where, panel["title"], size=11, weight="bold")
            continue
        series = [
            (target, found)
            for target in panel["targets"]
            for found in ask(prometheus, target["expr"], *span)
        ]
        if panel["type"] == "stat":
            draw_stat(figure, panel, series, (left + right) / 2, (top, bottom), unit / height)
            continue
        box = [left + 0.04, bottom + 0.95 * unit / height,
               right - left - 0.05, top - bottom - 2.15 * unit / height]
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], size=9, loc="left", weight="bold")
        draw_panel = draw_heatmap if panel["type"] == "heatmap" else draw_series
        draw_panel(axes, panel, series, begin)
        axes.set_xlim(0, span[1] - begin)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g} s")
        axes.tick_params(length=2)
        for side in ["top", "right"]:
            axes.spines[side].set_visible(False)
    figure.savefig(path, pil_kwargs={"optimize": True})
    shrink(path)


def shrink(path):
    """To 128 colours: a third of the bytes."""
    from PIL import Image

    with Image.open(path) as image:
        image.convert("RGB").quantize(128).save(path, optimize=True)
    assert os.path.getsize(path) < 1 << 20, path


def ask(prometheus, expression, start, end):
    for variable in ["$server", "$instance", "$shard"]:
        expression = expression.replace(variable, ".*")
    for variable in ["$interval", "$__rate_interval"]:
        expression = expression.replace(variable, INTERVAL)
    expression = expression.replace("$__range", f"{math.ceil(end - start)}s")
    found = prometheus.ask("query_range", query=expression, start=start, end=end, step=1)
    return [
        (each["metric"], [(float(at), float(value)) for at, value in each["values"]])
        for each in found
    ]


def legend(target, labels):
    said = target["legendFormat"]
    for name, value in labels.items():
        said = said.replace("{{" + name + "}}", value)
    # On one machine the instance says nothing.
    return " ".join(said.replace(labels.get("instance", "\0"), "").split())


def no_value(panel):
    return panel["fieldConfig"]["defaults"]["noValue"]


def draw_stat(figure, panel, series, middle, edges, unit):
    top, bottom = edges
    figure.text(middle, top - 0.4 * unit, panel["title"], ha="center", va="top", size=9,
                weight="bold")
    lines = []
    for target, (labels, points) in series:
        values = [value for _, value in points if math.isfinite(value)]
        if values:
            shown = text(values[-1], panel["fieldConfig"]["defaults"]["unit"])
            lines.append(f"{legend(target, labels)}  {shown}")
    middle_of = (middle, (top + bottom) / 2)
    figure.text(*middle_of, "\n".join(lines) or no_value(panel), ha="center", va="center",
                size=13, color="#2a6f4e")


def draw_series(axes, panel, series, begin):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    lines = []
    for target, (labels, points) in series:
        points = [(at - begin, value) for at, value in points if math.isfinite(value)]
        if points:
            lines.append((max(value for _, value in points), legend(target, labels), points))
    # All that stay at zero are one line in the legend.
    zero = [line for line in lines if line[0] == 0]
    shown = sorted((line for line in lines if line[0] != 0), reverse=True)
    for _, name, points in shown:
        axes.plot(*zip(*points), linewidth=1.1, label=name)
    if zero:
        name = zero[0][1] if len(zero) == 1 else f"{len(zero)} others at 0"
        axes.plot(*zip(*zero[0][2]), linewidth=1.1, color="#aaaaaa", label=name)
    if not lines:
        middle = {"transform": axes.transAxes, "ha": "center"}
        axes.text(0.5, 0.5, no_value(panel), color="#888888", **middle)
    logarithmic = "scaleDistribution" in panel["fieldConfig"]["defaults"]["custom"]
    if logarithmic and shown:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    else:
        axes.set_ylim(bottom=0, top=None if shown else 1)
    axes.yaxis.set_major_formatter(lambda y, _: text(y, unit))
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    if lines:
        handles, names = axes.get_legend_handles_labels()
        axes.legend(handles[:8], names[:8], fontsize=6.5, loc="upper left", framealpha=0.75,
                    borderpad=0.3, labelspacing=0.25, handlelength=1.2, edgecolor="none")


def draw_heatmap(axes, panel, series, begin):
    """From cumulative buckets to bands."""
    bounds = {float(labels["le"]): points for _, (labels, points) in series}
    order = sorted(bounds)
    times = sorted({at for points in bounds.values() for at, _ in points})
    rows, below = [], dict.fromkeys(times, 0)
    for bound in order:
        here = dict(bounds[bound])
        rows.append([max(here.get(at, 0) - below[at], 0) for at in times])
        below = {at: here.get(at, below[at]) for at in times}
    names = ["more" if math.isinf(bound) else text(bound, "s") for bound in order]
    shown = [[value if value > 0.001 else math.nan for value in row] for row in rows]
    edges = [at - begin for at in times] + [times[-1] - begin + 1]
    mesh = axes.pcolormesh(edges, range(len(order) + 1), shown, cmap="turbo",
                           norm=matplotlib.colors.PowerNorm(0.5))
    axes.set_yticks([n + 1 for n in range(len(order))], names)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.01, fraction=0.03)
    bar.ax.yaxis.set_major_formatter(lambda y, _: text(y, "cps"))

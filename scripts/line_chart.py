"""Charts of lines as SVG, without anything to install."""

from xml.sax.saxutils import escape

COLORS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700")
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 860, 320, 78, 46, 46, 24


def nice(most):
    """The first of 1, 2 and 5 times a power of ten that is not below."""
    step = 1.0
    while step < most / 10:
        step *= 10
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= most)


def text(x, y, content, anchor="middle", size=13):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">' \
           f"{escape(str(content))}</text>"


def svg(title, series, x_label, y_label):
    """A chart of {name: [(x, y), …]}; both axes begin at 0."""
    points = [point for line in series.values() for point in line] or [(1, 1)]
    x_most = max(x for x, _ in points) or 1
    y_most = nice(max(max(y for _, y in points), 1e-9))
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x, y):
        return LEFT + inner_width * x / x_most, TOP + inner_height * (1 - y / y_most)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" fill="#24292f"><rect width="{WIDTH}" height="{HEIGHT}" '
        'fill="#ffffff"/>',
        text(LEFT, 22, title, "start", 16),
    ]
    for part in range(6):
        x, y = place(x_most * part / 5, y_most * part / 5)
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        out.append(text(LEFT - 8, y + 4, f"{y_most * part / 5:g}", "end"))
        out.append(text(x, HEIGHT - BOTTOM + 18, f"{x_most * part / 5:.4g}"))
    out.append(text(WIDTH - RIGHT, HEIGHT - 8, x_label, "end"))
    out.append(text(LEFT, 38, y_label, "start"))
    for place_of, (name, line) in enumerate(series.items()):
        color = COLORS[place_of % len(COLORS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8"/>')
        out.append(f'<g fill="{color}">{text(WIDTH - RIGHT, 20 + 16 * place_of, name, "end")}</g>')
    return "\n".join([*out, "</svg>"]) + "\n"

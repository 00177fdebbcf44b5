// Lines over the last minutes, drawn as SVG.
const SVG = "http://www.w3.org/2000/svg";

function shape(tag, className, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  if (className) element.setAttribute("class", className);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  if (text) element.textContent = text;
  return element;
}

/** Round values from 0 up to at least `max`, about four steps. */
function linearTicks(max) {
  const rough = Math.max(max, 4) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough);
  return Array.from({ length: Math.ceil(Math.max(max, 1) / step) + 1 }, (_, i) => i * step);
}

/** Powers of ten around all values, two at least. */
function logTicks(values) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
}

class Chart {
  /** In `root`; `series` are `[name, class]`, `format` writes a value; `log`: 0 is a gap. */
  constructor(root, { series, format, log }) {
    Object.assign(this, { root, series, format, log, lines: [], least: 60, at: null });
    this.svg = shape("svg", "", { role: "img" });
    this.legend = make("div", "legend");
    this.values = series.map(([name, className]) => {
      const value = make("b");
      this.legend.append(make("span", className, `${name} `, value));
      return value;
    });
    root.append(this.svg, this.legend);
    new ResizeObserver(() => this.draw()).observe(this.svg);
    this.svg.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.svg.addEventListener("pointerleave", () => this.point(null));
  }

  /** Shows these lines: for each series its values, a second each, up to now. */
  show(lines) {
    this.lines = lines;
    this.draw();
  }

  point(x) {
    this.at = x;
    this.draw();
  }

  draw() {
    const { width, height } = this.svg.getBoundingClientRect();
    const known = this.lines[0]?.length ?? 0;
    const seconds = Math.max(this.least, known) - 1;
    const all = this.lines.flat().filter((value) => !this.log || value > 0);
    const ticks = this.log
      ? logTicks(all.length ? all : [100, 1e5])
      : linearTicks(Math.max(0, ...all));
    const scale = this.log ? Math.log10 : (value) => value;
    const [low, high] = [scale(ticks[0]), scale(ticks.at(-1))];
    const [left, bottom, top] = [52, height - 20, 8];
    const x = (i) => left + ((width - left) * (seconds - (known - 1 - i))) / seconds;
    const y = (value) => bottom - ((bottom - top) * (scale(value) - low)) / (high - low);

    const parts = [];
    for (const tick of ticks) {
      parts.push(shape("line", "grid", { x1: left, x2: width, y1: y(tick), y2: y(tick) }));
      const place = { x: left - 8, y: y(tick) + 4, "text-anchor": "end" };
      parts.push(shape("text", "", place, this.format(tick).replace(/\.0+(?!\d)/, "")));
    }
    const step = seconds > 150 ? 60 : 15;
    for (let ago = 0; ago <= seconds; ago += step) {
      const place = { x: x(known - 1 - ago), y: height - 2, "text-anchor": ago ? "middle" : "end" };
      const label = step === 60 ? `−${ago / 60} min` : `−${ago} s`;
      parts.push(shape("text", "", place, ago ? label : "now"));
    }
    this.lines.forEach((line, which) => parts.push(...this.line(line, which, x, y, bottom)));
    const chosen = this.chosen(known, seconds, left, width);
    if (this.at !== null && known) {
      parts.push(shape("line", "mark", { x1: x(chosen), x2: x(chosen), y1: top, y2: bottom }));
    }
    this.svg.replaceChildren(...parts);
    this.read(chosen);
  }

  /** The index that the pointer is at; without a pointer, the newest. */
  chosen(known, seconds, left, width) {
    if (this.at === null) return known - 1;
    const ago = Math.round((seconds * (width - this.at)) / (width - left));
    return Math.min(known - 1, Math.max(0, known - 1 - ago));
  }

  line(line, which, x, y, bottom) {
    const className = this.series[which][1];
    const points = line.map((value, i) =>
      this.log && !value ? null : `${x(i).toFixed(1)} ${y(value).toFixed(1)}`);
    let path = "";
    points.forEach((point, i) => {
      if (point) path += `${i && points[i - 1] ? "L" : "M"}${point}`;
    });
    const stroke = shape("path", className, { d: path });
    if (this.log || !path) return [stroke];
    const area = `${path}L${x(line.length - 1)} ${bottom}L${x(0)} ${bottom}Z`;
    return [shape("path", `area ${className}`, { d: area }), stroke];
  }

  read(index) {
    const said = this.series.map(([name], which) => {
      const value = this.lines[which]?.[index];
      const text = value === undefined || (this.log && !value) ? "–" : this.format(value);
      if (this.values[which].textContent !== text) this.values[which].textContent = text;
      return `${name} ${text}`;
    });
    if (this.at === null) this.svg.setAttribute("aria-label", said.join(", "));
  }
}

// Finding and making elements, and numbers as people read them.
const $ = (id) => document.getElementById(id);

/** An element of this class with these children: text or elements. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A positive number with so many digits at least, without an exponent. */
const round = (n, digits) => (n < 10 ** digits - 0.5 ? n.toPrecision(digits) : whole.format(n));

/** `[number, unit]` of a count: 9,999 then 12.3 k. */
function count(n) {
  if (n < 10_000) return [n < 10 && n % 1 ? n.toFixed(1) : whole.format(n), ""];
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    // What would round to a thousand of one unit is one of the next.
    if (n >= size * 0.9995) return [round(n / size, 3), unit];
  }
}

/** `[number, unit]` of a time in µs; 0 stands for none. */
function time(us) {
  if (!us) return ["–", ""];
  if (us < 1_000) return [whole.format(us), "µs"];
  if (us < 999_500) return [round(us / 1e3, 2), "ms"];
  return [round(us / 1e6, 2), "s"];
}

/** `[number, unit]` of bytes. */
function size(bytes) {
  for (const [one, unit] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    // 1,000 KiB have a digit too many.
    if (bytes >= one * (one > 1024 ? 999.5 / 1024 : 1)) return [round(bytes / one, 3), unit];
  }
  return [whole.format(bytes), "B"];
}

const join = ([number, unit]) => (unit ? `${number} ${unit}` : number);

/** Seconds as people say them. */
function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const [days, hours, minutes] = [86_400, 3_600, 60].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  if (minutes) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds)} s`;
}

const several = (n, one, many = one + "s") => `${join(count(n))} ${n === 1 ? one : many}`;

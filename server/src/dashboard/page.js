// What the server says, as tiles, charts and tables.
const POINTS = 300;
/** Row of the history: connections, deliveries, publications, then µs: p50, p99, p99.9. */
const [CONNECTIONS, DELIVERIES, PUBLISHED, P50, P99, P999] = [0, 1, 2, 3, 4, 5];

const model = { services: [], history: [], now: null, at: 0, mayManage: false };
const charts = {
  rate: new Chart($("rate-chart"), {
    series: [["delivered", "one"]],
    format: (n) => join(count(n)),
  }),
  latency: new Chart($("latency-chart"), {
    series: [["p50", "one"], ["p99", "two"], ["p99.9", "three"]],
    format: (us) => join(time(us)),
    log: true,
  }),
};

/** The place of the chosen service's series; 0 is all of them together. */
const chosen = () => ($("chooser").hidden ? 0 : Number($("service").value));
$("service").addEventListener("change", () => {
  fit();
  show();
});

/** The answer of GET /debug/live. */
function take(all) {
  const names = all.services.map((service) => service.name);
  if (names.join() !== model.services.map((service) => service.name).join()) {
    const option = (name, i) => Object.assign(make("option", "", name), { value: i });
    $("service").replaceChildren(...["all", ...names].map(option));
    $("chooser").hidden = names.length < 2;
  }
  model.services = all.services;
  model.mayManage = all.may_manage;
  model.history = all.history ?? [];
  $("version").textContent = all.version;
  document.title = names.length === 1 ? `${names[0]} · Uringcast` : "Uringcast";
  fit();
  $("off").hidden = all.now !== null;
  $("tiles").hidden = all.now === null;
  const cards = document.querySelectorAll("#grid .card:not(#try, #find)");
  for (const card of cards) card.hidden = all.now === null;
  if (all.now) {
    model.now = all.now;
    model.at = all.now.at;
    show();
  }
}

/** A second later. */
function step(now) {
  if (now.at <= model.at || !now.rows) return;
  model.now = now;
  model.at = now.at;
  now.rows.forEach((row, i) => {
    const rows = (model.history[i] ??= []);
    rows.push(row);
    if (rows.length > POINTS) rows.shift();
  });
  show();
}

function tile(id, [number, unit], note) {
  $(id).replaceChildren(number, ...(unit ? [" ", make("span", "", unit)] : []));
  if (note) $(id).nextElementSibling.textContent = note;
}

function show() {
  const { now, services } = model;
  const rows = model.history[chosen()] ?? [];
  const last = rows.at(-1) ?? [0, 0, 0, 0, 0, 0];
  const { engine } = now;
  const subscriptions = `${several(engine.subscriptions, "subscription")} of clients`;
  tile("connections", count(last[CONNECTIONS]), subscriptions);
  const bytes = `${join(size(engine.bytes_per_second))}/s`;
  const published = `${join(count(last[PUBLISHED]))} published/s`;
  tile("deliveries", count(last[DELIVERIES]), `${published} · ${bytes}`);
  for (const [id, column] of [["p50", P50], ["p99", P99], ["p999", P999]]) {
    tile(id, time(last[column]));
  }
  charts.rate.show([rows.map((row) => row[DELIVERIES])]);
  charts.latency.show([P50, P99, P999].map((column) => rows.map((row) => row[column])));

  const name = services[chosen() - 1]?.name;
  const mine = (one) => !name || one.service === name;
  table("shards", now.shards.map(shard));
  const hottest = now.hottest.filter(mine);
  const most = Math.max(...hottest.map((one) => one.per_second));
  table("hottest", hottest.map((one) => hot(one, most)));
  table("slowest", now.slowest.filter(mine).map(slow));
  table("closes", now.closes.map(close));
  showCluster(now.cluster);
  const lagging = Object.values(engine.laggards).reduce((sum, n) => sum + n, 0);
  $("engine").textContent = [
    `up ${duration(now.uptime)}`,
    several(engine.channels, "channel"),
    `${join(size(engine.log_bytes))} of recent messages`,
    several(lagging, "laggard"),
    // Its canaries' and those of open pages.
    `not counted: ${several(engine.probe_subscriptions, "probe")} of the server’s own`,
  ].join(" · ");
}

/** How the node stands to its streams; nothing without a cluster. */
function showCluster(cluster) {
  $("cluster").hidden = !cluster;
  if (!cluster) return;
  table("streams", cluster.streams.map(stream));
  const { events } = cluster;
  const names = ["hole", "fill", "find", "gap", "refused_channel", "stale_answer", "reconnect",
    "unknown_outcome"];
  $("cluster-state").textContent = [
    cluster.connected ? "connected to NATS" : "no connection to NATS",
    cluster.degraded ? `takes no publications: ${cluster.degraded}` : "takes publications",
    ...names.map((name) => several(events[name], name.replaceAll("_", " "))),
  ].join(" · ");
}

function stream(one) {
  const numbers = [one.channels, one.behind].map((n) => ["n", join(count(n))]);
  return row(["name", one.name], ["n", `${one.position}`], ...numbers,
    ["n", join(size(one.held_bytes))], ["n", join(count(one.pending))]);
}

function table(id, rows) {
  $(id).tBodies[0].replaceChildren(...rows);
  $(id).parentElement.classList.toggle("empty", rows.length === 0);
}

function row(...cells) {
  const tr = make("tr");
  for (const [className, ...children] of cells) tr.append(make("td", className, ...children));
  return tr;
}

function bar(share, text) {
  const inner = make("b");
  inner.style.width = `${Math.round(share * 100)}%`;
  const whole = make("div", "bar", make("i", "", inner));
  if (text) whole.append(make("span", "", text));
  return whole;
}

function shard(one, id) {
  const busy = bar(one.busy, one.silent ? "silent" : `${Math.round(one.busy * 100)} %`);
  if (one.busy > 0.8) busy.dataset.level = "high";
  const [deliveries, connections] = [one.deliveries, one.connections].map((n) => join(count(n)));
  return row(["", `${id}`], ["wide", busy], ["n", deliveries], ["n", connections]);
}

function hot(one, most) {
  const name = row(["name", one.channel], ["wide", bar(one.per_second / most)],
    ["n", join(count(one.per_second))]);
  name.firstChild.title = `${one.channel} (${one.service})`;
  return name;
}

function slow(one) {
  return row(["", one.peer], ["id", one.connection_id], ["", one.state],
    ["n", join(size(one.owed))], ["n", duration(one.behind)], ["n", join(count(one.skipped))]);
}

function close(one) {
  const [recent, total] = [one.recent, one.total].map((n) => join(count(n)));
  return row(["", one.reason.replaceAll("_", " ")], ["", one.code], ["n", recent], ["n", total]);
}

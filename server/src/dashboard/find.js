// Who is connected: a search, and a button that sends a client away.

/** Pages that are not shown yet: services and where to go on in each. */
const hunt = { left: [], query: "", id: "" };

/** What the control port answers; an error with its text and status. */
async function call(path, body) {
  const init = { headers: keyed(), cache: "no-store" };
  if (body) {
    init.method = "POST";
    init.headers = keyed({ "Content-Type": "application/json" });
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(path, init);
  const all = await answer.json();
  if (answer.ok) return all;
  throw Object.assign(new Error(all.error.message), { status: answer.status });
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const [by, sought] = [$("by").value, $("sought").value.trim()];
  const query = new URLSearchParams();
  if (sought) query.set(by, sought);
  if ($("behind").checked) query.set("behind", "0");
  hunt.id = by === "id" ? sought : "";
  query.delete("id");
  hunt.query = query.toString();
  const services = chosen() ? [model.services[chosen() - 1]] : model.services;
  hunt.left = services.map(({ api }) => ({ api, cursor: 0 }));
  $("found").tBodies[0].replaceChildren();
  $("told").textContent = "";
  look();
});

$("more").addEventListener("click", look);

/** Shows the next page that has something. */
async function look() {
  const rows = $("found").tBodies[0];
  $("amiss").textContent = "";
  try {
    for (let found = 0; hunt.left.length && !found; ) {
      const from = hunt.left[0];
      const { connections, next } = await page(from);
      if (from !== hunt.left[0]) return;
      if (next === null) hunt.left.shift();
      else from.cursor = next;
      rows.append(...connections.map((one) => connection(one, from.api)));
      found = connections.length;
    }
  } catch (error) {
    const lost = error instanceof TypeError;
    $("amiss").textContent = lost ? "The control port does not answer." : error.message;
    hunt.left = [];
  }
  const shown = rows.children.length;
  rows.closest(".scroll").hidden = !shown;
  $("more").hidden = !hunt.left.length;
  if (!hunt.id || !shown) $("told").textContent = shown ? "" : "Nobody was found.";
}

/** A page of a service's connections. */
async function page({ api, cursor }) {
  if (!hunt.id) return call(`${api}/connections?${hunt.query}&cursor=${cursor}`);
  try {
    const one = await call(`${api}/connections/${encodeURIComponent(hunt.id)}`);
    const tell = ({ name, unread }) => (unread ? `${name} (${unread} unread)` : name);
    const names = one.channels.map(tell).join(", ");
    $("told").textContent = names ? `Subscribed to ${names}.` : "Subscribed to nothing.";
    return { connections: [one], next: null };
  } catch (error) {
    if (error.status === 404) return { connections: [], next: null };
    throw error;
  }
}

function connection(one, api) {
  const state = one.state === "live" ? "keeps up" : one.state;
  const since = one.since?.replace("T", " ") ?? "";
  return row(["name", one.user ?? "–"], ["", one.address], ["id", one.id], ["", since],
    ["n", join(count(one.subscriptions))], ["", state], ["n", join(size(one.owed))],
    ["n", sendAway(one, api)]);
}

/** A button that asks once more before it acts. */
function sendAway(one, api) {
  const button = make("button", "quiet small", "Disconnect");
  button.type = "button";
  button.hidden = !model.mayManage;
  const calm = () => (button.textContent = "Disconnect");
  button.addEventListener("click", async () => {
    if (button.textContent === "Disconnect") {
      button.textContent = "Really?";
      return setTimeout(() => button.disabled || calm(), 4000);
    }
    button.disabled = true;
    try {
      const { disconnected } = await call(`${api}/disconnect`, { connection: one.id });
      button.textContent = disconnected ? "Sent away" : "Was gone";
    } catch (error) {
      $("amiss").textContent = error.message;
      calm();
      // A key that is not for this one is for none.
      const every = $("found").querySelectorAll("button");
      if (error.status === 403) for (const other of every) other.disabled = true;
      else button.disabled = false;
    }
  });
  return button;
}

// Subscribe as any client does, publish as any service does, and see how long it takes.
const LINES = 50;
const trial = { close: null, sent: new Map() };

/** The service of the panel: the chosen one, or the first. */
const service = () => model.services[Math.max(0, chosen() - 1)];

function tell(text, { fault, after } = {}) {
  const clock = make("time", "", new Date().toTimeString().slice(0, 8));
  const line = make("li", fault ? "fault" : "", clock, make("span", "", text));
  if (after !== undefined) line.append(make("b", "", `${after.toFixed(1)} ms`));
  const list = $("log").firstElementChild;
  list.prepend(line);
  if (list.children.length > LINES) list.lastChild.remove();
}

/** Leaves out what the service's clients cannot do: those of a feed choose no channel. */
function fit() {
  const feed = service()?.feed ?? false;
  $("channel").parentElement.hidden = $("send").hidden = $("round").hidden = feed;
  $("channel").required = !feed;
  $("feed").hidden = !feed;
  subscribed(trial.close !== null);
}

function subscribed(is) {
  $("subscribe").textContent = is ? "Leave" : service()?.feed ? "Listen" : "Subscribe";
  $("subscribe").classList.toggle("quiet", is);
  for (const id of ["channel", "token"]) $(id).readOnly = is;
}

$("listen").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (trial.close) return trial.close();
  if (!service()) return;
  const url = new URL(service().url);
  const token = $("token").value;
  await (service().feed ? listenToFeed(url, token) : follow(url.href, token));
});

/** The panel has nothing to listen to any more. */
function left(text, more) {
  trial.close = null;
  subscribed(false);
  tell(text, more);
}

/** A connection that never was. */
function missed(url) {
  const health = url.origin.replace(/^ws/, "http") + "/health";
  const remedy = url.protocol === "wss:" ? ` Does the browser trust ${health}?` : "";
  left(`No connection to ${url.origin}.${remedy}`, { fault: true });
}

/** Subscribes with the client that this port serves to other pages as well. */
async function follow(url, token) {
  const { connect } = await import("/client/uringcast.js");
  const channel = $("channel").value;
  let isOpen = false;
  const onStatus = (now, why) => {
    isOpen ||= now === "open";
    if (now === "closed" && trial.close) return left(`Closed: ${why}.`);
    if (now !== "waiting") return;
    if (isOpen) return tell(`The connection ended: ${why}. The client connects again.`);
    trial.close = null;
    client.close();
    missed(new URL(url));
  };
  const client = connect(url, { token: token || undefined, onStatus });
  trial.close = () => client.close();
  subscribed(true);
  client.subscribe(channel, {
    onConfirmed: ({ seq }) => tell(`Subscribed to ${channel}, which is at ${seq}.`),
    onMessage: ({ room, event, data }) => heard(`${room}: ${event}`, data),
    onGap: ({ reason, missed }) => tell(`${missed ?? "Some"} messages will not come: ${reason}.`),
    onError: ({ message, code }) => code === "CLOSED" || tell(message, { fault: true }),
  });
}

function heard(what, data) {
  const began = trial.sent.get(data.trial);
  trial.sent.delete(data.trial);
  const after = began === undefined ? undefined : performance.now() - began;
  tell(`${what} ${data.text ?? JSON.stringify(data)}`, { after });
}

/** A feed speaks another protocol, in which clients say nothing. */
function listenToFeed(url, token) {
  if (token) url.searchParams.set("token", token);
  const socket = new WebSocket(url);
  trial.close = () => socket.close(1000);
  let spoke = false;
  socket.onmessage = ({ data }) => {
    spoke = true;
    const message = JSON.parse(data);
    if (message.type === "connected") tell(message.message);
    else if (message.type === "metrics_update") tell(`Update: ${JSON.stringify(message.data)}`);
    else if (message.type === "error") tell(message.error_message, { fault: true });
  };
  socket.onclose = ({ code, reason }) => {
    if (!spoke) return missed(url);
    left(`Closed with ${code}${reason ? `: ${reason}` : ""}.`);
  };
  subscribed(true);
}

$("send").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!service()) return;
  const trialId = `${Date.now()}-${trial.sent.size}`;
  const data = { text: $("text").value, trial: trialId };
  const body = JSON.stringify({ channel: $("channel").value, event: "demo.message", data });
  if (trial.close) trial.sent.set(trialId, performance.now());
  const headers = keyed({ "Content-Type": "application/json" });
  try {
    const answer = await fetch(service().publish, { method: "POST", headers, body });
    const { error, results } = await answer.json();
    if (error) tell(error.message, { fault: true });
    else if (!trial.close) tell(`Published as ${results[0].seq}; nobody here listens.`);
  } catch {
    tell("The control port does not answer.", { fault: true });
  }
});

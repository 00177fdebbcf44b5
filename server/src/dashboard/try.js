// Subscribe as any client does, publish as any service does, and see how long it takes.
const LINES = 50;
const trial = { socket: null, sent: new Map() };

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
  subscribed(trial.socket !== null);
}

function subscribed(is) {
  $("subscribe").textContent = is ? "Leave" : service()?.feed ? "Listen" : "Subscribe";
  $("subscribe").classList.toggle("quiet", is);
  for (const id of ["channel", "token"]) $(id).readOnly = is;
}

$("listen").addEventListener("submit", (event) => {
  event.preventDefault();
  if (trial.socket) return trial.socket.close(1000);
  if (!service()) return;
  const url = new URL(service().url);
  if ($("token").value) url.searchParams.set("token", $("token").value);
  const socket = new WebSocket(url);
  trial.socket = socket;
  let spoke = false;
  socket.onmessage = ({ data }) => {
    spoke = true;
    hear(socket, JSON.parse(data));
  };
  socket.onclose = ({ code, reason }) => {
    trial.socket = null;
    subscribed(false);
    if (spoke) return tell(`Closed with ${code}${reason ? `: ${reason}` : ""}.`);
    const health = url.origin.replace(/^ws/, "http") + "/health";
    const remedy = url.protocol === "wss:" ? ` Does the browser trust ${health}?` : "";
    tell(`No connection to ${url.origin}.${remedy}`, { fault: true });
  };
  subscribed(true);
});

function hear(socket, message) {
  const { type, event, data = {}, room } = message;
  if (event === "session.created") {
    const data = { channel: $("channel").value };
    socket.send(JSON.stringify({ id: "try", type: "request", event: "subscribe", data }));
  } else if (type === "error") {
    tell(message.error_message, { fault: true });
  } else if (type === "connected") {
    tell(message.message);
  } else if (type === "metrics_update") {
    tell(`Update: ${JSON.stringify(data)}`);
  } else if (type === "response") {
    tell(`Subscribed to ${data.channel}, which is at ${data.seq}.`);
  } else {
    const began = trial.sent.get(data.trial);
    trial.sent.delete(data.trial);
    const after = began === undefined ? undefined : performance.now() - began;
    tell(`${room}: ${event} ${data.text ?? JSON.stringify(data)}`, { after });
  }
}

$("send").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!service()) return;
  const trialId = `${Date.now()}-${trial.sent.size}`;
  const data = { text: $("text").value, trial: trialId };
  const body = JSON.stringify({ channel: $("channel").value, event: "demo.message", data });
  if (trial.socket) trial.sent.set(trialId, performance.now());
  const headers = keyed({ "Content-Type": "application/json" });
  try {
    const answer = await fetch(service().publish, { method: "POST", headers, body });
    const { error, results } = await answer.json();
    if (error) tell(error.message, { fault: true });
    else if (!trial.socket) tell(`Published as ${results[0].seq}; nobody here listens.`);
  } catch {
    tell("The control port does not answer.", { fault: true });
  }
});

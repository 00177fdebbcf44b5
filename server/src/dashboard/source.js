// Where the numbers come from: the engine's own WebSocket, and GET /debug/live where that is out of
// reach (a certificate the browser does not trust, a proxy that carries the control port only).
const source = { key: "", socket: null, refused: false, timer: 0 };

/** Headers that carry the API key, if there is one. */
const keyed = (more = {}) => (source.key ? { ...more, "X-API-Key": source.key } : more);

function status(state, text) {
  if ($("status").dataset.state === state && $("status").textContent === text) return;
  $("status").dataset.state = state;
  $("status").textContent = text;
}

/** Asks for everything, then again when it is time. */
async function refresh() {
  clearTimeout(source.timer);
  let wait = 2;
  try {
    const answer = await fetch("/debug/live", { headers: keyed(), cache: "no-store" });
    if (answer.status === 401) return ask();
    const all = await answer.json();
    if (!answer.ok) throw new Error(all.error.message);
    $("ask").hidden = true;
    take(all);
    const off = all.now === null;
    if (!off && !source.socket && !source.refused) listen(all);
    const live = source.socket?.readyState === WebSocket.OPEN;
    if (off) status("off", "metrics are off");
    else if (source.socket) status("wait", "opening a WebSocket");
    else if (!live) status("poll", "polling once a second: no WebSocket from here");
    wait = off || live ? all.again : all.interval;
  } catch (error) {
    status("lost", error instanceof TypeError ? "no answer from the server" : error.message);
  }
  source.timer = setTimeout(refresh, wait * 1000);
}

function listen(all) {
  let socket;
  try {
    socket = new WebSocket(all.socket);
  } catch {
    // A page that came over https may not open ws.
    source.refused = true;
    return;
  }
  source.socket = socket;
  let heard = false;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.event !== "live.status") return;
    heard = true;
    status("live", "live");
    step(message.data);
  };
  socket.onopen = () => refresh();
  socket.onclose = () => {
    source.socket = null;
    // One that never spoke will not the next time either.
    source.refused = !heard;
    refresh();
  };
}

function ask() {
  $("refused").textContent = source.key ? "The server does not know this key." : "";
  $("ask").hidden = false;
  status("wait", "waiting for the key");
  $("key").focus();
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  source.key = $("key").value.trim();
  refresh();
});

refresh();

//! A session as a client has it, and a broadcast to it.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};

use super::{Verifier, secret};
use crate::config::PATH_CHARACTERS;
use crate::diagnostics::check_report::{Finding, Outcome, fail, failure, warn};
use crate::probe_client::Stream;
use crate::settings::value::is_plain;

/// An open session.
pub(super) struct Session {
    socket: WebSocketStream<Box<dyn Stream>>,
    /// The connection's id; None where the protocol is session-buddy's.
    id: Option<String>,
    /// The service's name; None likewise.
    pub(super) service: Option<String>,
    /// Whether the probe was received.
    received: bool,
    /// For each step.
    step_timeout: Duration,
}

/// The code and text of an error message that came instead of a reply, or why the connection ended.
struct Refusal(String);

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        Refusal(error.to_string())
    }
}

impl Refusal {
    fn remedy(&self) -> &'static str {
        let is = |word: &str| self.0.contains(word);
        if is("AUTH_REQUIRED") || is("Authentication required") {
            "Give --token."
        } else if is("AUTH_FAILED") || is("Authentication") || is("401") {
            "Give a --token that the server's keys verify and whose time is not over."
        } else if is("maximum capacity") || is("1013") {
            "Raise max-connections, or find out who holds them: websocket_connections_active."
        } else if is("FORBIDDEN") {
            "Give a --token that permits it, or a --channel that the token permits."
        } else if is("1001") {
            "The server is stopping: start it again."
        } else {
            "Is this a Uringcast server's port for clients? Look at its log."
        }
    }

    fn finding(&self, what: &str) -> Finding {
        failure(format!("{what}: {}", self.0), self.remedy())
    }
}

impl Verifier {
    /// Upgrades and waits for the welcome.
    pub(super) async fn welcome(&self) -> Result<(Session, String), Finding> {
        let stream = self.connector.client().await;
        let stream = stream.map_err(|reason| Refusal(reason).finding("connecting"))?;
        let request = format!("ws://{}/", self.connector.authority()).into_client_request();
        let mut request =
            request.map_err(|error| failure(error.to_string(), "Give another --host."))?;
        if let Some(token) = &self.options.token {
            let bearer = token.read().and_then(|token| {
                format!("Bearer {}", token.expose()).parse().map_err(|_| "it is no text".into())
            });
            let bearer = bearer.map_err(|reason: String| {
                failure(format!("no token: {reason}"), "Give another --token.")
            })?;
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let upgrade = tokio_tungstenite::client_async(request, stream);
        let upgraded = self.connector.with_timeout(upgrade).await;
        let (socket, _) = upgraded.map_err(|reason| Refusal(reason).finding("upgrading"))?;
        let step_timeout = Duration::from_secs(self.options.timeout);
        let mut session =
            Session { socket, id: None, service: None, received: false, step_timeout };
        if self.options.token.is_none() {
            // A server that waits for a token then reports it at once, instead of after 5 s.
            let _ = session.send(&json!({"type": "ping", "id": "verify-ping"})).await;
        }
        let welcomed = session.wait(|message| {
            message["event"] == "session.created" || message["type"] == "connected"
        });
        let welcome = welcomed.await.map_err(|refusal| refusal.finding("no welcome"))?;
        let field = |name: &str| welcome["data"][name].as_str().map(str::to_owned);
        (session.id, session.service) = (field("connection_id"), field("server"));
        let data = if session.id.is_some() { &welcome["data"] } else { &welcome };
        let text = data["message"].as_str().unwrap_or_default();
        let who = if data["authenticated"] == true { "with a token" } else { "anonymous" };
        Ok((session, format!("{text:?}, {who}")))
    }

    /// Subscribes, publishes a probe by whatever way there is, and waits for it; where clients get
    /// updates without a subscription, waits for one.
    pub(super) async fn broadcast(&self, mut session: Session) -> Outcome {
        let Some(id) = session.id.clone() else {
            return session.update().await;
        };
        let channel = self.options.channel.clone().unwrap_or_else(|| format!("verify:{id}"));
        let subscribe = json!({
            "type": "request", "event": "subscribe", "id": "verify-subscribe",
            "data": {"channel": channel},
        });
        let subscribed = session.ask(&subscribe).await;
        subscribed.map_err(|refusal| refusal.finding(&format!("subscribing to {channel}")))?;
        let start = Instant::now();
        let way = match self.publish_over_http(&session, &channel, &id).await {
            Ok(()) => "over HTTP",
            Err(PublishFailure { reason, remedy: Some(remedy) }) => return fail(reason, remedy),
            Err(unpublished) => {
                let publish = json!({
                    "type": "request", "event": "publish", "id": "verify-publish",
                    "data": {"channel": channel, "event": EVENT, "data": {"probe": id}},
                });
                if let Err(refusal) = session.ask(&publish).await {
                    let found = format!(
                        "subscribed; no probe published: over HTTP {}, over the WebSocket {}",
                        unpublished.reason, refusal.0
                    );
                    return warn(found, CANNOT_PUBLISH);
                }
                "over the WebSocket"
            }
        };
        // The probe may have come before the confirmation.
        if !session.received {
            let received = session.wait(|message| is_probe(message, &id)).await;
            let what = format!("published {way} and not received");
            received.map_err(|refusal| refusal.finding(&what))?;
        }
        Ok(format!("published {way}, received after {:.1} ms", start.elapsed().as_secs_f64() * 1e3))
    }

    async fn publish_over_http(
        &self,
        session: &Session,
        channel: &str,
        id: &str,
    ) -> Result<(), PublishFailure> {
        let not = |reason: String| PublishFailure { reason, remedy: None };
        let Some(address) = self.control else {
            return Err(not("the server is elsewhere".into()));
        };
        let key = self.options.api_key_file.as_ref().map(|path| secret("api_key_file", path));
        let key = key.transpose();
        let key = key.map_err(|reason| PublishFailure { reason, remedy: Some(NO_KEY) })?;
        let body = json!({"channel": channel, "event": EVENT, "data": {"probe": id}}).to_string();
        let path = session.publish_path();
        let answer = self.post(address, &path, key.as_ref(), body).await.map_err(not)?;
        if answer.status.is_success() {
            return Ok(());
        }
        let remedy = match answer.status.as_u16() {
            401 | 403 if key.is_some() => Some(NO_KEY),
            404 if answer.body.contains("unknown_service") => Some(WRONG_SERVER),
            _ => None,
        };
        Err(PublishFailure { reason: answer.summary(), remedy })
    }
}

/// Why nothing was published over HTTP.
struct PublishFailure {
    reason: String,
    /// Where that is a fault for itself, whatever other ways there are.
    remedy: Option<&'static str>,
}

const NO_KEY: &str = "Give an --api-key-file that holds a valid key.";
const WRONG_SERVER: &str = "That control port is another server's: give --control-port as this one \
                        prints it when it starts.";

/// The probe's event.
const EVENT: &str = "verify.probe";

/// What is between two updates of session-buddy's protocol.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);

const CANNOT_PUBLISH: &str = "Give --api-key-file and --control-port, on the server's machine, or \
                              a --token that may publish.";

fn is_probe(message: &Value, id: &str) -> bool {
    message["event"] == EVENT && message["data"]["probe"] == id
}

impl Session {
    /// Where the control port takes what is for this service. Of several none has a name that
    /// cannot be a part of a path.
    fn publish_path(&self) -> String {
        match self.service.as_deref().filter(|name| is_plain(name, PATH_CHARACTERS)) {
            Some(name) => format!("/v1/services/{name}/publish"),
            None => "/v1/publish".into(),
        }
    }

    /// Waits for the update that session-buddy's protocol sends to every client once a second.
    async fn update(&mut self) -> Outcome {
        let start = Instant::now();
        self.step_timeout += UPDATE_INTERVAL;
        let update = self.wait(|message| message["type"] == "metrics_update").await;
        update.map_err(|refusal| refusal.finding("no metrics_update"))?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(format!("session-buddy's own protocol: an update after {ms:.0} ms"))
    }

    async fn send(&mut self, message: &Value) -> Result<(), tungstenite::Error> {
        self.socket.send(Message::text(message.to_string())).await
    }

    /// Sends a request and waits for the reply.
    async fn ask(&mut self, request: &Value) -> Result<(), Refusal> {
        self.send(request).await?;
        self.wait(|message| message["correlation_id"] == request["id"]).await.map(drop)
    }

    /// Reads until a message is the one that `wanted` describes, an error comes, or the time is
    /// over.
    async fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value, Refusal> {
        match timeout(self.step_timeout, self.read_until(wanted)).await {
            Ok(result) => result,
            Err(_) => Err(Refusal("it did not come in time".into())),
        }
    }

    async fn read_until(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value, Refusal> {
        loop {
            let message: Value = match self.socket.next().await {
                Some(Ok(Message::Close(frame))) => return Err(Refusal(closed(frame))),
                Some(Ok(Message::Text(text))) => serde_json::from_str(&text)?,
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Refusal("the connection ended".into())),
            };
            if message["type"] == "error" {
                let field = |name: &str| message[name].as_str().unwrap_or_default();
                let (code, text) = (field("error_code"), field("error_message"));
                return Err(Refusal(format!("{code} {text:?}")));
            }
            self.received |= self.id.as_ref().is_some_and(|id| is_probe(&message, id));
            if wanted(&message) {
                return Ok(message);
            }
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) => format!("closed with {} {:?}", u16::from(frame.code), frame.reason.as_str()),
        None => "closed without a reason".into(),
    }
}

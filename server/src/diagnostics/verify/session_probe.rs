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

use super::{PortLocation, Verifier, secret};
use crate::config::is_plain;
use crate::diagnostics::check_report::{Finding, Outcome, fail, warn};
use crate::probe_client::Stream;

/// An open session.
pub(super) struct Session {
    socket: WebSocketStream<Box<dyn Stream>>,
    /// The connection's id; None where the protocol is session-buddy's.
    id: Option<String>,
    /// The service's name; None likewise.
    pub(super) service: Option<String>,
    /// For each step.
    step_timeout: Duration,
}

/// What the server said instead of what was asked for.
enum SessionError {
    /// An error message's code and text.
    Error(String, String),
    /// It closed, or the connection failed.
    Gone(String),
}

impl SessionError {
    fn told(&self) -> String {
        match self {
            SessionError::Error(code, text) => format!("{code} {text:?}"),
            SessionError::Gone(reason) => reason.clone(),
        }
    }

    fn remedy(&self) -> &'static str {
        let told = self.told();
        let is = |word: &str| told.contains(word);
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

    fn fails<T>(&self, what: &str) -> Result<T, Finding> {
        fail(format!("{what}: {}", self.told()), self.remedy())
    }
}

impl Verifier {
    /// Upgrades and waits for the welcome.
    pub(super) async fn welcome(&self) -> Result<(Session, String), Finding> {
        let stream = match self.dial.client().await {
            Ok(stream) => stream,
            Err(reason) => return SessionError::Gone(reason).fails("connecting"),
        };
        let url = format!("ws://{}/", self.dial.authority());
        let mut request = match url.into_client_request() {
            Ok(request) => request,
            Err(error) => return fail(error.to_string(), "Give another --host."),
        };
        if let Some(token) = &self.options.token {
            let bearer = token.read().and_then(|token| {
                format!("Bearer {}", token.expose()).parse().map_err(|_| "it is no text".into())
            });
            let bearer = match bearer {
                Ok(bearer) => bearer,
                Err(reason) => return fail(format!("no token: {reason}"), "Give another --token."),
            };
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let upgrade = tokio_tungstenite::client_async(request, stream);
        let socket = match self.dial.within(upgrade).await {
            Ok((socket, _)) => socket,
            Err(reason) => return SessionError::Gone(reason).fails("upgrading"),
        };
        let step_timeout = Duration::from_secs(self.options.timeout);
        let mut session = Session { socket, id: None, service: None, step_timeout };
        if self.options.token.is_none() {
            // A server that waits for a token says so at once, instead of after 5 s.
            let _ = session.say(&json!({"type": "ping", "id": "verify-ping"})).await;
        }
        let welcomed = session.wait(|message| {
            (message["event"] == "session.created" || message["type"] == "connected")
                .then(|| message.clone())
        });
        let welcome = match welcomed.await {
            Ok(welcome) => welcome,
            Err(refusal) => return refusal.fails("no welcome"),
        };
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
        if let Err(refusal) = session.ask(&subscribe).await {
            return refusal.fails(&format!("subscribing to {channel}"));
        }
        let start = Instant::now();
        let (way, unheard) = match self.publish_over_http(&session, &channel, &id).await {
            Ok(way) => (way, None),
            Err(PublishFailure { reason, remedy: Some(remedy) }) => return fail(reason, remedy),
            Err(unpublished) => {
                let publish = json!({
                    "type": "request", "event": "publish", "id": "verify-publish",
                    "data": {"channel": channel, "event": EVENT, "data": {"probe": id}},
                });
                match session.publish(&publish, &id).await {
                    Ok(heard) => ("over the WebSocket", heard),
                    Err(refusal) => {
                        let found = format!(
                            "subscribed; no probe published: over HTTP {}, over the WebSocket {}",
                            unpublished.reason,
                            refusal.told()
                        );
                        return warn(found, CANNOT_PUBLISH);
                    }
                }
            }
        };
        let received = match unheard {
            Some(()) => Ok(()),
            None => session.wait(|message| is_probe(message, &id).then_some(())).await,
        };
        let ms = start.elapsed().as_secs_f64() * 1e3;
        match received {
            Ok(()) => Ok(format!("published {way}, received after {ms:.1} ms")),
            Err(refusal) => refusal.fails(&format!("published {way} and not received")),
        }
    }

    async fn publish_over_http(
        &self,
        session: &Session,
        channel: &str,
        id: &str,
    ) -> Result<&'static str, PublishFailure> {
        let not = |reason: String| PublishFailure { reason, remedy: None };
        let PortLocation::At(address) = self.control else {
            return Err(not("the server is elsewhere".into()));
        };
        let key = match &self.options.api_key_file {
            Some(path) => Some(
                secret("api_key_file", path)
                    .map_err(|reason| PublishFailure { reason, remedy: Some(NO_KEY) })?,
            ),
            None => None,
        };
        let body = json!({"channel": channel, "event": EVENT, "data": {"probe": id}}).to_string();
        let path = session.publish_path();
        let answer = self.post(address, &path, key.as_ref(), body).await.map_err(not)?;
        if answer.status.is_success() {
            return Ok("over HTTP");
        }
        let remedy = match answer.status.as_u16() {
            401 | 403 if key.is_some() => Some(NO_KEY),
            404 if answer.body.contains("unknown_service") => Some(ANOTHERS),
            _ => None,
        };
        Err(PublishFailure { reason: answer.told(), remedy })
    }
}

/// Why nothing was published over HTTP.
struct PublishFailure {
    reason: String,
    /// Where that is a fault for itself, whatever other ways there are.
    remedy: Option<&'static str>,
}

const NO_KEY: &str = "Give an --api-key-file that holds a valid key.";
const ANOTHERS: &str = "That control port is another server's: give --control-port as this one \
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
    /// cannot stand in a path.
    fn publish_path(&self) -> String {
        match self.service.as_deref().filter(|name| is_plain(name)) {
            Some(name) => format!("/v1/services/{name}/publish"),
            None => "/v1/publish".into(),
        }
    }

    /// Waits for what session-buddy's protocol tells every client once a second.
    async fn update(&mut self) -> Outcome {
        let start = Instant::now();
        let told = |message: &Value| (message["type"] == "metrics_update").then_some(());
        self.step_timeout += UPDATE_INTERVAL;
        match self.wait(told).await {
            Ok(()) => {
                let ms = start.elapsed().as_secs_f64() * 1e3;
                Ok(format!("session-buddy's own protocol: an update after {ms:.0} ms"))
            }
            Err(refusal) => refusal.fails("no metrics_update"),
        }
    }

    async fn say(&mut self, message: &Value) -> Result<(), tungstenite::Error> {
        self.socket.send(Message::text(message.to_string())).await
    }

    /// Asks and waits for the reply.
    async fn ask(&mut self, request: &Value) -> Result<(), SessionError> {
        self.say(request).await.map_err(|error| SessionError::Gone(error.to_string()))?;
        let replied = |message: &Value| message["correlation_id"] == request["id"];
        self.wait(|message| replied(message).then_some(())).await
    }

    /// Publishes; returns whether the probe came before the confirmation.
    async fn publish(&mut self, request: &Value, id: &str) -> Result<Option<()>, SessionError> {
        self.say(request).await.map_err(|error| SessionError::Gone(error.to_string()))?;
        let mut heard = None;
        self.wait(|message| {
            heard = heard.or(is_probe(message, id).then_some(()));
            (message["correlation_id"] == request["id"]).then_some(())
        })
        .await?;
        Ok(heard)
    }

    /// Reads until `found` finds what it looks for, an error comes, or the time is over.
    async fn wait<T>(&mut self, found: impl FnMut(&Value) -> Option<T>) -> Result<T, SessionError> {
        match timeout(self.step_timeout, self.read_until(found)).await {
            Ok(result) => result,
            Err(_) => Err(SessionError::Gone("it did not come in time".into())),
        }
    }

    async fn read_until<T>(
        &mut self,
        mut found: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T, SessionError> {
        loop {
            let message = match self.socket.next().await {
                Some(Ok(Message::Close(frame))) => return Err(SessionError::Gone(closed(frame))),
                Some(Ok(Message::Text(text))) => serde_json::from_str(&text),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(SessionError::Gone(error.to_string())),
                None => return Err(SessionError::Gone("the connection ended".into())),
            };
            let message: Value = message.map_err(|error| SessionError::Gone(error.to_string()))?;
            if message["type"] == "error" {
                let field = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
                return Err(SessionError::Error(field("error_code"), field("error_message")));
            }
            if let Some(found) = found(&message) {
                return Ok(found);
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

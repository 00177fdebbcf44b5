//! A session over WebSocket as a client has it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::connect::ServerConnector;
use super::refusal::Refusal;
use crate::diagnostics::check_report::{Finding, failure};
use crate::limits::CLOSE_PATIENCE;
use crate::probe_client::Stream;
use crate::settings::value::Secret;

/// An open session.
pub(crate) struct Session {
    socket: WebSocketStream<Box<dyn Stream>>,
    /// For each step.
    pub(crate) step_timeout: Duration,
}

/// A request. Which of its two ids the reply repeats is a setting of the server (`correlation`).
#[derive(Serialize)]
struct Request<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    event: &'a str,
    id: &'a str,
    correlation_id: &'a str,
    data: &'a T,
}

/// A message as it came, and what it says.
pub(crate) struct Received {
    pub(crate) text: Utf8Bytes,
    pub(crate) json: Value,
}

impl Session {
    /// Upgrades at `path`, with a token if there is one, and waits for the welcome.
    ///
    /// # Errors
    /// A finding with the reason and the remedy.
    pub(crate) async fn open(
        connector: &ServerConnector,
        path: &str,
        token: Option<&Secret>,
    ) -> Result<(Session, Value), Finding> {
        let stream = connector.connected().await?;
        let request = format!("ws://{}{path}", connector.authority()).into_client_request();
        let mut request =
            request.map_err(|error| failure(error.to_string(), "Give another host or path."))?;
        if let Some(token) = token {
            let bearer = format!("Bearer {}", token.expose()).parse();
            let bearer = bearer.map_err(|_| failure("no token: it is no text", "Give another."))?;
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let upgrade = tokio_tungstenite::client_async(request, stream);
        let upgraded = connector.with_timeout(upgrade).await;
        let (socket, _) = upgraded.map_err(|reason| connector.explain("upgrading", reason))?;
        let mut session = Session { socket, step_timeout: connector.step_timeout() };
        if token.is_none() {
            // A server that waits for a token then reports it at once, instead of after 5 s.
            let ping = json!({"type": "ping", "id": "first-ping"}).to_string();
            let _ = session.socket.send(Message::text(ping)).await;
        }
        let is_welcome = |one: &Received| {
            one.json["event"] == "session.created" || one.json["type"] == "connected"
        };
        match session.wait(is_welcome).await {
            Ok(welcome) => Ok((session, welcome.json)),
            Err(refusal) => {
                session.close().await;
                Err(refusal.finding("no welcome"))
            }
        }
    }

    /// Sends a request with this id and waits for the reply. What comes before it is shown to
    /// `seen`.
    pub(crate) async fn ask(
        &mut self,
        id: &str,
        event: &str,
        data: &impl Serialize,
        mut seen: impl FnMut(&Received),
    ) -> Result<Value, Refusal> {
        let request = Request { kind: "request", event, id, correlation_id: id, data };
        self.socket.send(Message::text(serde_json::to_string(&request)?)).await?;
        let reply = self.wait(|message| {
            let is_reply = message.json["correlation_id"] == id;
            if !is_reply {
                seen(message);
            }
            is_reply
        });
        Ok(reply.await?.json)
    }

    /// Reads until a message is the one that `wanted` describes, an error comes, or the time is
    /// over.
    pub(crate) async fn wait(
        &mut self,
        wanted: impl FnMut(&Received) -> bool,
    ) -> Result<Received, Refusal> {
        match timeout(self.step_timeout, self.read_until(wanted)).await {
            Ok(result) => result,
            Err(_) => Err(Refusal("it did not come in time".into())),
        }
    }

    async fn read_until(
        &mut self,
        mut wanted: impl FnMut(&Received) -> bool,
    ) -> Result<Received, Refusal> {
        loop {
            let message = self.next().await?;
            if wanted(&message) {
                return Ok(message);
            }
        }
    }

    /// The next message that is no error. Can be dropped and called again: nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Received, Refusal> {
        let text = loop {
            match self.socket.next().await {
                Some(Ok(Message::Close(frame))) => return Err(Refusal(closed(frame))),
                Some(Ok(Message::Text(text))) => break text,
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Refusal("the connection ended".into())),
            }
        };
        let json: Value = serde_json::from_str(&text)?;
        if json["type"] == "error" {
            let field = |name: &str| json[name].as_str().unwrap_or_default();
            let (code, text) = (field("error_code"), field("error_message"));
            return Err(Refusal(format!("{code} {text:?}")));
        }
        Ok(Received { text, json })
    }

    /// Ends the session with a closing handshake: a server counts a connection that ends without
    /// one as `reset`.
    pub(crate) async fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // A server that does not answer is left.
        let _ = timeout(CLOSE_PATIENCE, async {
            // The server may have begun to close: then the answer to it is sent.
            let _ = self.socket.close(Some(frame)).await;
            while let Some(Ok(_)) = self.socket.next().await {}
        })
        .await;
    }
}

fn closed(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) => format!("closed with {} {:?}", u16::from(frame.code), frame.reason.as_str()),
        None => "closed without a reason".into(),
    }
}

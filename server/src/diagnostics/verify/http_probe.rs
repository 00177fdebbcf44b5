//! The HTTP client of `verify`, with one request a connection, and the checks that need no more.

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use hyper::client::conn::http1;
use hyper::http::request::Builder;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;

use super::Verifier;
use crate::diagnostics::check_report::{Outcome, fail, note, warn};
use crate::limits::MAX_VERIFY_ANSWER;
use crate::probe_client::Stream;
use crate::settings::value::Secret;

/// An answer: its status, and its body as text.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Answer {
    /// Status and body on one short line.
    pub(super) fn summary(&self) -> String {
        let line = self.body.lines().next().unwrap_or_default();
        let line: String = line.chars().filter(|c| !c.is_control()).take(120).collect();
        format!("{} {line}", self.status.as_u16()).trim_end().to_owned()
    }
}

/// Sends a request and reads its answer.
async fn exchange(stream: Box<dyn Stream>, request: Request<Body>) -> Result<Answer, String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(text)?;
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), MAX_VERIFY_ANSWER).await;
    connection.abort();
    let body = body.map_err(|error| error.to_string())?;
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

const NOT_READY: &str = "A server that starts gets ready, and one that drains goes, by itself; \
                         else its log says which shard does not serve.";

impl Verifier {
    /// Sends a request to the host that `stream` leads to, and reads its answer.
    async fn send(
        &self,
        stream: Box<dyn Stream>,
        host: String,
        request: Builder,
        body: String,
    ) -> Result<Answer, String> {
        let request = request
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Body::from(body))
            .expect("parts that we made, and a checked key");
        self.connector.with_timeout(exchange(stream, request)).await
    }

    /// GETs a path of a plain port.
    pub(super) async fn get(&self, address: SocketAddr, path: &str) -> Result<Answer, String> {
        let stream = Box::new(self.connector.connect(address).await?);
        self.send(stream, address.to_string(), Request::get(path), String::new()).await
    }

    /// POSTs JSON to a path of a plain port.
    pub(super) async fn post(
        &self,
        address: SocketAddr,
        path: &str,
        key: Option<&Secret>,
        body: String,
    ) -> Result<Answer, String> {
        let stream = Box::new(self.connector.connect(address).await?);
        let mut request = Request::post(path);
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        self.send(stream, address.to_string(), request, body).await
    }

    /// GETs a path of the clients' port.
    async fn client_get(&self, path: &str) -> Result<Answer, String> {
        let stream = self.connector.client().await?;
        self.send(stream, self.connector.authority(), Request::get(path), String::new()).await
    }

    pub(super) async fn health(&self) -> Outcome {
        match self.client_get("/health").await {
            Ok(answer) if answer.status.is_success() => Ok(answer.summary()),
            Ok(answer) => fail(
                format!("GET /health: {}", answer.summary()),
                "Is this a Uringcast server's port for clients? Look at its log.",
            ),
            Err(reason) => fail(
                format!("GET /health: {reason}"),
                "Give --tls if the port is wss; else look at what listens there.",
            ),
        }
    }

    /// Both ports report readiness, and the control port includes the canaries. `connected`: the
    /// clients' port accepts connections.
    pub(super) async fn ready(&self, connected: bool) -> Outcome {
        let mut answers = Vec::new();
        if let Some(address) = self.control
            && let Ok(answer) = self.get(address, "/ready").await
        {
            answers.push(("control", Ok(answer)));
        }
        if connected {
            answers.push(("clients'", self.client_get("/ready").await));
        }
        let mut said = None;
        for (port, answer) in answers {
            let (ready, summary) = match answer {
                Ok(answer) => (answer.status.is_success(), answer.summary()),
                Err(reason) => (false, reason),
            };
            if !ready {
                return fail(format!("GET /ready on the {port} port: {summary}"), NOT_READY);
            }
            said = Some(summary);
        }
        said.map_or_else(|| note("not checked: no connection", ""), Ok)
    }

    pub(super) async fn control_answers(&self) -> Outcome {
        let Some(address) = self.control else {
            return note(
                "not checked: the server is elsewhere",
                "Run verify on its machine, or give --control-port.",
            );
        };
        let remedy = "Give --control-port as the server prints it when it starts; without it \
                      nobody publishes over HTTP.";
        match self.get(address, "/health").await {
            Ok(answer) if answer.status.is_success() && answer.body.contains("\"ok\"") => {
                Ok(format!("http://{address}"))
            }
            Ok(answer) => {
                fail(format!("{address} is something else's: {}", answer.summary()), remedy)
            }
            Err(reason) => warn(format!("{address}: {reason}"), remedy),
        }
    }
}

//! The HTTP that `verify` speaks: one request a connection, and the checks that are no more.

use std::net::SocketAddr;

use axum::body::{Body, Bytes, to_bytes};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::dial::{Stream, connect, late};
use super::{Place, Verifier};
use crate::limits::{MAX_VERIFY_ANSWER, VERIFY_TIMEOUT};
use crate::report::{Outcome, fail, note, warn};
use crate::settings::value::Secret;

/// An answer: its status, and its body as text.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Answer {
    /// Status and body on one short line.
    pub(super) fn told(&self) -> String {
        let line = self.body.lines().next().unwrap_or_default();
        let line: String = line.chars().filter(|c| !c.is_control()).take(120).collect();
        format!("{} {line}", self.status.as_u16()).trim_end().to_owned()
    }
}

/// GETs a path of a plain port.
pub(super) async fn get(address: SocketAddr, path: &str) -> Result<Answer, String> {
    let stream = Box::new(connect(address).await?);
    exchange(stream, request("GET", &address.to_string(), path, None, String::new())).await
}

/// POSTs JSON to a path of a plain port.
pub(super) async fn post(
    address: SocketAddr,
    path: &str,
    key: Option<&Secret>,
    body: String,
) -> Result<Answer, String> {
    let stream = Box::new(connect(address).await?);
    exchange(stream, request("POST", &address.to_string(), path, key, body)).await
}

fn request(
    method: &str,
    host: &str,
    path: &str,
    key: Option<&Secret>,
    body: String,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close");
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose()));
    }
    request.body(Body::from(Bytes::from(body))).expect("parts that we made, and a checked key")
}

/// Sends a request and reads its answer.
async fn exchange(stream: Box<dyn Stream>, request: Request<Body>) -> Result<Answer, String> {
    let exchange = async {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), MAX_VERIFY_ANSWER).await;
        connection.abort();
        let body = body.map_err(|error| error.to_string())?;
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    };
    timeout(VERIFY_TIMEOUT, exchange).await.unwrap_or_else(|_| Err(late()))
}

impl Verifier {
    /// GETs a path of the clients' port.
    async fn client_get(&self, path: &str) -> Result<Answer, String> {
        let stream = self.dial.client().await?;
        exchange(stream, request("GET", &self.dial.authority(), path, None, String::new())).await
    }

    pub(super) async fn health(&self) -> Outcome {
        match self.client_get("/health").await {
            Ok(answer) if answer.status.is_success() => Ok(answer.told()),
            Ok(answer) => fail(
                format!("GET /health: {}", answer.told()),
                "Is this a Uringcast server's port for clients? Look at its log.",
            ),
            Err(reason) => fail(
                format!("GET /health: {reason}"),
                "Give --tls if the port is wss; else look at what listens there.",
            ),
        }
    }

    /// Both say it: the control port also hears the canaries.
    pub(super) async fn ready(&self) -> Outcome {
        let remedy = "A server that starts or drains becomes ready, or goes, by itself; else its \
                      log says which shard does not serve.";
        let mut said = Vec::new();
        let clients = self.client_get("/ready").await;
        let control = match self.control() {
            Place::At(address) => get(address, "/ready").await.ok(),
            Place::Elsewhere => None,
        };
        for (port, answer) in [("clients", Some(clients)), ("control", control.map(Ok))] {
            match answer {
                Some(Ok(answer)) if answer.status.is_success() => said.push(answer.told()),
                Some(Ok(answer)) => {
                    return fail(format!("{port} port, GET /ready: {}", answer.told()), remedy);
                }
                Some(Err(reason)) => {
                    return fail(format!("{port} port, GET /ready: {reason}"), remedy);
                }
                None => {}
            }
        }
        Ok(said.swap_remove(0))
    }

    pub(super) async fn control_answers(&self) -> Outcome {
        let Place::At(address) = self.control() else {
            return note(
                "not checked: the server is elsewhere",
                "Run verify on its machine, or give --control-port.",
            );
        };
        let remedy = "Give --control-port as the server prints it when it starts; without it \
                      nobody publishes over HTTP.";
        match get(address, "/health").await {
            Ok(answer) if answer.status.is_success() && answer.body.contains("\"ok\"") => {
                Ok(format!("http://{address}"))
            }
            Ok(answer) => fail(format!("{address} is something else's: {}", answer.told()), remedy),
            Err(reason) => warn(format!("{address}: {reason}"), remedy),
        }
    }
}

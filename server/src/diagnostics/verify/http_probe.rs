//! The requests of `verify` over HTTP, and the checks that need no more.

use std::net::SocketAddr;

use axum::body::Body;
use hyper::http::request::Builder;
use hyper::{Request, header};

use super::Verifier;
use crate::diagnostics::check_report::{Outcome, fail, note, warn};
use crate::diagnostics::client::http_exchange::{Answer, exchange, head};
use crate::probe_client::Stream;
use crate::settings::value::Secret;

const NOT_READY: &str = "A server that starts gets ready, and one that drains goes, by itself; \
                         else its log says which shard does not serve.";

impl Verifier {
    /// Sends a request to the host that `stream` leads to, and reads its answer.
    async fn send(
        &self,
        stream: Box<dyn Stream>,
        host: String,
        request: Builder,
        key: Option<&Secret>,
        body: String,
    ) -> Result<Answer, String> {
        let request = head(request, &host, key)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .expect("parts that we made, and a checked key");
        self.connector.with_timeout(exchange(stream, request)).await
    }

    /// GETs a path of a plain port.
    pub(super) async fn get(&self, address: SocketAddr, path: &str) -> Result<Answer, String> {
        let stream = Box::new(self.connector.connect(address).await?);
        self.send(stream, address.to_string(), Request::get(path), None, String::new()).await
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
        self.send(stream, address.to_string(), Request::post(path), key, body).await
    }

    /// GETs a path of the clients' port.
    async fn client_get(&self, path: &str) -> Result<Answer, String> {
        let stream = self.connector.client().await?;
        self.send(stream, self.connector.authority(), Request::get(path), None, String::new()).await
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

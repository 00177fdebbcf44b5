//! One HTTP request on a connection of its own.

use axum::body::{Body, to_bytes};
use hyper::client::conn::http1;
use hyper::http::request::Builder;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::connect::read_out;
use crate::limits::{CLOSE_PATIENCE, MAX_VERIFY_ANSWER};
use crate::probe_client::Stream;
use crate::settings::value::Secret;

/// An answer: its status, and its body as text.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Answer {
    /// Status and body on one short line.
    pub(crate) fn summary(&self) -> String {
        let line = self.body.lines().next().unwrap_or_default();
        let line: String = line.chars().filter(|c| !c.is_control()).take(120).collect();
        format!("{} {line}", self.status.as_u16()).trim_end().to_owned()
    }
}

/// The head of a request to `host` on a connection of its own, with an API key if there is one.
pub(crate) fn head(request: Builder, host: &str, key: Option<&Secret>) -> Builder {
    let request = request.header(header::HOST, host).header(header::CONNECTION, "close");
    match key {
        Some(key) => request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose())),
        None => request,
    }
}

/// Sends a request with `Connection: close`, and reads its answer and the end of the connection.
pub(crate) async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Body>,
) -> Result<Answer, String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let connection = tokio::spawn(connection.without_shutdown());
    let answer = sender.send_request(request).await.map_err(text)?;
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), MAX_VERIFY_ANSWER).await;
    let body = body.map_err(|error| error.to_string())?;
    drop(sender);
    // A server that does not end the connection has answered all the same.
    let _ = timeout(CLOSE_PATIENCE, async {
        if let Ok(Ok(parts)) = connection.await {
            read_out(&mut *parts.io.into_inner()).await;
        }
    })
    .await;
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

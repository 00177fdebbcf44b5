//! `pub`: publishes a message, or one for each line of standard input.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use clap::Parser;
use futures_util::stream;
use hyper::{Request, header};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::connection_flags::{KeyFlag, TokenFlags, TrustFlags};
use super::endpoint::{Endpoint, Way};
use super::stdin_lines::{self, Line, read_lines};
use super::{Failure, print};
use crate::diagnostics::client::connect::ServerConnector;
use crate::diagnostics::client::http_exchange::{Answer, exchange, head};
use crate::diagnostics::client::refusal::Refusal;
use crate::diagnostics::client::session::Session;
use crate::settings::value::Secret;

/// The flags of `pub`.
#[derive(Clone, Debug, Parser)]
#[command(name = "uringcast-server pub", version, max_term_width = 100)]
#[command(about = "Publishes a message, over HTTP or as a client, and prints the answer")]
#[command(after_help = "\
A URL of the control port may have a path: /v1/services/NAME/publish of one service of several.
Exit code: 0 published; 1 no room now, or the connection ended; 2 refused.")]
pub struct PubOptions {
    /// The control port, http://HOST:PORT, or the clients' port, ws://HOST:PORT
    #[arg(value_name = "URL")]
    url: String,
    /// What to publish to
    #[arg(value_name = "CHANNEL")]
    channel: String,
    /// The event's name
    #[arg(value_name = "EVENT")]
    event: String,
    /// The message: a JSON object, or "-" for standard input
    #[arg(value_name = "DATA", required_unless_present = "lines")]
    data: Option<String>,
    /// Publish each line of standard input, a JSON object, as a message
    #[arg(long)]
    lines: bool,
    /// What the message is the newest state of: later ones with this key replace it for clients
    /// that are behind (class with slow = latest)
    #[arg(long = "key", value_name = "KEY")]
    message_key: Option<String>,
    #[command(flatten)]
    key: KeyFlag,
    #[command(flatten)]
    token: TokenFlags,
    #[command(flatten)]
    trust: TrustFlags,
}

/// A message as both ways take it.
#[derive(Serialize)]
struct Publication<'a> {
    channel: &'a str,
    event: &'a str,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// Publishes, and prints what the server answers.
pub(super) async fn run(options: PubOptions) -> Result<i32, Failure> {
    let endpoint = Endpoint::parse(&options.url, &[Way::WebSocket, Way::Http])?;
    let given = options.data.as_deref().filter(|data| *data != "-");
    if options.lines && given.is_some() {
        return Err(Failure::new("DATA: goes not with --lines", "Leave it out."));
    }
    let bad =
        |reason| Failure::new(format!("DATA: {reason}"), "Give an object such as '{\"n\":1}'.");
    let data = match (options.lines, given) {
        (true, _) => None,
        (false, Some(data)) => Some(stdin_lines::parse(data.as_bytes()).map_err(bad)?),
        (false, None) => Some(stdin_lines::read_all().map_err(bad)?),
    };
    match endpoint.way {
        Way::Http => {
            if options.token.is_given() {
                let remedy = "Give --api-key-file, or the ws:// URL of the clients' port.";
                return Err(Failure::new("--token: is for clients, not for http", remedy));
            }
            options.over_http(&endpoint, data.as_deref()).await
        }
        Way::WebSocket => {
            if options.key.is_given() {
                let remedy = "Give --token, or the http:// URL of the control port.";
                return Err(Failure::new("--api-key-file: is for http", remedy));
            }
            let mut session = options.token.session(&endpoint, &options.trust).await?;
            let ended = options.over_websocket(&mut session, data.as_deref()).await;
            session.close().await;
            ended
        }
    }
}

impl PubOptions {
    fn publication<'a>(&'a self, data: &'a RawValue) -> Publication<'a> {
        let key = self.message_key.as_deref();
        Publication { channel: &self.channel, event: &self.event, data, key }
    }

    async fn over_http(
        &self,
        endpoint: &Endpoint,
        data: Option<&RawValue>,
    ) -> Result<i32, Failure> {
        let key = self.key.read()?;
        let connector = endpoint.open(self.trust.trust()).await?;
        if let Some(data) = data {
            let body = text(&self.publication(data));
            let request =
                request(endpoint, &connector, key.as_ref(), "application/json", body.into());
            let stream = connector.connected().await?;
            let answer = connector.with_timeout(exchange(stream, request)).await;
            return finish(answer.map_err(unconnected)?);
        }
        let (fault_sender, mut faults) = mpsc::channel(1);
        let publications = (self.clone(), read_lines(), fault_sender);
        let body = stream::unfold(publications, |(options, mut lines, faults)| async move {
            let data: Box<RawValue> = match lines.recv().await? {
                Ok(data) => data,
                Err(reason) => {
                    // The stream ends before it; there is room for the only one.
                    let _ = faults.try_send(reason);
                    return None;
                }
            };
            let line = text(&options.publication(&data)) + "\n";
            Some((Ok::<_, Infallible>(Bytes::from(line)), (options, lines, faults)))
        });
        let body = Body::from_stream(body);
        let request = request(endpoint, &connector, key.as_ref(), "application/x-ndjson", body);
        let stream = connector.connected().await?;
        // It takes as long as there are lines.
        let answer = exchange(stream, request).await.map_err(unconnected)?;
        let ended = finish(answer)?;
        match faults.try_recv() {
            Ok(reason) => Err(Failure::new(reason, BAD_LINE)),
            Err(_) => Ok(ended),
        }
    }

    async fn over_websocket(
        &self,
        session: &mut Session,
        data: Option<&RawValue>,
    ) -> Result<i32, Failure> {
        if let Some(data) = data {
            return self.ask(session, data).await;
        }
        let mut lines = read_lines();
        loop {
            // Pings are answered while no line comes.
            let line: Option<Line> = tokio::select! {
                line = lines.recv() => line,
                message = session.next() => match message {
                    Ok(_) => continue,
                    Err(Refusal(reason)) => {
                        return Err(Failure::not_now(reason, "Send the rest again."));
                    }
                },
            };
            match line {
                None => return Ok(0),
                Some(Ok(data)) => self.ask(session, &data).await?,
                Some(Err(reason)) => return Err(Failure::new(reason, BAD_LINE)),
            };
        }
    }

    async fn ask(&self, session: &mut Session, data: &RawValue) -> Result<i32, Failure> {
        match session.ask("pub", "publish", &self.publication(data), |_| {}).await {
            Ok(reply) => {
                print(&format!("{}\n", reply["data"]));
                Ok(0)
            }
            Err(refusal) if refusal.is_for_now() => {
                Err(Failure::not_now(format!("publishing: {}", refusal.0), refusal.remedy()))
            }
            Err(refusal) if refusal.0.starts_with("FORBIDDEN") => Err(Failure::new(
                format!("publishing: {}", refusal.0),
                "Give a --token that permits it, or the http:// URL of the control port.",
            )),
            Err(refusal) => Err(refusal.finding("publishing").into()),
        }
    }
}

const BAD_LINE: &str = "What stands before it was published; send the rest again.";

/// As JSON; the data as it was written.
fn text(publication: &Publication) -> String {
    serde_json::to_string(publication).expect("texts and JSON")
}

fn unconnected(reason: String) -> Failure {
    Failure::not_now(reason, "Look at the server's log.")
}

fn request(
    endpoint: &Endpoint,
    connector: &ServerConnector,
    key: Option<&Secret>,
    media: &str,
    body: Body,
) -> Request<Body> {
    let path = if endpoint.path == "/" { "/v1/publish" } else { &endpoint.path };
    let request = head(Request::post(path), &connector.authority(), key);
    let request = request.header(header::CONTENT_TYPE, media);
    request.body(body).expect("a path that was parsed, and headers that we made")
}

/// Prints an answer that is good, or says what is wrong.
fn finish(answer: Answer) -> Result<i32, Failure> {
    if answer.status.is_success() {
        print(&format!("{}\n", answer.body.trim_end()));
        return Ok(0);
    }
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let message = body["error"]["message"].as_str();
    let status = answer.status.as_u16();
    let reason = message.map_or_else(|| answer.summary(), |text| format!("{status} {text}"));
    let reason = format!("publishing: {}", reason.trim_end_matches('.'));
    Err(match status {
        401 => Failure::new(reason, "Give --api-key-file."),
        403 => Failure::new(reason, "Give an --api-key-file with a key that is for it."),
        404 | 405 => {
            let remedy = "Give the control port's URL; of one service of several with the path \
                          /v1/services/NAME/publish.";
            Failure::new(reason, remedy)
        }
        503 => Failure::not_now(reason, "Try again later."),
        507 => Failure::not_now(reason, "Raise shard-channels, or use fewer names."),
        _ => Failure::new(reason, "Mend the message: docs/API.md has the rules."),
    })
}

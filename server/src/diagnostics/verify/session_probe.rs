//! A session as a client has it, and a broadcast to it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Verifier;
use crate::config::PATH_CHARACTERS;
use crate::diagnostics::check_report::{Finding, Outcome, fail, failure, warn};
use crate::diagnostics::client::credentials::secret;
use crate::diagnostics::client::session::{Received, Session};
use crate::settings::value::is_plain;

/// An open session, and what its welcome said.
pub(super) struct WelcomedSession {
    session: Session,
    /// The connection's id; None where the protocol is session-buddy's.
    id: Option<String>,
    /// The service's name; None likewise.
    pub(super) service: Option<String>,
}

impl Verifier {
    /// Upgrades and waits for the welcome.
    pub(super) async fn welcome(&self) -> Result<(WelcomedSession, String), Finding> {
        let token = self.options.token.as_ref().map(|token| token.read()).transpose();
        let token = token
            .map_err(|reason| failure(format!("no token: {reason}"), "Give another --token."))?;
        let (session, welcome) = Session::open(&self.connector, "/", token.as_ref()).await?;
        let field = |name: &str| welcome["data"][name].as_str().map(str::to_owned);
        let (id, service) = (field("connection_id"), field("server"));
        let data = if id.is_some() { &welcome["data"] } else { &welcome };
        let text = data["message"].as_str().unwrap_or_default();
        let who = if data["authenticated"] == true { "with a token" } else { "anonymous" };
        Ok((WelcomedSession { session, id, service }, format!("{text:?}, {who}")))
    }

    /// Publishes a probe and receives it, and ends the session.
    pub(super) async fn broadcast(&self, mut welcomed: WelcomedSession) -> Outcome {
        let outcome = self.probe(&mut welcomed).await;
        welcomed.session.close().await;
        outcome
    }

    /// Subscribes, publishes a probe by whatever way there is, and waits for it; where clients get
    /// updates without a subscription, waits for one.
    async fn probe(&self, welcomed: &mut WelcomedSession) -> Outcome {
        let Some(id) = welcomed.id.clone() else {
            return update(&mut welcomed.session).await;
        };
        let channel = self.options.channel.clone().unwrap_or_else(|| format!("verify:{id}"));
        let subscribe = json!({"channel": channel});
        let mut received = false;
        let mut look = |message: &Received| received |= is_probe(&message.json, &id);
        let subscribed =
            welcomed.session.ask("verify-subscribe", "subscribe", &subscribe, &mut look).await;
        subscribed.map_err(|refusal| refusal.finding(&format!("subscribing to {channel}")))?;
        let start = Instant::now();
        let way = match self.publish_over_http(welcomed, &channel, &id).await {
            Ok(()) => "over HTTP",
            Err(PublishFailure { reason, remedy: Some(remedy) }) => return fail(reason, remedy),
            Err(unpublished) => {
                let publish = json!({"channel": channel, "event": EVENT, "data": {"probe": id}});
                let published =
                    welcomed.session.ask("verify-publish", "publish", &publish, &mut look);
                if let Err(refusal) = published.await {
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
        if !received {
            let probe = welcomed.session.wait(|message| is_probe(&message.json, &id)).await;
            let what = format!("published {way} and not received");
            probe.map_err(|refusal| refusal.finding(&what))?;
        }
        Ok(format!("published {way}, received after {:.1} ms", start.elapsed().as_secs_f64() * 1e3))
    }

    async fn publish_over_http(
        &self,
        welcomed: &WelcomedSession,
        channel: &str,
        id: &str,
    ) -> Result<(), PublishFailure> {
        let not = |reason: String| PublishFailure { reason, remedy: None };
        let Some(address) = self.control else {
            return Err(not("the server is elsewhere".into()));
        };
        let key = match &self.options.api_key_file {
            None => Ok(self.options.api_key.clone()),
            Some(path) => secret("api_key_file", path).map(Some),
        };
        let key = key.map_err(|reason| PublishFailure { reason, remedy: Some(NO_KEY) })?;
        let body = json!({"channel": channel, "event": EVENT, "data": {"probe": id}}).to_string();
        let path = welcomed.publish_path();
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

impl WelcomedSession {
    /// Where the control port takes what is for this service. Of several none has a name that
    /// cannot be a part of a path.
    fn publish_path(&self) -> String {
        match self.service.as_deref().filter(|name| is_plain(name, PATH_CHARACTERS)) {
            Some(name) => format!("/v1/services/{name}/publish"),
            None => "/v1/publish".into(),
        }
    }
}

/// Waits for the update that session-buddy's protocol sends to every client once a second.
async fn update(session: &mut Session) -> Outcome {
    let start = Instant::now();
    session.step_timeout += UPDATE_INTERVAL;
    let update = session.wait(|message| message.json["type"] == "metrics_update").await;
    update.map_err(|refusal| refusal.finding("no metrics_update"))?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    Ok(format!("session-buddy's own protocol: an update after {ms:.0} ms"))
}

//! Sessions of one hub, driven by hand: the rules of PROTOCOL section 2.3.

mod authorization;
mod caps;
mod channel_shares;
mod coming_back;
mod custom;
mod custom_outside;
mod floods;
mod history;
mod postponed;
mod service_shares;
mod shared_memory;
mod states;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::broker::connection::CloseReason;
use crate::broker::context::Ending;
use crate::broker::effect::Effect;
use crate::broker::write_sink::{Flushed, Payload, WriteSink};
use crate::broker::{Admission, Hub};
use crate::config::{Access, AuthMode, Config, Rule, Service};
use crate::limits::{
    AUTH_BACKLOG, AUTH_TIMEOUT, MAX_AUTH_MESSAGE, MAX_TOKEN, VERIFICATIONS_PER_SHARD,
};
use crate::telemetry::{ConnectionError, MessageError, Totals};
use crate::tests::alone::Alone;
use crate::types::{AuthError, ChannelPattern, Identity, Now, ShardId, Time};
use crate::wire::frame::{Opcode, encode};
use std::time::Duration;

/// The unix second at which every test starts.
const START: i64 = 1_700_000_000;

#[derive(Default)]
struct Wire {
    loaded: Vec<Payload>,
    written: Vec<u8>,
}

impl WriteSink for Wire {
    fn load(&mut self, payload: Payload) {
        self.loaded.push(payload);
    }
    fn push(&mut self, _: u32) -> bool {
        self.written.extend_from_slice(self.loaded.last().unwrap().bytes());
        false
    }
    fn flush(&mut self, out: &mut Flushed) {
        out.payloads.append(&mut self.loaded);
    }
}

/// One hub with one client.
struct Rig {
    hub: Box<Hub>,
    key: ConnectionKey,
    now: Now,
}

fn access(mode: AuthMode) -> Access {
    let rule = |pattern: &str, permission: &str| Rule {
        channels: ChannelPattern::parse(pattern).unwrap(),
        permission: permission.into(),
    };
    let subscribe = vec![rule("workflow:", "workflow:read")];
    Access { mode, subscribe, ..Access::default() }
}

impl Rig {
    fn new(mode: AuthMode, token: Option<&str>) -> Rig {
        let config = Config::from(Service { access: access(mode), ..Service::default() });
        let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 8, 1);
        let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
        let key = connect(&mut hub, now, token);
        Rig { hub: Box::new(hub), key, now }
    }

    /// Sends its token in the first frame, and is accepted.
    fn known(mode: AuthMode, identity: Identity) -> Rig {
        let mut rig = Rig::new(mode, Some("token"));
        assert!(rig.hear().is_empty(), "nothing before the answer");
        rig.answer(Ok(identity));
        assert_eq!(rig.hear()[0]["data"]["authenticated"], true);
        rig
    }

    fn pass(&mut self, by: Duration) {
        self.now.mono = self.now.mono + by;
        self.now.unix_us += by.as_micros() as i64;
        self.hub.begin_iteration(self.now);
        self.hub.handle_tick();
    }

    fn say(&mut self, message: &Value) {
        let mut bytes = client_frame(message.to_string().as_bytes());
        self.hub.handle_received(self.key, &mut bytes);
    }

    fn say_auth(&mut self, token: &Value) {
        self.say(&json!({"id": "a", "type": "request", "event": "auth", "data": {"token": token}}));
    }

    fn subscribe(&mut self, channel: &str) {
        self.say(&json!({"id": channel, "type": "subscribe", "room": channel}));
    }

    /// The tokens to be verified.
    fn asked(&mut self) -> Vec<String> {
        let mut tokens = Vec::new();
        while let Some(effect) = self.hub.poll_effect() {
            if let Effect::Authenticate { token, .. } = effect {
                tokens.push(token.expose().to_owned());
            }
        }
        tokens
    }

    fn answer(&mut self, verdict: Verdict) {
        self.hub.handle_authenticated(self.key, verdict);
    }

    /// Everything the client receives; a close frame as `{"close": code, "reason": text}`.
    fn hear(&mut self) -> Vec<Value> {
        let mut wire = Wire::default();
        while self.hub.poll_transmit(&mut wire, &mut Alone) {}
        messages(&wire.written)
    }

    fn errors(&mut self, error: ConnectionError) -> u64 {
        let mut totals = Totals::new(1, 1);
        totals.absorb(&self.hub.recorder().swap(None));
        totals.services[0].connection_errors[error as usize]
    }

    fn message_errors(&mut self, error: MessageError) -> u64 {
        let mut totals = Totals::new(1, 1);
        totals.absorb(&self.hub.recorder().swap(None));
        totals.services[0].message_errors[error as usize]
    }
}

fn connect(hub: &mut Hub, now: Now, token: Option<&str>) -> ConnectionKey {
    let plain = Admission::plain(([127, 0, 0, 1], 1).into());
    hub.begin_iteration(now);
    hub.admit(Admission { token: token.map(Secret::new), ..plain }).unwrap()
}

fn client_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(Opcode::Text, payload, &mut frame);
    let header = frame.len() - payload.len();
    frame[1] |= 0x80;
    // A mask of zeros changes nothing.
    frame.splice(header..header, [0; 4]);
    frame
}

fn messages(mut bytes: &[u8]) -> Vec<Value> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (len, header) = match bytes[1] {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()) as usize, 10),
            len => (usize::from(len), 2),
        };
        let payload = &bytes[header..header + len];
        all.push(match bytes[0] & 15 {
            8 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                json!({"close": code, "reason": String::from_utf8_lossy(&payload[2..])})
            }
            _ => serde_json::from_slice(payload).unwrap(),
        });
        bytes = &bytes[header + len..];
    }
    all
}

fn closed(code: u16, reason: &str) -> Value {
    json!({"close": code, "reason": reason})
}

fn user(permissions: &[&str], seconds: Option<i64>) -> Identity {
    let permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
    Identity {
        user: "u1".into(),
        permissions,
        expires: seconds.map(|s| START + s),
        ..Identity::default()
    }
}

#[test]
fn the_server_is_silent_until_the_token_and_answers_before_it_welcomes() {
    let mut rig = Rig::new(AuthMode::Required, None);
    assert!(rig.hear().is_empty());
    rig.say_auth(&json!("token"));
    assert_eq!(rig.asked(), ["token"]);
    rig.subscribe("workflow:1");
    rig.subscribe("pool:1");
    assert!(rig.hear().is_empty(), "nothing before the answer");
    rig.answer(Ok(user(&["workflow:read"], Some(90))));
    let heard = rig.hear();
    assert_eq!((&heard[0]["event"], &heard[0]["correlation_id"]), (&json!("auth"), &json!("a")));
    let data = json!({"status": "authenticated", "user_id": "u1", "expires_in": 90});
    assert_eq!(heard[0]["data"], data);
    assert_eq!(heard[1]["event"], "session.created");
    assert_eq!(heard[1]["data"]["authenticated"], true);
    assert_eq!(heard[2]["data"]["channel"], "workflow:1");
    assert_eq!(heard[3]["data"]["channel"], "pool:1");
    assert_eq!(heard.len(), 4);
}

#[test]
fn what_is_no_good_token_is_answered_and_closed() {
    let auth = |data: Value| json!({"type": "request", "event": "auth", "data": data}).to_string();
    const FAILED: (u16, &str) = (4001, "Authentication failed");
    use crate::telemetry::ConnectionError::{AuthError, AuthFailed, AuthMissing, AuthRequired};
    for (frame, text, close, counted) in [
        (auth(json!({})), "Missing or malformed auth token", FAILED, AuthMissing),
        (auth(json!({"token": 7})), "Missing or malformed", FAILED, AuthMissing),
        (
            auth(json!({"token": "x".repeat(MAX_TOKEN + 1)})),
            "Invalid or expired token",
            FAILED,
            AuthFailed,
        ),
        (
            r#"{"type":"ping"}"#.into(),
            "Authentication required",
            (4002, "Authentication required"),
            AuthRequired,
        ),
        ("no JSON".into(), "", (4003, "Authentication error"), AuthError),
    ] {
        let mut rig = Rig::new(AuthMode::Required, None);
        let mut bytes = client_frame(frame.as_bytes());
        rig.hub.handle_received(rig.key, &mut bytes);
        let mut heard = rig.hear();
        assert_eq!(heard.pop().unwrap(), closed(close.0, close.1), "{frame}");
        match heard.pop() {
            Some(error) => {
                assert!(error["error_message"].as_str().unwrap().starts_with(text), "{error}");
            }
            None => assert_eq!(text, ""),
        }
        assert_eq!((rig.errors(counted), rig.asked()), (1, vec![]), "{frame}");
    }
}

#[test]
fn a_refused_token_is_answered_and_closed_wherever_it_came_from() {
    for (mode, token) in [
        (AuthMode::Required, Some("bad")),
        (AuthMode::Required, None),
        (AuthMode::Optional, Some("bad")),
        (AuthMode::Optional, None),
    ] {
        let mut rig = Rig::new(mode, token);
        rig.hear();
        if token.is_none() {
            rig.say_auth(&json!("bad"));
        }
        assert_eq!(rig.asked(), ["bad"]);
        rig.answer(Err(AuthError::invalid()));
        let heard = rig.hear();
        assert_eq!(heard[0]["error_code"], "AUTH_FAILED");
        assert_eq!(heard[0]["error_message"], "Invalid or expired token");
        assert_eq!(heard[1], closed(4001, "Authentication failed"));
        assert_eq!(rig.errors(ConnectionError::AuthFailed), 1);
    }
}

#[test]
fn who_says_nothing_for_five_seconds_is_closed_and_who_is_being_verified_is_not() {
    let [mut silent, mut asking] = [(); 2].map(|()| Rig::new(AuthMode::Required, None));
    asking.say_auth(&json!("token"));
    for rig in [&mut silent, &mut asking] {
        rig.pass(AUTH_TIMEOUT - Duration::from_millis(1));
        assert!(rig.hear().is_empty());
        rig.pass(Duration::from_millis(1));
    }
    let heard = silent.hear();
    assert_eq!(heard[0]["error_code"], "AUTH_REQUIRED");
    assert_eq!(heard[1], closed(4101, "Authentication required"));
    assert_eq!(silent.errors(ConnectionError::AuthMissing), 1);
    assert!(asking.hear().is_empty());
    asking.answer(Ok(user(&[], None)));
    assert_eq!(asking.hear()[1]["event"], "session.created");
}

#[test]
fn an_answer_for_who_has_left_changes_nothing() {
    let mut rig = Rig::new(AuthMode::Required, Some("token"));
    rig.hub.end_by(rig.key, Ending::Lost);
    rig.hub.handle_receive_ended(rig.key);
    let next = connect(&mut rig.hub, rig.now, Some("other"));
    assert_eq!(next.index, rig.key.index);
    rig.answer(Ok(user(&["admin"], Some(9))));
    assert!(rig.hear().is_empty(), "the next one is not the former");
    assert_eq!(rig.hub.auth_counts(), (1, 0));
}

#[test]
fn a_token_that_expires_closes_unless_it_is_renewed() {
    let mut rig = Rig::known(AuthMode::Required, user(&[], Some(10)));
    rig.pass(Duration::from_secs(9));
    rig.say_auth(&json!("longer"));
    rig.answer(Ok(user(&[], Some(20))));
    assert_eq!(rig.hear()[0]["event"], "auth");
    rig.pass(Duration::from_secs(10));
    assert!(rig.hear().is_empty(), "renewed until 20");
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.hear(), [closed(4201, "Token expired")]);
    assert_eq!(rig.errors(ConnectionError::TokenExpired), 1);
    assert_eq!(rig.hub.auth_counts(), (0, 0));
}

#[test]
fn a_renewal_that_is_no_good_leaves_the_session_its_own_time() {
    let mut rig = Rig::known(AuthMode::Required, user(&["workflow:read"], Some(10)));
    let other = Identity { user: "u2".into(), ..user(&["workflow:read"], None) };
    for verdict in [Err(AuthError::invalid()), Ok(user(&[], Some(99))), Ok(other)] {
        rig.say_auth(&json!("next"));
        rig.answer(verdict);
        let heard = rig.hear();
        assert_eq!((heard.len(), &heard[0]["error_code"]), (1, &json!("AUTH_FAILED")));
    }
    rig.say_auth(&json!("slow"));
    rig.pass(Duration::from_secs(10));
    assert!(rig.hear().is_empty(), "a renewal under way may still be good");
    rig.answer(Err(AuthError::invalid()));
    assert_eq!(rig.hear()[1], closed(4201, "Token expired"));
}

#[test]
fn a_token_for_longer_than_can_be_counted_is_for_ever() {
    let mut rig = Rig::known(AuthMode::Required, user(&[], Some(i64::MAX - START)));
    rig.pass(Duration::from_secs(1));
    assert!(rig.hear().is_empty());
}

#[test]
fn a_token_that_expired_on_its_way_is_refused() {
    for seconds in [-5, 0] {
        let mut rig = Rig::new(AuthMode::Required, Some("token"));
        rig.answer(Ok(user(&[], Some(seconds))));
        assert_eq!(rig.hear()[1], closed(4001, "Authentication failed"), "{seconds}");
    }
}

//! What becomes of the bytes that a subscriber receives, without sockets: for the benchmark.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, Event, Intent, Subscription};
use crate::frame::{Opcode, write_header};
use crate::payload_stamp::{Found, Locator, Stamp, filler};
use crate::phase::Phase;
use crate::recorder::Recorder;
use crate::schedule::{Channel, PublisherId};
use crate::timeline::Timeline;
use crate::transport::Endpoint;

const RUN: &str = "0badcafe";
const PAYLOAD: usize = 128;
/// Nanoseconds from one message to the next.
const GAP: u64 = 10_000_000;

/// One thread's subscribers of one channel, confirmed.
pub struct ReceivePath {
    clients: Vec<Client>,
    recorder: Recorder,
    locator: Locator,
    filler: String,
    out: Vec<u8>,
}

impl ReceivePath {
    /// With so many subscribers.
    ///
    /// # Panics
    /// When the client refuses the server's part that this plays.
    pub fn new(subscribers: usize) -> Self {
        let length = Duration::from_secs(3_600);
        let timeline = Arc::new(Timeline::new(vec![Phase::steady("steady", length, 100.0)]));
        let mut path = Self {
            clients: Vec::new(),
            recorder: Recorder::new(timeline, false),
            locator: Locator::new(RUN, PAYLOAD),
            filler: filler(PAYLOAD),
            out: Vec::new(),
        };
        for _ in 0..subscribers {
            path.recorder.admit([Channel(0)].into_iter(), false);
            let channels = vec![Subscription { channel: "bench:0".into(), since: None }];
            let endpoint = Endpoint {
                url: String::new(),
                addresses: Vec::new(),
                host: "localhost".into(),
                path: "/".into(),
                tls: None,
            };
            let mut client =
                Client::start(Intent::Subscribe(channels), &endpoint, "", &mut path.out);
            let mut bytes = client.expected_response().into_bytes();
            let confirmed = r#"{"type":"response","event":"subscribe","data":{}}"#;
            write_header(&mut bytes, Opcode::Text, confirmed.len(), None);
            bytes.extend_from_slice(confirmed.as_bytes());
            client.receive(&bytes, &mut path.out, |_| {}).expect("the response is the expected");
            path.clients.push(client);
        }
        path.recorder.start = 0;
        path.out.clear();
        path
    }

    /// The frame of the `index`-th message, as the server sends it.
    pub fn frame(&self, index: u64) -> Vec<u8> {
        let (publisher, channel) = (PublisherId(0), Channel(0));
        let stamp = Stamp { publisher, channel, index, intended: index * GAP };
        let data = stamp.document(RUN, &self.filler);
        let head = concat!(
            r#"{"id":"0190b5a2-7c1e-4f00-8a00-5b1c2d3e4f50","correlation_id":null,"#,
            r#""type":"event","event":"bench","data":"#
        );
        let tail = concat!(
            r#","timestamp":"2026-01-01T00:00:00.000000+00:00","room":"bench:0","#,
            r#""error_code":null,"error_message":null,"seq":"#
        );
        let text = format!("{head}{data}{tail}{index}}}");
        let mut bytes = Vec::new();
        write_header(&mut bytes, Opcode::Text, text.len(), None);
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    /// A subscriber reads these frames, the last of which is the `index`-th message.
    ///
    /// # Panics
    /// When they are not what [`ReceivePath::frame`] makes.
    pub fn receive(&mut self, subscriber: usize, frames: &[u8], index: u64) {
        let Self { clients, recorder, locator, out, .. } = self;
        let now = index * GAP + 1_234_567;
        let received = clients[subscriber].receive(frames, out, |event| {
            let Event::Text(text, _) = event else { return };
            match locator.find(text) {
                Found::Whole(stamp) => recorder.deliver(subscriber, stamp, false, now),
                found => panic!("{found:?}"),
            }
        });
        received.expect("frames of a server");
    }

    /// Hands over what was recorded, as a thread does ten times a second. Returns the deliveries.
    pub fn hand_over(&mut self) -> u64 {
        self.recorder.take().phases.values().map(|phase| phase.deliveries).sum()
    }
}

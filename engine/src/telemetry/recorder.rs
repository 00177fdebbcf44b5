//! A shard's own counters and histograms.

use std::collections::HashMap;

use hdrhistogram::Histogram;

use super::labels::{ConnectionError, Count, Gauge, MessageError, MessageType};
use super::own::Own;
use super::{MAX_LATENCY_NS, latency_histogram};
use crate::limits::MAX_CLASSES;
use crate::types::{ChannelName, ShardId};

/// A channel class of one recorder: an index into [`Snapshot::classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassId(pub u8);

impl ClassId {
    /// Channels that are not measured: the engine's own, and all of them without metrics.
    pub const NONE: ClassId = ClassId(u8::MAX);
}

/// Counts since the last snapshot; gauges as they stand.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// By [`MessageType`].
    pub received: [u64; MessageType::COUNT],
    /// By [`MessageType`]; broadcasts count once per delivery.
    pub sent: [u64; MessageType::COUNT],
    /// By [`ConnectionError`].
    pub connection_errors: [u64; ConnectionError::COUNT],
    /// By [`MessageError`].
    pub message_errors: [u64; MessageError::COUNT],
    /// By [`Count`].
    pub counts: [u64; Count::COUNT],
    /// By [`Gauge`].
    pub gauges: [u64; Gauge::COUNT],
    /// Connections that were established.
    pub connections: u64,
}

/// What one channel class did since the last snapshot.
#[derive(Clone, Debug)]
pub struct ClassStats {
    /// The class's name.
    pub name: String,
    /// Publications accepted.
    pub broadcasts: u64,
    /// Publish accepted → last live subscriber's bytes handed to the kernel, ns.
    pub broadcast: Histogram<u64>,
    /// Publish accepted → one subscriber's bytes handed to the kernel, ns.
    pub delivery: Histogram<u64>,
}

/// Everything one shard measured since its last snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Who measured.
    pub shard: ShardId,
    /// Plain counts.
    pub counters: Counters,
    /// By [`ClassId`], in the order the shard met them.
    pub classes: Vec<ClassStats>,
    /// Handling time of an inbound message, ns, by [`MessageType`]; made when first needed.
    pub handling: [Option<Histogram<u64>>; MessageType::COUNT],
    /// Time a laggard needed to become live again, ns.
    pub catch_up: Histogram<u64>,
    /// What it measured about itself.
    pub own: Own,
}

impl Snapshot {
    fn new(shard: ShardId) -> Snapshot {
        Snapshot {
            shard,
            counters: Counters::default(),
            classes: Vec::new(),
            handling: Default::default(),
            catch_up: latency_histogram(),
            own: Own::new(),
        }
    }

    /// Empties it for reuse as the twin of the one in use, keeping gauges and class names.
    fn clear_like(&mut self, current: &Snapshot) {
        self.counters = Counters { gauges: current.counters.gauges, ..Counters::default() };
        for class in &mut self.classes {
            class.broadcasts = 0;
            class.broadcast.reset();
            class.delivery.reset();
        }
        for class in &current.classes[self.classes.len()..] {
            self.classes.push(ClassStats::new(&class.name));
        }
        self.handling.iter_mut().flatten().for_each(Histogram::reset);
        self.catch_up.reset();
        self.own.clear_like(&current.own);
    }
}

impl ClassStats {
    fn new(name: &str) -> ClassStats {
        ClassStats {
            name: name.to_owned(),
            broadcasts: 0,
            broadcast: latency_histogram(),
            delivery: latency_histogram(),
        }
    }
}

/// What a shard records to. Recording is an array increment; nobody else reads or writes.
#[derive(Debug)]
pub struct Recorder {
    pub(super) enabled: bool,
    pub(super) current: Box<Snapshot>,
    class_ids: HashMap<String, ClassId>,
}

impl Recorder {
    /// A recorder for one shard; when not `enabled`, every verb returns at once.
    pub fn new(shard: ShardId, enabled: bool) -> Recorder {
        Recorder { enabled, current: Box::new(Snapshot::new(shard)), class_ids: HashMap::new() }
    }

    /// Whether anything is recorded at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Finds or makes the class of a channel; the hundredth and later ones are `other`.
    pub fn class_of(&mut self, channel: &ChannelName) -> ClassId {
        if !self.enabled || channel.is_canary() {
            return ClassId::NONE;
        }
        let mut name = channel.class();
        if let Some(id) = self.class_ids.get(name) {
            return *id;
        }
        if self.class_ids.len() >= MAX_CLASSES {
            name = "other";
            if let Some(id) = self.class_ids.get(name) {
                return *id;
            }
        }
        let id = ClassId(self.current.classes.len() as u8);
        self.current.classes.push(ClassStats::new(name));
        self.class_ids.insert(name.to_owned(), id);
        id
    }

    /// Adds to a plain count.
    pub fn count(&mut self, what: Count, n: u64) {
        if self.enabled {
            self.current.counters.counts[what as usize] += n;
        }
    }

    /// Sets a value that goes up and down.
    pub fn set(&mut self, what: Gauge, value: usize) {
        if self.enabled {
            self.current.counters.gauges[what as usize] = value as u64;
        }
    }

    /// A connection was established.
    pub fn connected(&mut self) {
        if self.enabled {
            self.current.counters.connections += 1;
        }
    }

    /// A connection failed, or was ended for the peer's fault.
    pub fn connection_error(&mut self, error: ConnectionError) {
        if self.enabled {
            self.current.counters.connection_errors[error as usize] += 1;
        }
    }

    /// A message could not be served or delivered.
    pub fn message_error(&mut self, error: MessageError) {
        if self.enabled {
            self.current.counters.message_errors[error as usize] += 1;
        }
    }

    /// A message came in and took `ns` nanoseconds to handle.
    pub fn received(&mut self, kind: MessageType, ns: u64) {
        if self.enabled {
            self.current.counters.received[kind as usize] += 1;
            self.current.handling[kind as usize]
                .get_or_insert_with(latency_histogram)
                .saturating_record(ns.min(MAX_LATENCY_NS));
        }
    }

    /// A message went out, other than a broadcast.
    pub fn sent(&mut self, kind: MessageType) {
        if self.enabled {
            self.current.counters.sent[kind as usize] += 1;
        }
    }

    /// A publication was accepted.
    pub fn broadcast_accepted(&mut self, class: ClassId) {
        if self.enabled && class != ClassId::NONE {
            self.current.classes[usize::from(class.0)].broadcasts += 1;
        }
    }

    /// One frame was handed to the kernel for `n` subscribers, `ns` after it was accepted.
    pub fn delivered(&mut self, class: ClassId, ns: u64, n: u64, frame_bytes: usize) {
        if self.enabled && n > 0 && class != ClassId::NONE {
            let counters = &mut self.current.counters;
            counters.counts[Count::Deliveries as usize] += n;
            counters.counts[Count::DeliveryBytes as usize] += n * frame_bytes as u64;
            counters.sent[MessageType::Event as usize] += n;
            let ns = ns.min(MAX_LATENCY_NS);
            self.current.classes[usize::from(class.0)].delivery.saturating_record_n(ns, n);
        }
    }

    /// The last live subscriber of a frame has its bytes, `ns` after it was accepted.
    pub fn broadcast_done(&mut self, class: ClassId, ns: u64) {
        if self.enabled && class != ClassId::NONE {
            let ns = ns.min(MAX_LATENCY_NS);
            self.current.classes[usize::from(class.0)].broadcast.saturating_record(ns);
        }
    }

    /// `n` frames were handed to the kernel for a subscriber that is catching up.
    pub fn replayed(&mut self, n: u64) {
        if self.enabled {
            self.current.counters.counts[Count::CatchUps as usize] += n;
            self.current.counters.sent[MessageType::Event as usize] += n;
        }
    }

    /// A laggard became live again after `ns` nanoseconds.
    pub fn caught_up(&mut self, ns: u64) {
        if self.enabled {
            self.current.counters.counts[Count::Recoveries as usize] += 1;
            self.current.catch_up.saturating_record(ns.min(MAX_LATENCY_NS));
        }
    }

    /// Hands over what was recorded and goes on with `twin` (or a new one), cleared.
    pub fn swap(&mut self, twin: Option<Box<Snapshot>>) -> Box<Snapshot> {
        let mut next = twin.unwrap_or_else(|| Box::new(Snapshot::new(self.current.shard)));
        next.clear_like(&self.current);
        std::mem::replace(&mut self.current, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text).unwrap()
    }

    #[test]
    fn classes_are_bounded_and_the_rest_is_other() {
        let mut recorder = Recorder::new(ShardId(0), true);
        for i in 0..MAX_CLASSES + 50 {
            let class = recorder.class_of(&name(&format!("class{i}:x")));
            recorder.broadcast_accepted(class);
        }
        let snapshot = recorder.swap(None);
        assert_eq!(snapshot.classes.len(), MAX_CLASSES + 1);
        assert_eq!(snapshot.classes.last().unwrap().name, "other");
        assert_eq!(snapshot.classes.last().unwrap().broadcasts, 50);
    }

    #[test]
    fn a_twin_starts_empty_and_keeps_gauges_and_classes() {
        let mut recorder = Recorder::new(ShardId(0), true);
        let first = recorder.swap(None);
        let class = recorder.class_of(&name("a:1"));
        recorder.set(Gauge::Connections, 7);
        recorder.delivered(class, 5_000, 10, 128);
        let second = recorder.swap(Some(first));
        assert_eq!(second.classes[0].delivery.len(), 10);
        recorder.delivered(class, 5_000, 1, 128);
        let third = recorder.swap(Some(second));
        assert_eq!(third.classes[0].delivery.len(), 1);
        assert_eq!(third.counters.gauges[Gauge::Connections as usize], 7);
        assert_eq!(third.counters.counts[Count::DeliveryBytes as usize], 128);
    }
}

//! What one thread's subscribers received. Each worker records without any sharing and hands over
//! what it has several times a second; the [`crate::collector`] adds it up.

use std::collections::HashMap;
use std::sync::Arc;

use crate::delivery_check::{Arrival, OrderCheck};

use crate::batch::{Batch, ChannelEnd, PhaseBatch};
use crate::broadcasts::{Broadcast, Broadcasts, Joined, Receipt};
use crate::figures::{Checks, HandshakeSample};
use crate::payload_stamp::Stamp;
use crate::schedule::{Channel, PublisherId};
use crate::tally::{Packed, slice_histogram};
use crate::timeline::Timeline;

/// A channel that this thread has subscribers of.
#[derive(Debug, Default)]
struct Slot {
    channel: Channel,
    present: u32,
    deliveries: u64,
    checks: Checks,
    /// By the place that the publisher has here.
    broadcasts: Vec<Broadcasts>,
    publishers: Vec<PublisherId>,
    places: HashMap<PublisherId, usize>,
}

/// A subscriber.
#[derive(Debug)]
struct Member {
    rooms: Vec<Room>,
    /// `None` while it is away.
    joined: Option<Joined>,
    slow: bool,
}

#[derive(Debug)]
struct Room {
    slot: usize,
    /// By the publisher's place; `None` before the first message from there.
    order: Vec<Option<OrderCheck>>,
}

/// One thread's record.
pub(crate) struct Recorder {
    timeline: Arc<Timeline>,
    /// When the load begins; `u64::MAX` before it is known.
    pub(crate) start: u64,
    /// Whether a subscriber that was away gets what it missed.
    recovery: bool,
    batch: Batch,
    slots: Vec<Slot>,
    by_channel: HashMap<Channel, usize>,
    members: Vec<Member>,
    /// Deliveries and moves so far: the order in which things happened on this thread.
    event: u64,
}

impl Recorder {
    pub(crate) fn new(timeline: Arc<Timeline>, recovery: bool) -> Self {
        Self {
            timeline,
            start: u64::MAX,
            recovery,
            batch: Batch::default(),
            slots: Vec::new(),
            by_channel: HashMap::new(),
            members: Vec::new(),
            event: 0,
        }
    }

    /// The next subscriber of this thread, present from the start on.
    pub(crate) fn admit(&mut self, channels: impl Iterator<Item = Channel>, slow: bool) {
        let mut rooms = Vec::new();
        for channel in channels {
            let slot = *self.by_channel.entry(channel).or_insert_with(|| {
                self.slots.push(Slot { channel, ..Slot::default() });
                self.slots.len() - 1
            });
            self.slots[slot].present += u32::from(!slow);
            rooms.push(Room { slot, order: Vec::new() });
        }
        self.members.push(Member { rooms, joined: Some(Joined::AT_START), slow });
    }

    /// A subscriber was confirmed again, at `now`.
    pub(crate) fn join(&mut self, place: usize, now: u64) {
        self.event += 1;
        let Self { members, slots, event, recovery, .. } = self;
        let member = &mut members[place];
        member.joined = Some(Joined { event: *event, at: now });
        if *recovery || member.slow {
            // It was due everything meanwhile.
            member.joined = member.joined.map(|joined| Joined { event: 0, ..joined });
            return;
        }
        for room in &mut member.rooms {
            slots[room.slot].present += 1;
            room.order.clear();
        }
    }

    /// Whether a subscriber has left by plan and not joined again.
    pub(crate) fn is_away(&self, place: usize) -> bool {
        self.members[place].joined.is_none()
    }

    /// A subscriber leaves by plan. Unless it will recover, it is due no more.
    pub(crate) fn leave(&mut self, place: usize) {
        let Self { members, slots, batch, recovery, .. } = self;
        let member = &mut members[place];
        let Some(joined) = member.joined.take() else { return };
        if *recovery || member.slow {
            return;
        }
        for room in &mut member.rooms {
            let slot = &mut slots[room.slot];
            slot.present -= 1;
            for (at, broadcasts) in slot.broadcasts.iter_mut().enumerate() {
                let order = room.order.get(at).copied().flatten();
                let begun = if joined == Joined::AT_START { Some(0) } else { None };
                let next = order.map(|order| order.next()).or(begun).unwrap_or(0);
                let key = (slot.publishers[at], slot.channel);
                let done = |broadcast| batch.broadcasts.push((key.0, key.1, broadcast));
                broadcasts.excuse(joined, next, None, false, done);
            }
        }
    }

    /// One delivery, received at `now`; `damaged` if its filler is not what was published.
    pub(crate) fn deliver(&mut self, place: usize, stamp: Stamp, damaged: bool, now: u64) {
        self.event += 1;
        let Self { timeline, start, batch, slots, members, event, .. } = self;
        let member = &mut members[place];
        batch.last_at = now;
        if member.slow {
            batch.slow_deliveries += 1;
            return;
        }
        let Some(room) =
            member.rooms.iter_mut().find(|room| slots[room.slot].channel == stamp.channel)
        else {
            self.fault(place, now, |checks| &mut checks.misrouted);
            return;
        };
        let slot = &mut slots[room.slot];
        let Stamp { publisher, index, intended, channel } = stamp;
        let publisher_place = slot.place(publisher);
        if room.order.len() <= publisher_place {
            room.order.resize(publisher_place + 1, None);
        }
        let joined = member.joined.unwrap_or(Joined::AT_START);
        let phase_at = timeline.phase_at(intended.saturating_sub(*start));
        let phase = batch.phases.entry(phase_at).or_default();
        let broadcasts = &mut slot.broadcasts[publisher_place];
        let newcomer = joined.event != 0 && room.order[publisher_place].is_none();
        let begin = if newcomer { OrderCheck::starting_at(index) } else { OrderCheck::default() };
        let order = room.order[publisher_place].get_or_insert(begin);
        let (mut checks, arrival) = (Checks::default(), order.record(index));
        checks.corrupted = u64::from(damaged);
        match arrival {
            Arrival::New { skipped } => batch.missing += skipped as i64,
            Arrival::Late => {
                checks.reordered = 1;
                batch.missing -= 1;
            }
            Arrival::Duplicate => checks.duplicates = 1,
        }
        phase.checks.add(&checks);
        slot.checks.add(&checks);
        if arrival == Arrival::Duplicate {
            return;
        }
        phase.deliveries += 1;
        slot.deliveries += 1;
        // What it missed comes after it has joined again.
        let live = intended >= joined.at || !self.recovery;
        if live {
            let latency = now.saturating_sub(intended);
            phase.delivery.saturating_record(latency);
            let slice = timeline.slice_at(intended.saturating_sub(*start));
            let slice = batch.slices.entry(slice).or_insert_with(|| Packed(slice_histogram()));
            slice.saturating_record(latency);
        } else {
            phase.recovered += 1;
        }
        let receipt = Receipt { index, intended, at: now, joined, live };
        let mut done = |broadcast| batch.broadcasts.push((publisher, channel, broadcast));
        broadcasts.receive(receipt, slot.present, *event, &mut done);
        if newcomer {
            broadcasts.excuse(joined, 0, Some(index), true, done);
        }
    }

    /// A subscriber has published a message that the server does not send back to it.
    pub(crate) fn mark_own(&mut self, place: usize, stamp: Stamp) {
        self.event += 1;
        let Self { slots, members, batch, event, .. } = self;
        let Some(joined) = members[place].joined.filter(|_| !members[place].slow) else { return };
        let rooms = &mut members[place].rooms;
        let Some(room) = rooms.iter_mut().find(|room| slots[room.slot].channel == stamp.channel)
        else {
            return;
        };
        let slot = &mut slots[room.slot];
        let Stamp { publisher, index, intended, channel } = stamp;
        let at = slot.place(publisher);
        if room.order.len() <= at {
            room.order.resize(at + 1, None);
        }
        room.order[at].get_or_insert_default().record(index);
        let receipt = Receipt { index, intended, at: intended, joined, live: false };
        let done = |broadcast| batch.broadcasts.push((publisher, channel, broadcast));
        slot.broadcasts[at].receive(receipt, slot.present, *event, done);
    }

    /// A message of this run that cannot be told from others.
    pub(crate) fn illegible(&mut self, place: usize, now: u64) {
        self.fault(place, now, |checks| &mut checks.corrupted);
    }

    /// A message that this run did not publish.
    pub(crate) fn foreign(&mut self, place: usize, now: u64) {
        self.fault(place, now, |checks| &mut checks.foreign);
    }

    /// Counts a fault in the subscriber's first channel and in the phase of `now`.
    fn fault(&mut self, place: usize, now: u64, count: fn(&mut Checks) -> &mut u64) {
        let Some(room) = self.members[place].rooms.first() else { return };
        *count(&mut self.slots[room.slot].checks) += 1;
        *count(&mut self.phase_of(now).checks) += 1;
    }

    /// What is recorded of the phase of a time.
    fn phase_of(&mut self, now: u64) -> &mut PhaseBatch {
        let phase = self.timeline.phase_at(now.saturating_sub(self.start));
        self.batch.phases.entry(phase).or_default()
    }

    /// A message received at `now` took so many nanoseconds to inflate.
    pub(crate) fn inflated(&mut self, now: u64, nanoseconds: u64) {
        self.phase_of(now).inflating.saturating_record(nanoseconds);
    }

    pub(crate) fn handshake(&mut self, sample: HandshakeSample) {
        self.batch.handshakes.push(sample);
    }

    /// A message that is no delivery: an error code or a gap.
    pub(crate) fn notice(&mut self, name: &str) {
        *self.batch.notices.entry(name.to_owned()).or_default() += 1;
    }

    /// A subscriber was lost, at `now`.
    pub(crate) fn disconnect(&mut self, reason: String, now: u64) {
        self.phase_of(now).disconnected += 1;
        *self.batch.disconnected.entry(reason).or_default() += 1;
    }

    /// What was recorded since the last call.
    pub(crate) fn take(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    /// The rest, with what is incomplete and the sums by channel.
    pub(crate) fn finish(mut self) -> Batch {
        let mut joined = vec![Vec::new(); self.slots.len()];
        for member in self.members.iter().filter(|member| !member.slow) {
            // A subscriber that is away and will recover is due all the same.
            let away = self.recovery.then_some(Joined::AT_START);
            let Some(begin) = member.joined.or(away) else { continue };
            for room in &member.rooms {
                joined[room.slot].push(if begin.event == 0 { 0 } else { begin.at });
                let slot = &mut self.slots[room.slot];
                slot.excuse_unheard(begin, &room.order, &mut self.batch.broadcasts);
            }
        }
        for (slot, mut joined) in self.slots.into_iter().zip(joined) {
            joined.sort_unstable();
            self.batch.channels.push(slot.end(joined, &mut self.batch.broadcasts));
        }
        self.batch
    }
}

type Done = Vec<(PublisherId, Channel, Broadcast)>;

impl Slot {
    /// The place of a publisher here.
    fn place(&mut self, publisher: PublisherId) -> usize {
        // Publishers with a thread are met in about their order.
        let hint = publisher.0 as usize;
        if self.publishers.get(hint) == Some(&publisher) {
            return hint;
        }
        *self.places.entry(publisher).or_insert_with(|| {
            self.publishers.push(publisher);
            self.broadcasts.push(Broadcasts::default());
            self.publishers.len() - 1
        })
    }

    /// One that joined and has heard nothing from a publisher was due only what came later.
    fn excuse_unheard(&mut self, begin: Joined, order: &[Option<OrderCheck>], done: &mut Done) {
        if begin.event == 0 {
            return;
        }
        for (place, broadcasts) in self.broadcasts.iter_mut().enumerate() {
            if order.get(place).copied().flatten().is_none() {
                let (publisher, channel) = (self.publishers[place], self.channel);
                let done = |broadcast| done.push((publisher, channel, broadcast));
                broadcasts.excuse(begin, 0, None, true, done);
            }
        }
    }

    fn end(self, joined: Vec<u64>, done: &mut Done) -> ChannelEnd {
        let Self { channel, deliveries, checks, broadcasts, publishers, .. } = self;
        let mut ends = HashMap::new();
        for (publisher, mut broadcasts) in publishers.into_iter().zip(broadcasts) {
            ends.insert(publisher, broadcasts.end());
            done.extend(broadcasts.drain().map(|broadcast| (publisher, channel, broadcast)));
        }
        ChannelEnd { channel, deliveries, checks, joined, ends }
    }
}

#[cfg(test)]
mod tests;

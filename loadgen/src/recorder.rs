//! What the deliveries amount to. Each worker thread records into its own [`Recorder`] without
//! any sharing and hands over what it has several times a second; the [`Collector`] adds it up.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use uringcast_loadgen::delivery_check::{Arrival, OrderCheck, Window};

use crate::payload_stamp::Stamp;
use crate::schedule::{Channel, Schedule};

/// Counts by a short name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Nanoseconds from 1 µs to 60 s with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("constant bounds are valid")
}

/// As [`histogram`], with two digits and an eighth of the memory, for the many slices of a run.
pub(crate) fn slice_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 2).expect("constant bounds are valid")
}

/// Sums that can be added to each other.
#[derive(Debug)]
pub(crate) struct Totals {
    /// Intended send to receipt, after the warm-up.
    pub(crate) latency: Histogram<u64>,
    /// Deliveries without duplicates, warm-up included.
    pub(crate) deliveries: u64,
    /// The same by channel; only in a thread's last tally.
    pub(crate) per_channel: Vec<u64>,
    /// Messages left out so far that have not turned up late.
    pub(crate) missing: i64,
    pub(crate) duplicates: u64,
    pub(crate) reordered: u64,
    /// Deliveries on a channel they were not published to.
    pub(crate) misrouted: u64,
    /// Error codes and gap messages that subscribers received.
    pub(crate) notices: Counts,
    /// Subscribers lost during the load, by the reason.
    pub(crate) disconnected: Counts,
    /// The time of the last delivery.
    pub(crate) last_at: u64,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            latency: histogram(),
            deliveries: 0,
            per_channel: Vec::new(),
            missing: 0,
            duplicates: 0,
            reordered: 0,
            misrouted: 0,
            notices: Counts::new(),
            disconnected: Counts::new(),
            last_at: 0,
        }
    }
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency).expect("all have the same bounds");
        self.deliveries += other.deliveries;
        self.missing += other.missing;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.misrouted += other.misrouted;
        self.last_at = self.last_at.max(other.last_at);
        for (sum, more) in self.per_channel.iter_mut().zip(&other.per_channel) {
            *sum += more;
        }
        add_counts(&mut self.notices, &other.notices);
        add_counts(&mut self.disconnected, &other.disconnected);
    }
}

/// Adds `more` to `sum`, name by name.
pub(crate) fn add_counts(sum: &mut Counts, more: &Counts) {
    for (name, count) in more {
        *sum.entry(name.clone()).or_default() += count;
    }
}

/// A message that all subscribers of one thread have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished {
    stamp: Stamp,
    at: u64,
}

/// What a worker hands to the collector.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) totals: Totals,
    pub(crate) finished: Vec<Finished>,
}

/// One thread's record.
pub(crate) struct Recorder {
    schedule: Schedule,
    batch: Batch,
    per_channel: Vec<u64>,
    /// How many subscribers of this thread each channel has.
    subscribers: Vec<u32>,
    windows: Vec<Window>,
    /// By subscriber, then publisher.
    order: Vec<OrderCheck>,
    /// Only what was intended from this time on enters the histograms.
    pub(crate) measure_from: u64,
}

impl Recorder {
    /// `channels` are the channels of this thread's subscribers, in their order.
    pub(crate) fn new(schedule: Schedule, channels: impl Iterator<Item = Channel>) -> Self {
        let mut subscribers = vec![0; schedule.channels as usize];
        channels.for_each(|channel| subscribers[channel.index()] += 1);
        let count = subscribers.iter().sum::<u32>() as usize;
        let publishers = schedule.publishers as usize;
        Self {
            schedule,
            batch: Batch::default(),
            per_channel: vec![0; schedule.channels as usize],
            subscribers,
            windows: (0..publishers).map(|_| Window::default()).collect(),
            order: vec![OrderCheck::default(); count * publishers],
            measure_from: u64::MAX,
        }
    }

    /// One delivery, received at `now`, by the `subscriber`-th of this thread.
    pub(crate) fn deliver(&mut self, subscriber: usize, channel: Channel, stamp: Stamp, now: u64) {
        let Stamp { publisher, sequence, intended } = stamp;
        let totals = &mut self.batch.totals;
        let known = publisher.0 < self.schedule.publishers;
        if !known || self.schedule.channel_of(publisher, sequence) != channel {
            totals.misrouted += 1;
            return;
        }
        totals.last_at = now;
        let place = subscriber * self.schedule.publishers as usize + publisher.0 as usize;
        match self.order[place].record(self.schedule.index_in_channel(sequence)) {
            Arrival::New { skipped } => totals.missing += skipped as i64,
            Arrival::Late => {
                totals.reordered += 1;
                totals.missing -= 1;
            }
            Arrival::Duplicate => {
                totals.duplicates += 1;
                return;
            }
        }
        totals.deliveries += 1;
        self.per_channel[channel.index()] += 1;
        let measured = intended >= self.measure_from;
        if measured {
            totals.latency.saturating_record(now.saturating_sub(intended));
        }
        let (schedule, subscribers) = (&self.schedule, &self.subscribers);
        let needed = |sequence| subscribers[schedule.channel_of(publisher, sequence).index()];
        let complete = self.windows[publisher.0 as usize].receive(sequence, now, needed);
        // Warm-up messages are counted down as well, so that the windows stay short.
        if let Some(at) = complete {
            self.batch.finished.push(Finished { stamp, at });
        }
    }

    /// A message that is no delivery: an error code or a gap.
    pub(crate) fn notice(&mut self, name: &str) {
        *self.batch.totals.notices.entry(name.to_owned()).or_default() += 1;
    }

    pub(crate) fn disconnect(&mut self, reason: String) {
        *self.batch.totals.disconnected.entry(reason).or_default() += 1;
    }

    /// What was recorded since the last call.
    pub(crate) fn take(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    /// The rest, with the sums by channel.
    pub(crate) fn finish(mut self) -> Batch {
        self.batch.totals.per_channel = self.per_channel;
        self.batch
    }
}

/// The sums over all threads.
pub(crate) struct Collector {
    schedule: Schedule,
    pub(crate) total: Totals,
    /// Intended send to the last subscriber's receipt, after the warm-up.
    pub(crate) last: Histogram<u64>,
    windows: Vec<Window>,
    /// How many threads have subscribers of each channel.
    threads: Vec<u32>,
    pub(crate) measure_from: u64,
}

impl Collector {
    pub(crate) fn new(schedule: Schedule, threads: Vec<u32>) -> Self {
        let total =
            Totals { per_channel: vec![0; schedule.channels as usize], ..Totals::default() };
        Self {
            schedule,
            total,
            last: histogram(),
            windows: (0..schedule.publishers).map(|_| Window::default()).collect(),
            threads,
            measure_from: u64::MAX,
        }
    }

    pub(crate) fn add(&mut self, batch: &Batch) {
        self.total.add(&batch.totals);
        let (schedule, threads) = (&self.schedule, &self.threads);
        for &Finished { stamp, at } in &batch.finished {
            let needed = |sequence| threads[schedule.channel_of(stamp.publisher, sequence).index()];
            let window = &mut self.windows[stamp.publisher.0 as usize];
            if let Some(at) = window.receive(stamp.sequence, at, needed)
                && stamp.intended >= self.measure_from
            {
                self.last.saturating_record(at.saturating_sub(stamp.intended));
            }
        }
    }
}

#[cfg(test)]
mod tests;

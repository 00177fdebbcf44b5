//! The sums over all threads: what came, when each broadcast had reached its subscribers, and at
//! the end what never came.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hdrhistogram::Histogram;

use crate::batch::{Batch, ChannelEnd};
use crate::broadcasts::Broadcast;
use crate::figures::{Checks, HandshakeSample};
use crate::publish_tally::Published;
use crate::receipts::{Receipts, first_median_last};
use crate::schedule::{Channel, MessageId, PublisherId};
use crate::summary::Slice;
use crate::tally::{Counts, add_counts, histogram, short_histogram};
use crate::timeline::Timeline;
use crate::worker_report::WorkerReport;

/// Most messages of which some threads have told and others not, before the oldest is closed.
const MAX_OPEN: usize = 1 << 16;

/// One message that was sent and not refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) id: MessageId,
    /// On the clock that stamps carry.
    pub(crate) intended: u64,
}

/// What was received of one phase.
#[derive(Debug)]
pub(crate) struct PhaseTotals {
    pub(crate) delivery: Histogram<u64>,
    pub(crate) first: Histogram<u64>,
    pub(crate) median: Histogram<u64>,
    pub(crate) last: Histogram<u64>,
    pub(crate) inflating: Histogram<u64>,
    pub(crate) deliveries: u64,
    pub(crate) recovered: u64,
    pub(crate) disconnected: u64,
    pub(crate) checks: Checks,
}

impl Default for PhaseTotals {
    fn default() -> Self {
        let [delivery, first, median, last] = [(); 4].map(|()| histogram());
        Self {
            delivery,
            first,
            median,
            last,
            inflating: short_histogram(),
            deliveries: 0,
            recovered: 0,
            disconnected: 0,
            checks: Checks::default(),
        }
    }
}

/// What is shown while it runs.
#[derive(Debug)]
pub(crate) struct Totals {
    /// Intended send to receipt, without the warm-up.
    pub(crate) latency: Histogram<u64>,
    /// Deliveries without duplicates, warm-up included.
    pub(crate) deliveries: u64,
    /// Messages left out so far that have not turned up late.
    pub(crate) missing: i64,
    pub(crate) slow_deliveries: u64,
    pub(crate) notices: Counts,
    pub(crate) disconnected: Counts,
    /// The time of the last delivery.
    pub(crate) last_at: u64,
}

/// What was received of one channel.
#[derive(Debug, Default)]
pub(crate) struct ChannelTotals {
    pub(crate) deliveries: u64,
    pub(crate) checks: Checks,
}

/// A message that is not closed yet.
#[derive(Debug, Default)]
struct Open {
    threads: Vec<Receipts>,
    missing: u64,
    intended: Option<u64>,
}

/// The sums over all threads.
pub(crate) struct Collector {
    timeline: Arc<Timeline>,
    /// When the load begins.
    pub(crate) start: u64,
    pub(crate) total: Totals,
    pub(crate) phases: Vec<PhaseTotals>,
    pub(crate) slices: Vec<Slice>,
    pub(crate) handshakes: Vec<HandshakeSample>,
    /// What each source of messages published, once it has ended.
    pub(crate) published: Vec<Published>,
    /// Of a load that other processes carry, what each told at its end.
    pub(crate) workers: Vec<WorkerReport>,
    open: BTreeMap<MessageId, Open>,
    /// How many threads have subscribers of each channel.
    threads: HashMap<Channel, usize>,
    ends: HashMap<Channel, Vec<ChannelEnd>>,
    pub(crate) channels: BTreeMap<Channel, ChannelTotals>,
}

impl Collector {
    pub(crate) fn new(timeline: Arc<Timeline>, threads: HashMap<Channel, usize>) -> Self {
        Self {
            phases: timeline.phases().iter().map(|_| PhaseTotals::default()).collect(),
            slices: vec![Slice::default(); timeline.slices()],
            timeline,
            start: 0,
            total: Totals {
                latency: histogram(),
                deliveries: 0,
                missing: 0,
                slow_deliveries: 0,
                notices: Counts::new(),
                disconnected: Counts::new(),
                last_at: 0,
            },
            handshakes: Vec::new(),
            published: Vec::new(),
            workers: Vec::new(),
            open: BTreeMap::new(),
            threads,
            ends: HashMap::new(),
            channels: BTreeMap::new(),
        }
    }

    /// The phase of what was intended `at` nanoseconds from the start.
    pub(crate) fn phase_at(&self, at: u64) -> usize {
        self.timeline.phase_at(at)
    }

    pub(crate) fn add(&mut self, batch: Batch) {
        for (place, more) in batch.phases {
            let phase = &mut self.phases[place];
            phase.delivery.add(&*more.delivery).expect("all have the same bounds");
            phase.inflating.add(&*more.inflating).expect("all have the same bounds");
            phase.disconnected += more.disconnected;
            phase.deliveries += more.deliveries;
            phase.recovered += more.recovered;
            phase.checks.add(&more.checks);
            self.total.deliveries += more.deliveries;
            if self.timeline.phases()[place].measured {
                self.total.latency.add(&*more.delivery).expect("all have the same bounds");
            }
        }
        for (place, more) in batch.slices {
            // Only what a damaged stamp claims could lie behind the end.
            let Some(slice) = self.slices.get_mut(place) else { continue };
            slice.deliveries += more.len();
            slice.latency.add(&*more).expect("all have the same bounds");
        }
        let total = &mut self.total;
        total.missing += batch.missing;
        total.slow_deliveries += batch.slow_deliveries;
        total.last_at = total.last_at.max(batch.last_at);
        add_counts(&mut total.notices, &batch.notices);
        add_counts(&mut total.disconnected, &batch.disconnected);
        self.handshakes.extend(batch.handshakes);
        for (publisher, channel, broadcast) in batch.broadcasts {
            self.take((publisher, channel, broadcast.index), broadcast);
        }
        self.published.extend(batch.published);
        self.workers.extend(batch.worker);
        for end in batch.channels {
            let (channel, deliveries, checks) = (end.channel, end.deliveries, end.checks);
            let sum = self.channels.entry(channel).or_default();
            sum.deliveries += deliveries;
            sum.checks.add(&checks);
            self.ends.entry(channel).or_default().push(end);
        }
    }

    fn take(&mut self, id: MessageId, broadcast: Broadcast) {
        let open = self.open.entry(id).or_default();
        open.threads.push(broadcast.receipts);
        open.missing += u64::from(broadcast.missing);
        open.intended = open.intended.or(broadcast.intended);
        let told = self.threads.get(&id.1).is_some_and(|threads| open.threads.len() >= *threads);
        if told && open.missing == 0 {
            let open = self.open.remove(&id).expect("it was just entered");
            self.close(&open, 0);
        } else if self.open.len() > MAX_OPEN
            && let Some((_, oldest)) = self.open.pop_first()
        {
            let now = self.total.last_at;
            self.close(&oldest, now);
        }
    }

    /// Enters a broadcast; what is missing of it had not come at `end`.
    fn close(&mut self, open: &Open, end: u64) {
        let Some(intended) = open.intended else { return };
        let Some(times) = first_median_last(&open.threads, open.missing, end) else { return };
        let phase = self.timeline.phase_at(intended.saturating_sub(self.start));
        let PhaseTotals { first, median, last, .. } = &mut self.phases[phase];
        for (histogram, at) in [first, median, last].into_iter().zip(times) {
            histogram.saturating_record(at.saturating_sub(intended));
        }
    }

    /// Whether a message can be missing at all. `sent` counts by publisher and channel.
    fn is_complete(&self, sent: &HashMap<(PublisherId, Channel), u64>) -> bool {
        self.open.values().all(|open| open.missing == 0)
            && sent.iter().all(|((publisher, channel), sent)| {
                let mut ends = self.ends.get(channel).into_iter().flatten();
                ends.all(|end| {
                    end.joined.is_empty() || end.ends.get(publisher).is_some_and(|end| end >= sent)
                })
            })
    }

    /// Enters what never came, at the time from its intended sending to `end`, so that a loss
    /// cannot improve a percentile. `messages` are all that were sent, in the order of each
    /// publisher and channel; those `refused` are due to no subscriber.
    pub(crate) fn finish(
        &mut self,
        messages: impl Iterator<Item = Sent>,
        sent: &HashMap<(PublisherId, Channel), u64>,
        refused: &HashSet<MessageId>,
        end: u64,
    ) {
        if !self.is_complete(sent) {
            messages.filter(|sent| !refused.contains(&sent.id)).for_each(|sent| {
                self.settle(sent, end);
            });
        }
        for (_, open) in std::mem::take(&mut self.open) {
            // Of a refused message there are no receipts, only subscribers that wait.
            let open = Open { missing: 0, ..open };
            self.close(&open, end);
        }
    }

    /// Enters one message, if any subscriber that was due it has not received it.
    fn settle(&mut self, sent: Sent, end: u64) {
        let Sent { id: id @ (publisher, channel, index), intended } = sent;
        let unheard = self.ends.get(&channel).into_iter().flatten();
        let unheard =
            unheard.filter(|thread| thread.ends.get(&publisher).is_none_or(|end| index >= *end));
        let unheard: usize =
            unheard.map(|thread| thread.joined.partition_point(|joined| *joined < intended)).sum();
        let mut open = self.open.remove(&id).unwrap_or_default();
        open.missing += unheard as u64;
        open.intended = Some(intended);
        let at = intended.saturating_sub(self.start);
        if open.missing > 0 {
            let (missing, elapsed) = (open.missing, end.saturating_sub(intended));
            let phase = &mut self.phases[self.timeline.phase_at(at)];
            phase.checks.lost += missing;
            phase.delivery.saturating_record_n(elapsed, missing);
            if let Some(slice) = self.slices.get_mut(self.timeline.slice_at(at)) {
                slice.lost += missing;
                slice.latency.saturating_record_n(elapsed, missing as u32);
            }
            if let Some(channel) = self.channels.get_mut(&channel) {
                channel.checks.lost += missing;
            }
        }
        self.close(&open, end);
    }
}

#[cfg(test)]
mod tests;

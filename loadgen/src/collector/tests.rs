use super::*;
use crate::payload_stamp::Stamp;
use crate::phase::Phase;
use crate::recorder::Recorder;
use proptest::prelude::*;
use std::time::Duration;

const MS: u64 = 1_000_000;
const START: u64 = 5 * MS;
const END: u64 = 10_000 * MS;
/// One message of each publisher every so often, in channels by turns.
const EVERY: u64 = 20 * MS;
const MESSAGES: u64 = 20;
const CHANNELS: u32 = 2;

/// What becomes of a message on its way to one subscriber.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Arrives after so many ms.
    Arrives(u64),
    /// Twice.
    Repeated(u64),
    Lost,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        20 => (0..15u64).prop_map(Fate::Arrives),
        2 => (20..90u64).prop_map(Fate::Arrives),
        1 => (0..90u64).prop_map(Fate::Repeated),
        1 => Just(Fate::Lost),
    ]
}

fn timeline() -> Arc<Timeline> {
    let length = Duration::from_nanos(MESSAGES * EVERY / 2);
    Arc::new(Timeline::new(vec![
        Phase { measured: false, ..Phase::steady("first", length, 1.0) },
        Phase::steady("second", length, 1.0),
    ]))
}

fn sent(publisher: u32, number: u64) -> Sent {
    let channel = Channel(((number + u64::from(publisher)) % u64::from(CHANNELS)) as u32);
    let id = (PublisherId(publisher), channel, number / u64::from(CHANNELS));
    Sent { id, intended: START + number * EVERY }
}

/// One run in virtual time: subscribers by thread, and the fate of each delivery.
struct World {
    threads: u32,
    subscribers: u32,
    publishers: u32,
    fates: Vec<Fate>,
}

impl World {
    fn channel(subscriber: u32) -> Channel {
        Channel(subscriber / 2 % CHANNELS)
    }

    fn messages(&self) -> Vec<Sent> {
        let of = |publisher| (0..MESSAGES).map(move |number| sent(publisher, number));
        (0..self.publishers).flat_map(of).collect()
    }

    fn fate(&self, message: usize, subscriber: u32) -> Fate {
        self.fates[(message * self.subscribers as usize + subscriber as usize) % self.fates.len()]
    }

    /// All deliveries in the order of time: when, to which subscriber, which message.
    fn deliveries(&self) -> Vec<(u64, u32, usize)> {
        let mut deliveries = Vec::new();
        for (message, sent) in self.messages().iter().enumerate() {
            for subscriber in (0..self.subscribers).filter(|s| Self::channel(*s) == sent.id.1) {
                let (delay, times) = match self.fate(message, subscriber) {
                    Fate::Arrives(delay) => (delay, 1),
                    Fate::Repeated(delay) => (delay, 2),
                    Fate::Lost => (0, 0),
                };
                let at = sent.intended + delay * MS;
                deliveries.extend((0..times).map(|more| (at + more, subscriber, message)));
            }
        }
        deliveries.sort_unstable();
        deliveries
    }

    fn run(&self) -> Collector {
        let mut recorders: Vec<Recorder> =
            (0..self.threads).map(|_| Recorder::new(timeline(), false)).collect();
        let mut of_channel = HashMap::new();
        for subscriber in 0..self.subscribers {
            let (thread, channel) = (subscriber % self.threads, Self::channel(subscriber));
            recorders[thread as usize].admit([channel].into_iter(), false);
            of_channel.entry(channel).or_insert_with(HashSet::new).insert(thread);
        }
        let threads = of_channel.into_iter().map(|(channel, of)| (channel, of.len())).collect();
        let mut collector = Collector::new(timeline(), threads);
        collector.start = START;
        recorders.iter_mut().for_each(|recorder| recorder.start = START);
        let messages = self.messages();
        for (number, (at, subscriber, message)) in self.deliveries().into_iter().enumerate() {
            let recorder = &mut recorders[(subscriber % self.threads) as usize];
            let Sent { id: (publisher, channel, index), intended } = messages[message];
            let stamp = Stamp { publisher, channel, index, intended };
            recorder.deliver((subscriber / self.threads) as usize, stamp, false, at);
            if number % 7 == 0 {
                collector.add(recorder.take());
            }
        }
        recorders.into_iter().for_each(|recorder| collector.add(recorder.finish()));
        let mut counts = HashMap::new();
        for Sent { id: (publisher, channel, index), .. } in &messages {
            counts.insert((*publisher, *channel), index + 1);
        }
        collector.finish(messages.into_iter(), &counts, &HashSet::new(), END);
        collector
    }

    /// By the definition: the latencies of one message's subscribers, ascending.
    fn latencies(&self, message: usize, sent: &Sent) -> Vec<u64> {
        let due =
            (0..self.subscribers).filter(|subscriber| Self::channel(*subscriber) == sent.id.1);
        let mut latencies: Vec<u64> = due
            .map(|subscriber| match self.fate(message, subscriber) {
                Fate::Arrives(delay) | Fate::Repeated(delay) => delay * MS,
                Fate::Lost => END - sent.intended,
            })
            .collect();
        latencies.sort_unstable();
        latencies
    }
}

proptest! {
    #[test]
    fn a_run_in_virtual_time_amounts_to_what_the_definitions_say(
        threads in 1..4u32, subscribers in 1..12u32, publishers in 1..3u32,
        fates in proptest::collection::vec(fate(), 1..400),
    ) {
        let world = World { threads, subscribers, publishers, fates };
        let collector = world.run();
        let mut expected: Vec<PhaseTotals> = vec![PhaseTotals::default(), PhaseTotals::default()];
        for (number, sent) in world.messages().iter().enumerate() {
            let phase = usize::from(sent.intended - START >= MESSAGES * EVERY / 2);
            let phase = &mut expected[phase];
            let latencies = world.latencies(number, sent);
            let Some(last) = latencies.last() else { continue };
            phase.first.saturating_record(latencies[0]);
            phase.median.saturating_record(latencies[latencies.len().div_ceil(2) - 1]);
            phase.last.saturating_record(*last);
            latencies.iter().for_each(|latency| phase.delivery.saturating_record(*latency));
        }
        for (found, expected) in collector.phases.iter().zip(&expected) {
            prop_assert_eq!(&found.delivery, &expected.delivery);
            prop_assert_eq!(&found.first, &expected.first);
            prop_assert_eq!(&found.median, &expected.median);
            prop_assert_eq!(&found.last, &expected.last);
        }
        let deliveries = world.deliveries().len() as u64;
        let due: u64 = expected.iter().map(|phase| phase.delivery.len()).sum();
        let mut checks = Checks::default();
        collector.phases.iter().for_each(|phase| checks.add(&phase.checks));
        prop_assert_eq!(due, collector.total.deliveries + checks.lost);
        prop_assert_eq!(deliveries, collector.total.deliveries + checks.duplicates);
        let by_channel: u64 = collector.channels.values().map(|of| of.checks.lost).sum();
        let by_slice: u64 = collector.slices.iter().map(|slice| slice.lost).sum();
        prop_assert_eq!((by_channel, by_slice), (checks.lost, checks.lost));
    }
}

#[test]
fn a_loss_counts_with_the_time_that_passed_and_a_refusal_not_at_all() {
    let mut recorder = Recorder::new(timeline(), false);
    recorder.admit([Channel(0)].into_iter(), false);
    recorder.start = START;
    let mut collector = Collector::new(timeline(), HashMap::from([(Channel(0), 1)]));
    collector.start = START;
    let sends: Vec<Sent> = (0..4)
        .map(|index| Sent {
            id: (PublisherId(0), Channel(0), index),
            intended: START + index * EVERY,
        })
        .collect();
    let Sent { id: (publisher, channel, index), intended } = sends[2];
    recorder.deliver(0, Stamp { publisher, channel, index, intended }, false, intended + MS);
    collector.add(recorder.finish());
    // The first was lost, the second refused, the third came, the last never did.
    let refused = HashSet::from([sends[1].id]);
    let counts = HashMap::from([((PublisherId(0), Channel(0)), 4)]);
    collector.finish(sends.into_iter(), &counts, &refused, END);
    let phase = &collector.phases[0];
    assert_eq!((phase.checks.lost, phase.delivery.len(), phase.last.len()), (2, 3, 3));
    assert!(phase.delivery.equivalent(phase.delivery.min(), MS));
    assert!(phase.delivery.equivalent(phase.delivery.max(), END - START));
}

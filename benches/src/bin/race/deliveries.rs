//! What was published, what was received, and the server's faults.

use uringcast_loadgen::delivery_check::{Arrival, OrderCheck, Window};

/// Which connection subscribes to what: connection `(channel * subscribers + s) % connections` has
/// channel `channel` as its `s`-th subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub channels: u32,
    /// Of each channel.
    pub subscribers: u32,
    pub connections: u32,
}

impl Layout {
    /// The channels of a connection.
    pub(crate) fn channels_of(&self, connection: u32) -> impl Iterator<Item = u32> {
        let all = u64::from(self.channels) * u64::from(self.subscribers);
        let (step, each) = (u64::from(self.connections), u64::from(self.subscribers));
        (u64::from(connection)..all).step_by(step as usize).map(move |i| (i / each) as u32)
    }

    /// The subscription of a connection to a channel, if it has one.
    fn subscription(&self, connection: u32, channel: u32) -> Option<usize> {
        let first = u64::from(channel) * u64::from(self.subscribers);
        let connections = u64::from(self.connections);
        let offset = (u64::from(connection) + connections - first % connections) % connections;
        (offset < u64::from(self.subscribers)).then_some((first + offset) as usize)
    }

    /// Subscriptions in all.
    pub(crate) fn subscriptions(&self) -> usize {
        self.channels as usize * self.subscribers as usize
    }
}

/// The faults seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Messages a subscriber did not get, as later ones show.
    pub lost: u64,
    /// Messages received again or too late.
    pub repeated: u64,
    /// Messages of a wrong length.
    pub misshapen: u64,
    /// The first message that was none of ours.
    pub strange: Option<String>,
    /// Connections the server closed.
    pub closed: u64,
}

/// See the module.
pub(crate) struct Deliveries {
    pub layout: Layout,
    pub faults: Faults,
    /// Deliveries so far.
    pub count: u64,
    /// Messages published so far; the next one's number.
    pub published: u32,
    /// Messages not yet with all their subscribers.
    pub in_flight: usize,
    /// Per subscription, which rounds came.
    order: Vec<OrderCheck>,
    /// How many subscribers are still without each message.
    window: Window,
    /// Messages that have just reached their last subscriber.
    pub completed: Vec<u32>,
}

impl Deliveries {
    pub(crate) fn new(layout: Layout) -> Deliveries {
        Deliveries {
            layout,
            faults: Faults::default(),
            count: 0,
            published: 0,
            in_flight: 0,
            order: vec![OrderCheck::default(); layout.subscriptions()],
            window: Window::default(),
            completed: Vec::new(),
        }
    }

    /// Notes a publish and gives its number.
    pub(crate) fn publish(&mut self) -> u32 {
        let number = self.published;
        self.published += 1;
        self.in_flight += 1;
        number
    }

    /// Notes that `connection` got message `number`.
    pub(crate) fn deliver(&mut self, connection: u32, number: u32) {
        let (round, channel) = (number / self.layout.channels, number % self.layout.channels);
        let Some(subscription) = self.layout.subscription(connection, channel) else {
            self.faults.strange.get_or_insert(format!("message {number} at {connection}"));
            return;
        };
        if number >= self.published {
            self.faults.repeated += 1;
            return;
        }
        let Arrival::New { skipped } = self.order[subscription].record(round.into()) else {
            self.faults.repeated += 1;
            return;
        };
        self.faults.lost += skipped;
        for round in round - skipped as u32..round {
            self.leave(round * self.layout.channels + channel);
        }
        self.count += 1;
        self.leave(number);
    }

    /// One subscriber less waits for a message.
    fn leave(&mut self, number: u32) {
        let subscribers = self.layout.subscribers;
        if self.window.receive(number.into(), 0, |_| subscribers).is_some() {
            self.in_flight -= 1;
            self.completed.push(number);
        }
    }

    /// Gives up what was not received: it counts as lost. Returns how much that was.
    pub(crate) fn give_up(&mut self) -> u64 {
        let Layout { channels, subscribers, .. } = self.layout;
        let missing = self.window.discard_before(self.published.into(), |_| subscribers);
        self.faults.lost += missing;
        self.in_flight = 0;
        for (subscription, order) in self.order.iter_mut().enumerate() {
            let channel = subscription as u32 / subscribers;
            let rounds = (self.published + channels - 1 - channel) / channels;
            if let Some(last) = rounds.checked_sub(1) {
                order.record(last.into());
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliveries(channels: u32, subscribers: u32, connections: u32) -> Deliveries {
        Deliveries::new(Layout { channels, subscribers, connections })
    }

    #[test]
    fn every_channel_has_its_subscribers_and_knows_them() {
        for (channels, subscribers, connections) in [(1, 10, 10), (7, 3, 21), (100, 1, 8)] {
            let layout = Layout { channels, subscribers, connections };
            let mut seen = vec![0; layout.subscriptions()];
            for connection in 0..connections {
                for channel in layout.channels_of(connection) {
                    let subscription = layout.subscription(connection, channel);
                    seen[subscription.expect("its own channel")] += 1;
                }
            }
            assert!(seen.iter().all(|times| *times == 1), "{layout:?}: {seen:?}");
        }
    }

    #[test]
    fn a_message_leaves_flight_with_its_last_subscriber() {
        let mut deliveries = deliveries(1, 2, 2);
        let number = deliveries.publish();
        deliveries.deliver(0, number);
        assert_eq!((deliveries.in_flight, deliveries.completed.len()), (1, 0));
        deliveries.deliver(1, number);
        assert_eq!((deliveries.in_flight, deliveries.count), (0, 2));
        assert_eq!(deliveries.completed, [number]);
    }

    #[test]
    fn lost_and_repeated_messages_are_seen() {
        let mut deliveries = deliveries(1, 1, 1);
        for _ in 0..4 {
            deliveries.publish();
        }
        deliveries.deliver(0, 0);
        deliveries.deliver(0, 0);
        deliveries.deliver(0, 2);
        assert_eq!(
            (deliveries.faults.repeated, deliveries.faults.lost, deliveries.in_flight),
            (1, 1, 1)
        );
        assert_eq!(deliveries.give_up(), 1);
        assert_eq!((deliveries.faults.lost, deliveries.in_flight), (2, 0));
    }
}

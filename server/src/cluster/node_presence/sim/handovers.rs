//! Connections that leave, nodes that end, and nodes that hand their subscribers over to another
//! one, under the same ids.

use std::time::Duration;

use uringcast_engine::PresenceEnd;

use super::{NodeId, Parcel, World, channel};

impl World {
    /// A new process takes a node over, which ends soon, or says so late.
    pub(super) fn hand_over(&mut self, from: NodeId) {
        let to = self.add_node();
        // The nodes have agreed by then, or not.
        let wait = self.rng.u64(..4_000);
        self.pass(Duration::from_millis(wait));
        let now = self.now;
        let [Some(mut before), Some(mut after)] = [from, to].map(|id| self.nodes.remove(&id))
        else {
            unreachable!("none has ended");
        };
        self.steps.push(format!("{now:?} {from:?} is handed over to {to:?}"));
        for ((place, connection), user) in &before.subscriptions {
            after.presence.enter(now, &channel(*place), *connection, user.clone());
            before.presence.leave(&channel(*place), *connection, PresenceEnd::HandedOver);
        }
        after.subscriptions = std::mem::take(&mut before.subscriptions);
        self.nodes.extend([(from, before), (to, after)]);
        let wait = *self.rng.choice(&[0, 1, 500, 4_000]).expect("some");
        self.pass(Duration::from_millis(wait));
        self.end(from, true);
    }

    /// A connection of a node leaves a channel, or ends.
    pub(super) fn leave(&mut self, id: NodeId) {
        let now = self.now;
        let node = self.nodes.get_mut(&id).expect("a node");
        let all: Vec<_> = node.subscriptions.keys().copied().collect();
        let Some((place, connection)) = self.rng.choice(&all).copied() else { return };
        node.subscriptions.remove(&(place, connection));
        let why = if self.rng.bool() { PresenceEnd::Ended } else { PresenceEnd::Unsubscribed };
        node.presence.leave(&channel(place), connection, why);
        self.steps.push(format!("{now:?} {id:?}: {connection} leaves {place}"));
    }

    /// A node ends, and says so or not.
    pub(super) fn end(&mut self, id: NodeId, says_so: bool) {
        let node = self.nodes.remove(&id).expect("a node");
        self.steps.push(format!("{:?} {id:?} ends", self.now));
        let bye = node.presence.bye().filter(|_| says_so);
        for to in self.nodes.keys() {
            let bye = bye.clone().map(|bytes| Parcel::Message(*to, bytes));
            self.parcels.extend(bye.map(|parcel| (self.now, parcel)));
        }
    }
}

#[test]
fn nobody_is_told_of_coming_or_going_when_a_node_is_handed_over() {
    for seed in 0..50 {
        let mut world = World::new(seed, None);
        (world.losses, world.failures) = (0, 0);
        for _ in 0..10 {
            let id = world.any_node().expect("nodes");
            world.enter(id);
        }
        world.pass(Duration::from_secs(4));
        let before = (world.joins, world.leaves);
        let members: Vec<_> = world.told.iter().map(|told| told.members.clone()).collect();
        let id = world.any_node().expect("nodes");
        world.hand_over(id);
        world.pass(Duration::from_secs(15));
        assert_eq!((world.joins, world.leaves), before, "seed {seed}: {:#?}", world.steps);
        let told = world.told.iter().map(|told| told.members.clone());
        assert_eq!(told.collect::<Vec<_>>(), members, "seed {seed}: {:#?}", world.steps);
    }
}

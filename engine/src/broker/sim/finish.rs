//! A whole run, and what must be true when nothing more happens.

use std::collections::BTreeMap;
use std::time::Duration;

use super::counted::Counted;
use super::external::External;
use super::world::World;
use crate::telemetry::Count;

/// What a run met, and how often.
pub(super) type Tally = BTreeMap<&'static str, u64>;

/// Rounds within which everything must come to rest: 20 virtual seconds and more.
const PATIENCE: usize = 6_000;

impl World {
    pub(super) fn run(&mut self) -> Tally {
        for step in 0..self.plan.steps {
            self.step();
            let fails = self.external.as_ref().is_some_and(|external| external.fails);
            if step == self.plan.steps / 2 && !(self.plan.lossy || fails) {
                self.serve_the_willing();
            }
        }
        // A loss is noticed when the next frame comes: only then everything must be there.
        let lossy = std::mem::take(&mut self.plan.lossy);
        self.set_degraded(false);
        let failed = self.external.as_mut().is_some_and(External::recover);
        self.settle(!(lossy || failed));
        if !(lossy || failed) {
            self.judge_updates();
        }
        // Clients that are still connected get what is published now. A shard takes the next
        // message once it has swept the one before.
        for channel in 0..self.plan.channels {
            self.publish(channel);
            self.settle(false);
        }
        self.settle(true);
        self.judge_updates();
        if self.plan.drains {
            self.drain();
        }
        self.count()
    }

    /// Clients that read get everything while others are stuck, even a whole shard (invariant 6).
    fn serve_the_willing(&mut self) {
        // What comes from outside waits for all shards that are to have it.
        let may_stick = self.chance(50) && self.external.is_none();
        let stuck = may_stick.then(|| self.rng.usize(..self.plan.shards));
        let willing: Vec<usize> = (0..self.clients.len())
            .filter(|client| self.clients[*client].reading && !self.clients[*client].gone)
            .filter(|client| Some(self.clients[*client].shard) != stuck)
            .collect();
        let is_served = |world: &World, client: usize| {
            let client = &world.clients[client];
            let home = |channel| world.hubs[0].home_of(world.truth.channel_name(channel));
            let served = |channel: usize| {
                Some(home(channel).index()) == stuck || client.has_all(channel, &world.truth)
            };
            client.ended || (0..world.plan.channels).all(served)
        };
        for _ in 0..PATIENCE {
            self.round(&willing, stuck);
            if willing.iter().all(|client| is_served(self, *client)) {
                return;
            }
        }
        let late: Vec<_> = willing.iter().filter(|client| !is_served(self, **client)).collect();
        panic!("{late:?} wait for those who are stuck (shard {stuck:?})");
    }

    fn round(&mut self, readers: &[usize], stuck: Option<usize>) {
        for shard in (0..self.plan.shards).filter(|shard| Some(*shard) != stuck) {
            self.turn(shard, true);
        }
        for client in readers {
            // The socket of a client that keeps reading takes more.
            self.sockets[*client].room = self.sockets[*client].room.max(3_000);
            self.read(*client, usize::MAX);
        }
        self.pass_time(Duration::from_millis(4));
    }

    /// All clients read for one round.
    pub(super) fn serve_all(&mut self) {
        let all: Vec<usize> = (0..self.clients.len()).collect();
        self.round(&all, None);
    }

    /// All clients read until nothing is left to be done.
    pub(super) fn settle(&mut self, judged: bool) {
        let all: Vec<usize> = (0..self.clients.len()).collect();
        all.iter().for_each(|client| self.clients[*client].reading = true);
        for _ in 0..PATIENCE {
            self.round(&all, None);
            if self.is_at_rest() {
                return if judged {
                    self.judge()
                };
            }
        }
        self.judge();
        panic!("it never comes to rest: {}", self.unrest());
    }

    fn is_at_rest(&self) -> bool {
        let mut lanes = self.lanes.iter().flatten();
        let mut clients = self.clients.iter().zip(&self.sockets);
        let mut ports = self.ports.iter().flatten();
        !self.busy.contains(&true)
            && self.external.as_ref().is_none_or(External::is_at_rest)
            && self.hubs.iter().all(|hub| hub.is_quiet())
            && lanes.all(|pair| pair.requests.is_empty() && pair.notices.is_empty())
            && ports.all(|port| port.key.is_none() || !(port.polled || port.shut || port.paused))
            && clients.all(|(end, socket)| match end.gone || end.ended {
                true => socket.released,
                false => {
                    let said = socket.up.is_empty() && socket.up_end.is_none();
                    said && socket.down.is_empty() && end.closed.is_none() && end.fault.is_none()
                }
            })
    }

    fn unrest(&self) -> String {
        let quiet: Vec<bool> = self.hubs.iter().map(|hub| hub.is_quiet()).collect();
        format!("busy {:?}, hubs quiet {quiet:?}", self.busy)
    }

    fn judge(&self) {
        for (number, client) in self.clients.iter().enumerate() {
            let there = !(client.gone || client.ended);
            assert!(
                !there || client.is_level(&self.truth),
                "{number} misses something: {client:?}"
            );
            assert!(!there || client.fault.is_none(), "{number}'s fault went unpunished");
        }
        if self.plan.presence {
            self.judge_attendance();
        }
    }

    fn drain(&mut self) {
        let there: Vec<usize> = (0..self.clients.len())
            .filter(|client| !(self.clients[*client].gone || self.clients[*client].ended))
            .collect();
        if self.plan.seed.is_multiple_of(2) {
            self.tell_all();
        }
        self.hubs.iter_mut().for_each(|hub| hub.begin_drain());
        self.settle(true);
        for client in there {
            let end = &self.clients[client];
            let expired = end.reason == "Token expired";
            assert!(end.closed == Some(1001) || expired, "client {client}: {:?}", end.closed);
        }
        assert!(self.hubs.iter().all(|hub| hub.connections() == 0), "somebody was left");
    }

    /// Nothing is dropped without a count (invariant 10).
    fn count(&mut self) -> Tally {
        let mut counted = std::mem::take(&mut self.former);
        counted.add(&mut self.hubs, self.plan.services);
        let (broadcasts, done) = (counted.broadcasts, counted.done);
        // An event of presence may go with its channel before anybody looks.
        let unseen = broadcasts.checked_sub(self.truth.total());
        let most = if self.plan.presence { self.truth.passed() } else { 0 };
        let is_all = self.plan.external || unseen.is_some_and(|unseen| unseen <= most);
        assert!(is_all, "{broadcasts} broadcasts");
        let sum = |f: fn(&super::client::Client) -> u64| self.clients.iter().map(f).sum::<u64>();
        let missed = [Count::Missed, Count::Skipped, Count::Conflated];
        let missed = missed.iter().map(|what| counted.count(*what)).sum::<u64>();
        assert!(missed > 0 || sum(|c| c.gaps) == 0, "gaps are counted");
        let busy = counted.busy;
        assert!(busy >= sum(|c| c.busy), "refusals are counted");
        assert!(
            counted.count(Count::Refused) + counted.count(Count::ChannelRefusals) >= self.refused
        );
        let handed = counted.count(Count::Deliveries) + counted.count(Count::CatchUps);
        assert!(handed >= sum(|c| c.events), "deliveries are counted");
        if self.lost == 0 {
            assert_eq!(done, broadcasts, "every broadcast ends once");
        } else {
            // A few may be the last frames of their joins, which no later one reveals.
            let most = if self.plan.presence { 12 } else { 6 };
            let few = self.lost < most || self.plan.handed_over > 0;
            assert!(counted.count(Count::Rejoins) > 0 || few, "{} lost", self.lost);
        }
        self.tally(&counted)
    }

    /// What was met.
    fn tally(&self, counted: &Counted) -> Tally {
        let sum = |f: fn(&super::client::Client) -> u64| self.clients.iter().map(f).sum::<u64>();
        let closed = |reason: &str| {
            self.clients.iter().filter(|client| client.reason.starts_with(reason)).count() as u64
        };
        use Count::{Conflated, Laggards, LaneFull, LogEvictions, Missed, Skipped};
        use Count::{Recoveries, Refused, Rejoins};
        let counts = [LaneFull, Laggards, LogEvictions, Missed, Recoveries, Refused, Rejoins];
        let counts = counts.into_iter().chain([Skipped, Conflated]);
        let mut tally: Tally = counts.map(|what| (what.label(), counted.count(what))).collect();
        if self.plan.deflating > 0 {
            use Count::{ContextDeflates, ContextDeliveries, DeflateSavedBytes};
            use Count::{TwinDeflates, TwinDeliveries};
            let kinds = [ContextDeflates, ContextDeliveries, TwinDeflates, TwinDeliveries];
            let kinds = kinds.into_iter().chain([DeflateSavedBytes]);
            tally.extend(kinds.map(|what| (what.label(), counted.count(what))));
        }
        if counted.count(Count::ChannelRefusals) > 0 {
            tally.insert("channels refused", counted.count(Count::ChannelRefusals));
        }
        tally.insert("handed over", self.plan.handed_over);
        tally.insert("gaps", sum(|client| client.gaps));
        tally.insert("busy", sum(|client| client.busy));
        let forbidden = sum(|client| client.forbidden);
        assert!(self.plan.changes || forbidden == 0, "everybody may do everything");
        if self.plan.changes {
            tally.insert("forbidden", forbidden);
            tally.insert("too fast", sum(|client| client.too_fast));
            tally.insert("grants lost", self.grants_lost);
        }
        if self.plan.patterns {
            tally.insert("patterns", sum(|client| client.patterns_confirmed));
        }
        if self.plan.presence {
            tally.insert("lists", sum(|client| client.lists));
            tally.insert("joins and leaves", sum(|client| client.joins_and_leaves));
        }
        if self.plan.returns {
            tally.insert("returned", sum(|client| client.returned));
            tally.insert("partial", sum(|client| client.partial));
            tally.insert("replayed", sum(|client| client.replayed));
        }
        if self.plan.states {
            tally.insert("states", sum(|client| client.states));
        }
        if self.plan.updates {
            let updates =
                |client: &super::client::Client| client.updates.as_ref().map(|of| of.count);
            tally.insert("updates", self.clients.iter().filter_map(updates).sum());
        }
        self.tally_order(&mut tally, counted);
        if self.plan.histories {
            tally.insert("messages of history", sum(|client| client.histories));
        }
        tally.insert("not recovered", sum(|client| client.not_recovered));
        tally.insert("outbox full", closed("Replies"));
        tally.insert("slow consumers", closed("slow consumer"));
        tally.insert("laggard memory", closed("slow consumer: "));
        tally.insert("keepalive", closed("keepalive"));
        tally.insert("authenticated", sum(|client| client.authenticated));
        tally.insert("turned away", sum(|client| client.turned_away));
        tally.insert("expired", closed("Token expired"));
        tally.insert("drained", closed("Server is shutting"));
        tally.insert("relieved", closed("Reconnect: "));
        tally.insert("expelled", self.expelled);
        tally.insert("full", closed("Server at maximum"));
        self.tally_chains(&mut tally);
        tally
    }

    fn tally_chains(&self, tally: &mut Tally) {
        for met in self.hubs.iter().map(|hub| hub.met()) {
            for (what, count) in [
                ("chains written", met.written),
                ("chains cut", met.cut),
                ("chains forgotten", met.forgotten),
                ("chains grouped", met.grouped),
            ] {
                *tally.entry(what).or_default() += count;
            }
        }
    }
}

//! What must hold of a shard's channels after every iteration (invariants 2 and 3).

use std::collections::HashMap;
use std::time::Duration;

use super::{Channels, Role};
use crate::broker::channel::replica::ReplicaState;
use crate::broker::channel::since::Since;
use crate::broker::channel::sweep_queue::Queued;
use crate::broker::context::Context;
use crate::types::{ChannelIndex, ShardId};

impl Channels {
    /// Compares how many members have each channel by a pattern alone with what their connections
    /// say.
    pub(in crate::broker) fn check_by_pattern(&self, by_pattern: &HashMap<ChannelIndex, u32>) {
        for (index, channel) in (0..self.table.slots()).filter_map(|slot| self.table.at(slot)) {
            let members = by_pattern.get(&index).copied().unwrap_or(0);
            assert_eq!(channel.by_pattern, members, "members by pattern of {:?}", channel.name);
        }
    }

    /// Cross-checks what is kept twice. `holds` counts the operations and filters that hold each
    /// channel; `behind` how often a shard's lane lists one.
    pub(in crate::broker) fn check(
        &self,
        cx: &Context,
        holds: &HashMap<ChannelIndex, u32>,
        behind: impl Fn(ShardId, ChannelIndex) -> usize,
    ) {
        let mut makers = Vec::new();
        let (mut members, mut clients, mut frames, mut bytes, mut unswept) = (0, 0, 0, 0, 0);
        for (index, channel) in (0..self.table.slots()).filter_map(|slot| self.table.at(slot)) {
            makers.extend(channel.maker);
            assert_eq!(&channel.class, cx.class_of(&channel.name), "its class is another");
            let served =
                matches!(&channel.role, Role::Replica(r) if r.state() == ReplicaState::Live);
            let ends = channel.is_idle() || channel.is_unheard() && served;
            assert!(
                channel.maker.is_none() || !ends || channel.left,
                "a channel without publications stays without subscribers"
            );
            members += channel.live.len();
            clients += if channel.name.is_probe() { 0 } else { channel.live.len() };
            frames += channel.log.len();
            let listed = channel.log.len() == 0 || self.retention.lists(index, channel.log.head());
            assert!(listed, "frames that no limit of the shard drops");
            bytes += channel.log.bytes() + channel.log.kept_bytes();
            unswept += channel.log.bytes_from(channel.live.delivered().next());
            assert_eq!(channel.holds, holds.get(&index).copied().unwrap_or(0));
            match channel.queued {
                Queued::No => assert!(channel.is_level(), "a subscriber waits for a clean channel"),
                Queued::Now => {}
                Queued::Until(time) => {
                    let first = channel.log.from(channel.live.delivered().next()).next();
                    // Its log may have been emptied meanwhile.
                    let waited = first.map_or(Duration::ZERO, |f| cx.time().since(f.accepted_at));
                    let late = waited >= channel.class.coalesce || cx.time() >= time;
                    assert!(!late, "it waits too long");
                    assert!(!cx.draining && !channel.live.is_sweeping(), "it waits for nothing");
                }
            }
            let listed = Some(channel.queued).filter(|queued| *queued != Queued::No);
            assert!(self.queue.listed(index).into_iter().eq(listed), "the list of sweeps");
            let Role::Home(home) = &channel.role else { continue };
            for interest in home.interests() {
                let listed = behind(interest.shard, index);
                assert_eq!(listed, usize::from(interest.behind), "list of the behind");
                let level = interest.next > channel.log.head() && interest.gap.is_none();
                let told = interest.is_told_of_it();
                assert!(level || told || interest.behind, "a shard is owed and not listed");
            }
            let open = channel.log.unread(channel.needed_from()).0 as u64;
            // A shard that has left may be invited from where it was.
            let is_back = home.interests().iter().any(|interest| interest.invited.is_some());
            // An answer of an external order comes whole, and a message with the gap before it.
            let kept = channel.class.retention.frames as u64;
            let whole = channel.upstream.as_ref().map_or(0, |_| kept + 1);
            let is_bounded = open <= cx.limits.channel_frames + whole || is_back;
            assert!(is_bounded, "{open} frames not swept");
            let most = kept + cx.limits.channel_frames + whole;
            assert!(channel.log.len() as u64 <= most + 1, "{} frames", channel.log.len());
        }
        self.unpublished.check(&makers);
        assert_eq!(members, self.memberships.total());
        assert_eq!(clients, self.memberships.all_clients());
        assert_eq!(self.retention.bytes(), bytes);
        assert_eq!(self.retention.unswept(), unswept);
        // What arrives is refused at the bound: the last one taken may pass it. (So may the past of
        // a channel that another shard is home of, or an external order.)
        let most = cx.limits.shard_unswept + cx.config.services[0].max_message + 1_000;
        let is_bound = cx.homes.shards() == 1 && !cx.is_external;
        assert!(!is_bound || unswept <= most, "{unswept} bytes not swept");
        let (held, arrivals) = self.retention.frames();
        assert_eq!(held, frames, "frames of all logs");
        assert!(arrivals <= 2 * held + 17, "{arrivals} arrivals of {held} frames");
        assert!(self.exchange.is_idle(), "frames for other shards wait");
    }

    /// Checks that each subscription of a connection names its place in a live set.
    pub(in crate::broker) fn check_subscriptions(&self, connection: u32) {
        let mut followed = 0;
        for subscription in self.memberships.of(connection) {
            let position = subscription.position;
            let members = self.table[subscription.channel].live.members(position.encoding());
            assert_eq!(members[position.place()], connection, "a position");
            let since = self.table[subscription.channel].live.since(position);
            followed += usize::from(since.is_some_and(Since::follows));
        }
        assert!(followed <= 1, "{connection} follows {followed} contexts");
    }

    /// Whether an answer of the external order is waited for, or must be asked for.
    pub(in crate::broker) fn awaits_upstream(&self) -> bool {
        let all = (0..self.table.slots()).filter_map(|slot| self.table.at(slot));
        all.into_iter().any(|(_, channel)| {
            if let Role::Replica(replica) = &channel.role {
                return replica.state() == ReplicaState::Absent && !channel.live.is_empty();
            }
            channel.tie().is_some_and(|upstream| {
                let must_follow = upstream.is_unconfirmed() && !channel.is_unheard_everywhere();
                upstream.is_asking() || must_follow
            })
        })
    }

    /// The saboteur of the simulation: channels that wait are never swept.
    pub(in crate::broker) fn forget_waits(&mut self) {
        self.queue.stuck = true;
    }

    /// Bytes of all status documents.
    pub(in crate::broker) fn document_bytes(&self) -> usize {
        self.statuses.document_bytes()
    }
}

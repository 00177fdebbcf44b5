//! Dividing a state among the shards of the successor.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use super::document::State;
use super::early_division::Behind;
use super::placement::{Need, Needs, check_connections, of_shard};
use super::{
    Channel, Connection, EarlyBook, HandoverError, History, Part, PlacedChannel, PlacedRole,
    Published,
};
use crate::limits::MAX_CHANNELS_PER_SHARD;
use crate::shared_frame::Frame;
use crate::types::{ChannelName, Seq, ServiceId, ShardId, Time};

impl State {
    /// Divides the state among so many shards: connections by the shard of their sockets, channels
    /// by their names. `early` are those that went over before.
    ///
    /// # Errors
    /// [`HandoverError`] where parts of the state contradict each other, or where the shards are
    /// too few for it.
    pub fn divide(self, shards: usize, mut early: EarlyBook) -> Result<Vec<Part>, HandoverError> {
        let State { engine, histories, shards: held, .. } = self;
        let homes = engine.homes(shards);
        let floor = held.iter().map(|shard| shard.floor).max().unwrap_or(Seq(0));
        let mut parts: Vec<Part> = (0..shards).map(|shard| Part::new(shard, floor)).collect();
        let (mut channels, mut rosters, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        let (mut theirs, mut published, mut acknowledged) = (Vec::new(), Vec::new(), Vec::new());
        for shard in held {
            channels.extend(shard.channels);
            rosters.extend(shard.rosters);
            forgotten.extend(shard.forgotten);
            published.extend(shard.published);
            acknowledged.extend(shard.acknowledged);
            for connection in shard.connections {
                let (at, slot) = (connection.socket.shard, connection.socket.slot);
                let part = of_shard(&mut parts, at)?;
                if early.leave((at, slot)) {
                    part.retracted.push(slot);
                }
                part.connections.push(connection);
            }
            theirs.push((shard.shard, shard.heads));
            for (at, slot) in shard.ended {
                if !early.leave((at, slot)) {
                    return Err(HandoverError::Malformed("a connection that ended twice"));
                }
                of_shard(&mut parts, at)?.retracted.push(slot);
            }
            for (at, slot, records) in shard.sealed {
                of_shard(&mut parts, at)?.sealed.push((slot, records));
            }
        }
        complete(&mut channels, histories);
        if engine.is_ordered_outside {
            let stranded = stranded(&channels, &theirs, engine.time);
            channels.extend(stranded);
        }
        let services = engine.services.len();
        for part in &mut parts {
            check_connections(&mut part.connections, services)?;
        }
        let heads = heads_of(&channels, services)?;
        let mut needs = needs_of(&parts, &heads)?;
        let mut behind = Behind::default();
        theirs.into_iter().for_each(|theirs| early.note_behind(&mut behind, &heads, theirs));
        early.add_needs(&heads, &behind, &mut needs)?;
        for channel in channels {
            let home = homes.of(&channel.name);
            place(&mut parts, channel, home, &needs)?;
        }
        early.subscribe(&behind, &mut parts);
        let present = present(&parts);
        for roster in rosters {
            let part = &mut parts[homes.of(&roster.channel).index()];
            let ids = roster.members.iter().flat_map(|member| &member.connections);
            let pairs = ids.map(|id| (roster.channel.clone(), *id));
            part.absent.extend(pairs.filter(|pair| !present.contains(pair)));
            part.rosters.push(roster);
        }
        for (name, head) in forgotten {
            parts[homes.of(&name).index()].forgotten.push((name, head));
        }
        published.sort_by_key(|one: &Published| one.at);
        for one in published {
            parts[homes.of(&one.channel).index()].published.push(one);
        }
        share_patterns(&mut parts);
        parts.iter_mut().for_each(|part| part.acknowledged.clone_from(&acknowledged));
        Ok(parts)
    }
}

impl Part {
    fn new(shard: usize, floor: Seq) -> Part {
        Part {
            shard: ShardId(shard as u8),
            channels: Vec::new(),
            connections: Vec::new(),
            rosters: Vec::new(),
            absent: Vec::new(),
            patterns: Vec::new(),
            forgotten: Vec::new(),
            floor,
            retracted: Vec::new(),
            early: Vec::new(),
            sealed: Vec::new(),
            published: Vec::new(),
            acknowledged: Vec::new(),
        }
    }

    fn add(
        &mut self,
        channel: Channel,
        role: PlacedRole,
        maker: Option<(Option<u32>, IpAddr)>,
    ) -> Result<u32, HandoverError> {
        let slot = self.channels.len();
        if slot >= MAX_CHANNELS_PER_SHARD {
            return Err(HandoverError::NoRoom("channels"));
        }
        self.channels.push(PlacedChannel { channel, role, maker });
        Ok(slot as u32)
    }

    /// How far the floor of forgotten channels is: at least here.
    fn pass(&mut self, head: Seq) {
        self.floor = self.floor.max(head);
    }
}

/// Puts what has gone over before in front of what the logs have got since.
fn complete(channels: &mut [Channel], histories: Vec<History>) {
    let mut before: HashMap<ChannelName, Vec<Frame>> = HashMap::new();
    for (name, frames) in histories.into_iter().flat_map(|history| history.logs) {
        before.entry(name).or_default().extend(frames);
    }
    for channel in channels {
        let Some(mut frames) = before.remove(&channel.name) else { continue };
        if channel.frames.first().is_some_and(|frame| frame.first == channel.first) {
            // It is whole: what went before was of another log, or has another one in front.
            continue;
        }
        // Some of it may have been dropped since, or all, with the channel.
        frames.retain(|frame| frame.seq >= channel.first && frame.seq <= channel.head);
        frames.append(&mut channel.frames);
        channel.frames = frames;
    }
}

/// Channels with subscribers that no home has: the external order was away when it was to follow
/// them again. They begin at their homes behind what the farthest subscriber has.
fn stranded(
    channels: &[Channel],
    theirs: &[(ShardId, Vec<(ChannelName, Seq)>)],
    now: Time,
) -> Vec<Channel> {
    let homed: HashSet<&ChannelName> = channels.iter().map(|channel| &channel.name).collect();
    let mut heads = BTreeMap::new();
    for (name, head) in theirs.iter().flat_map(|(_, heads)| heads) {
        if !homed.contains(name) {
            let farthest = heads.entry(name).or_insert(*head);
            *farthest = (*farthest).max(*head);
        }
    }
    let begun = heads.into_iter().filter(|(_, head)| head.0 < u64::MAX);
    begun.map(|(name, head)| Channel::begun(name.clone(), head, now)).collect()
}

/// The head of each channel. Checks that logs have no holes.
fn heads_of(
    channels: &[Channel],
    services: usize,
) -> Result<HashMap<ChannelName, Seq>, HandoverError> {
    let mut heads = HashMap::with_capacity(channels.len());
    for channel in channels {
        let Channel { name, head, first, frames, kept, .. } = channel;
        let follows = |pair: &[Frame]| pair[0].seq.next() == pair[1].first;
        let is_whole = frames.windows(2).all(follows)
            && frames.last().is_none_or(|last| last.seq == *head)
            && head.0 < u64::MAX;
        let begins = frames.first().map_or(head.next(), |frame| frame.first) == *first;
        let is_older = kept.is_sorted_by(|one, next| one.seq < next.seq)
            && kept.iter().all(|frame| frame.seq < *first && frame.key().is_some());
        if !is_whole || !begins || !is_older {
            return Err(HandoverError::Malformed("a log has a hole"));
        }
        if name.service().index() >= services {
            return Err(HandoverError::Malformed("a service that is not there"));
        }
        if heads.insert(name.clone(), *head).is_some() {
            return Err(HandoverError::Malformed("a channel with two homes"));
        }
    }
    Ok(heads)
}

fn needs_of(parts: &[Part], heads: &HashMap<ChannelName, Seq>) -> Result<Needs, HandoverError> {
    let mut needs: Needs = vec![HashMap::new(); parts.len()];
    for (part, needs) in parts.iter().zip(&mut needs) {
        for Connection { socket, peer, service, subscriptions, .. } in &part.connections {
            let mut names = HashSet::new();
            for subscription in subscriptions {
                let head = heads.get(&subscription.channel);
                let is_possible = head.is_some_and(|head| subscription.handed <= *head)
                    && subscription.channel.service() == *service
                    && names.insert(&subscription.channel);
                if !is_possible {
                    return Err(HandoverError::Malformed("a subscription"));
                }
                let next = subscription.handed.next();
                let first = (socket.slot, peer.ip());
                let need = needs.entry(subscription.channel.clone());
                let need = need.or_insert(Need { next, first });
                need.next = need.next.min(next);
            }
        }
    }
    Ok(needs)
}

/// Places a channel at its home, and where there are subscribers.
fn place(
    parts: &mut [Part],
    channel: Channel,
    home: ShardId,
    needs: &Needs,
) -> Result<(), HandoverError> {
    let need = |shard: usize| needs[shard].get(&channel.name).copied();
    let first = (0..parts.len()).find_map(need);
    if first.is_none() && !channel.is_published {
        parts[home.index()].pass(channel.head);
        return Ok(());
    }
    let is_made = !channel.is_published;
    let mut served = Vec::new();
    for shard in (0..parts.len()).filter(|shard| *shard != home.index()) {
        let Some(need) = need(shard) else { continue };
        let (replica, role) = replica_of(&channel, home, need.next);
        let maker = is_made.then_some((Some(need.first.0), need.first.1));
        let slot = parts[shard].add(replica, role, maker)?;
        served.push((ShardId(shard as u8), slot));
    }
    let own = need(home.index()).map(|need| (Some(need.first.0), need.first.1));
    let maker = own.or(first.map(|need| (None, need.first.1))).filter(|_| is_made);
    parts[home.index()].add(channel, PlacedRole::Home(served), maker)?;
    Ok(())
}

/// A channel on another shard than its home, where `next` is the oldest position that is needed.
/// What that reader could not find at the home it would not find here.
fn replica_of(channel: &Channel, home: ShardId, next: Seq) -> (Channel, PlacedRole) {
    let floor = channel.first;
    // What is kept of keys belongs to a log that begins where the home's does.
    let has_kept = next < floor;
    let frames = channel.frames.iter().filter(|frame| frame.seq >= next);
    let frames: Vec<Frame> = frames.map(Frame::for_another).collect();
    let kept = channel.kept.iter().filter(|_| has_kept);
    let replica = Channel {
        name: channel.name.clone(),
        head: channel.head,
        last_at: channel.last_at,
        first: frames.first().map_or(channel.head.next(), |frame| frame.first),
        frames,
        kept: kept.map(Frame::for_another).collect(),
        lost: if has_kept { channel.lost } else { Seq(next.0 - 1) },
        is_published: channel.is_published,
        document: None,
        state: None,
        last: None,
        used_at: channel.used_at,
        is_followed: false,
    };
    (replica, PlacedRole::Replica { home, floor, has_kept })
}

/// The connections that count for the presence of each channel.
fn present(parts: &[Part]) -> HashSet<(ChannelName, uuid::Uuid)> {
    let mut present = HashSet::new();
    for connection in parts.iter().flat_map(|part| &part.connections) {
        let counted = connection.subscriptions.iter().filter(|s| s.attendance.is_some());
        present.extend(counted.map(|s| (s.channel.clone(), connection.id)));
    }
    present
}

/// Tells every shard of the patterns of all.
fn share_patterns(parts: &mut [Part]) {
    let of = |part: &Part| {
        let patterns = part.connections.iter().flat_map(|connection| {
            connection.patterns.iter().map(|prefix| (connection.service, prefix.clone()))
        });
        let sorted: BTreeSet<(ServiceId, String)> = patterns.collect();
        sorted.into_iter().collect()
    };
    let all: Vec<Vec<(ServiceId, String)>> = parts.iter().map(of).collect();
    for part in parts {
        part.patterns.clone_from(&all);
    }
}

//! Frames between a channel's home and the other shards: in order, or with a gap that says what is
//! missing (invariant 2).

use std::rc::Rc;

use super::replica::oldest;
use super::retention::Retention;
use super::{Channel, Log, Role, Table, shard_done};
use crate::broker::context::Context;
use crate::broker::shard_messages::{JoinRequest, Joined, Kept, Lanes, Notice, Wanted};
use crate::shared_frame::Frame;
use crate::telemetry::Count;
use crate::types::{ChannelIndex, Epoch, JoinToken, Seq, ShardId};
use crate::wire::reply::{Gap, GapReason};

/// Channels homed here with something new for other shards.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    unsent: Vec<ChannelIndex>,
}

impl Exchange {
    /// The channel has something new for other shards, if there are any.
    pub(super) fn mark_unsent(&mut self, channel: &mut Channel, index: ChannelIndex) {
        if !channel.unsent && channel.shards() > 1 {
            channel.unsent = true;
            self.unsent.push(index);
        }
    }

    /// Sends new frames to the shards with subscribers. Calls `full` for each with a full lane.
    pub(super) fn fan_out(
        &mut self,
        table: &mut Table,
        lanes: &mut impl Lanes,
        mut full: impl FnMut(ShardId, ChannelIndex),
    ) {
        for index in self.unsent.drain(..) {
            let channel = &mut table[index];
            channel.unsent = false;
            if let Role::Home(home) = &mut channel.role {
                let late = home.send((&channel.name, &channel.log), lanes);
                late.into_iter().for_each(|shard| full(shard, index));
            }
        }
    }

    /// Sends a shard the rest after its lane was full. Returns whether the lane took it.
    pub(super) fn resume(channel: &mut Channel, to: ShardId, lanes: &mut impl Lanes) -> bool {
        match &mut channel.role {
            Role::Home(home) => home.resume(to, (&channel.name, &channel.log), lanes),
            Role::Replica(_) => true,
        }
    }

    /// Serves a shard from now on, and answers its join.
    pub(super) fn add_shard(
        cx: &mut Context,
        channel: &mut Channel,
        JoinRequest { from: shard, channel: key, token, wanted }: JoinRequest,
    ) -> Notice {
        let Wanted { since, last: most, latest, is_fresh, followers } = wanted;
        let reach = match &channel.role {
            Role::Home(home) => home.reach_of(shard, is_fresh),
            Role::Replica(_) => None,
        };
        let last = (most > 0).then(|| {
            let log = &channel.log;
            Seq(log.last(log.head(), most).0.saturating_sub(1))
        });
        let since = oldest(oldest(since, reach), last);
        Exchange::drop_shard(cx, channel, shard, None);
        let (log, seq) = (&channel.log, channel.log.head());
        let backlog = since.map(|since| log.from(since.next()).map(|f| f.for_another()).collect());
        let kept = latest.then(|| {
            let frames = log.kept().map(|frame| frame.for_another()).collect();
            Kept { frames, lost: log.lost() }
        });
        if let Role::Home(home) = &mut channel.role {
            home.add(shard, (key, token), (seq.next(), reach.unwrap_or(seq)), followers);
        }
        let (epoch, oldest, backlog) = (log.epoch(), log.first(), backlog.unwrap_or_default());
        let floor = channel.upstream.as_ref().map_or(oldest, |up| up.floor().min(oldest));
        let published = channel.maker.is_none();
        let is_whole = true;
        let joined =
            Joined { epoch, seq, oldest, floor, backlog, kept, published, reach, is_whole };
        Notice::Joined { channel: key, token, joined }
    }

    /// Serves a shard no longer. What it was not sent yet, it is through with.
    pub(super) fn drop_shard(
        cx: &mut Context,
        channel: &mut Channel,
        shard: ShardId,
        token: Option<JoinToken>,
    ) {
        let Role::Home(home) = &mut channel.role else { return };
        let Some(next) = home.remove(shard, token) else { return };
        for frame in channel.log.from(next) {
            shard_done(&mut cx.recorder, channel.metric_class, frame, cx.now.mono);
        }
    }

    /// Appends a frame of the home, unless it belongs to an earlier join. Returns `false` if frames
    /// before it are missing.
    pub(super) fn take_frame(
        cx: &mut Context,
        table: &mut Table,
        retention: &mut Retention,
        index: ChannelIndex,
        token: JoinToken,
        frame: Frame,
    ) -> bool {
        let channel = &table[index];
        let served = matches!(&channel.role, Role::Replica(replica) if replica.is_served(token));
        if served && frame.first == channel.log.head().next() {
            retention.append(cx, table, index, Rc::new(frame), true);
            return true;
        }
        let class = table[index].classify(&mut cx.recorder);
        shard_done(&mut cx.recorder, class, &frame, cx.now.mono);
        cx.recorder.count(Count::Rejoins, u64::from(served));
        !served
    }

    /// Puts a message in the log that reports everything missing up to `to` (invariant 2).
    pub(super) fn append_gap(
        cx: &mut Context,
        table: &mut Table,
        retention: &mut Retention,
        index: ChannelIndex,
        to: Seq,
    ) {
        let Channel { log, name, .. } = &table[index];
        let from = log.head().next();
        // A lane or the home's log was too short: no fault of a client.
        let gap = Gap { from, to, reason: GapReason::Retention, epoch: log.epoch() };
        let bytes = cx.gap_message(name, &gap);
        cx.recorder.count(Count::Missed, to.0 - from.0 + 1);
        let frame = Frame::gap(bytes.into_boxed_slice(), from, to, cx.time());
        retention.append(cx, table, index, Rc::new(frame), false);
    }

    /// The log of a channel without live subscribers begins anew behind a position that those to
    /// come have.
    pub(super) fn begin_at(
        cx: &mut Context,
        table: &mut Table,
        retention: &mut Retention,
        index: ChannelIndex,
        (epoch, start): (Epoch, Seq),
    ) {
        let channel = &mut table[index];
        retention.clear(cx, index, channel);
        channel.log = Log::new(epoch, start).sparse(channel.log.is_sparse());
        retention.edit(&mut channel.log);
        channel.live.skip_to(start);
        if let Role::Replica(replica) = &mut channel.role {
            replica.reset_floor();
        }
        retention.tidy(table);
    }

    /// Takes over what the home has sent to begin with.
    pub(super) fn join(
        cx: &mut Context,
        table: &mut Table,
        retention: &mut Retention,
        index: ChannelIndex,
        Joined { epoch, seq, oldest, floor, backlog, kept, .. }: Joined,
    ) {
        let start = backlog.first().map_or(seq, |frame| Seq(frame.first.0 - 1));
        let channel = &mut table[index];
        // A hole that no subscriber has seen is no gap: the log begins anew behind it.
        let hole = start > channel.log.head() && channel.live.is_empty();
        if hole || channel.log.epoch() != epoch {
            Exchange::begin_at(cx, table, retention, index, (epoch, start));
        }
        let head = table[index].log.head();
        let (older, newer): (Vec<_>, Vec<_>) =
            backlog.into_iter().map(Rc::new).partition(|frame| frame.seq <= head);
        retention.prepend(cx, table, index, &older);
        // A log that begins later misses more than its home's.
        if let Some(kept) = kept.filter(|_| table[index].log.first() <= oldest) {
            retention.restore(cx, table, index, kept);
        }
        for frame in newer {
            if frame.first > table[index].log.head().next() {
                Exchange::append_gap(cx, table, retention, index, Seq(frame.first.0 - 1));
            }
            retention.append(cx, table, index, frame, false);
        }
        if table[index].log.head() < seq {
            Exchange::append_gap(cx, table, retention, index, seq);
        }
        let channel = &mut table[index];
        channel.replica_mut().joined(floor);
        channel.used_at = cx.time();
        // Without live subscribers nothing here needs what was fetched for those that wait: they
        // read it at cursors.
        retention.skip_unheard(cx, channel);
    }

    /// Whether no channel has something new for other shards.
    pub(super) fn is_idle(&self) -> bool {
        self.unsent.is_empty()
    }
}

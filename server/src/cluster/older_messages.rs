//! Older messages of a channel, read for subscribers that want more than what comes.

use std::collections::VecDeque;

use uringcast_engine::{
    ChannelName, Epoch, FollowRequest, Followed, ReadPage, ReadRequest, Seq, Sequenced,
};

use super::chain::Message;
use super::names::{Names, message_of, position};

/// A channel's messages, from one of them on, as they were read.
#[derive(Debug)]
pub(super) struct Backlog {
    /// Where reading began; 0 for the oldest.
    pub(super) from: u64,
    pub(super) messages: Vec<Message>,
    /// The channel's newest; 0 where it has none.
    pub(super) newest: u64,
    /// Nothing of the channel can have been dropped yet: they are few, and the stream is young.
    pub(super) is_whole: bool,
}

/// Where reading begins for a follower: the message that has the position it names is read too, for
/// where that is still there nothing behind it was dropped.
pub(super) fn first_of(request: &FollowRequest) -> u64 {
    request.since.map_or(0, message_of)
}

impl Backlog {
    /// The publications in it, those of other programs left out, and whether the message is among
    /// them with which reading began.
    fn publications(
        &self,
        names: &Names,
        (epoch, channel): (Epoch, &ChannelName),
    ) -> (Vec<Sequenced>, bool) {
        let mut all = Vec::new();
        for message in &self.messages {
            // Of the first it is not known what was before it.
            let before = || position(message.seq - 1);
            let prev = all.last().map_or_else(before, |last: &Sequenced| last.seq);
            all.extend(names.sequenced(epoch.0, channel, prev, message).into_iter().flatten());
        }
        let is_unbroken = self.messages.first().is_some_and(|first| first.seq == self.from);
        (all, is_unbroken)
    }

    /// The answer to a follower, that goes on behind `head` at least.
    pub(super) fn followed(
        self,
        names: &Names,
        (epoch, head): (Epoch, Seq),
        request: &FollowRequest,
    ) -> Followed {
        let head = position(self.newest).max(head);
        let (all, is_unbroken) = self.publications(names, (epoch, &request.channel));
        let mut kept: VecDeque<_> = all.into();
        let mut after = match request.since {
            Some(Seq(0)) if self.is_whole => Seq(0),
            Some(since) if is_unbroken || since >= head => since,
            _ => kept.front().map_or(head, |first| Seq(first.seq.0 - 1)),
        };
        let mut bytes: usize = kept.iter().map(size).sum();
        while let Some(first) = kept.front()
            && (first.seq <= after
                || kept.len() > request.messages
                || (bytes > request.bytes && kept.len() > 1))
        {
            (bytes, after) = (bytes - size(first), after.max(first.seq));
            kept.pop_front();
        }
        Followed { epoch, head, after, messages: kept.into() }
    }

    /// The answer to a reader, of all messages of a channel.
    pub(super) fn page(self, names: &Names, epoch: Epoch, request: &ReadRequest) -> ReadPage {
        let (all, _) = self.publications(names, (epoch, &request.channel));
        let (oldest, newest) = (all.first().map(|first| first.seq), position(self.newest));
        let is_wanted = |one: &Sequenced| match request.since {
            Some(since) if request.reverse => one.seq < since,
            Some(since) => one.seq > since,
            None => true,
        };
        let mut wanted: Vec<_> = all.into_iter().filter(is_wanted).collect();
        if request.reverse {
            wanted.reverse();
        }
        let mut bytes = 0;
        let fits = |one: &&Sequenced| {
            bytes += size(one);
            bytes <= request.bytes
        };
        let count = wanted.iter().take(request.messages).take_while(fits).count();
        let count = count.max(1).min(wanted.len());
        let more = wanted.len() > count;
        wanted.truncate(count);
        ReadPage { epoch, oldest, newest, messages: wanted, more }
    }
}

fn size(one: &Sequenced) -> usize {
    one.publication.data.as_str().len()
}

#[cfg(test)]
mod tests;

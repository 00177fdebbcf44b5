//! Where a subscription is to begin in its channel's log.

use super::log::Log;
use crate::types::{ChannelRefusal, Epoch, Seq};
use crate::wire::reply::{NotRecovered, Recovery};

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With what is published from now on.
    Live,
    /// Behind a position. `whole`: live, unless everything since then is there.
    Since { epoch: Epoch, seq: Seq, whole: bool },
    /// With so many messages before that, as far as there are.
    Last(u64),
    /// With the newest message of each key, as far as there is one.
    Latest,
}

/// What has come of the request to serve a channel, for subscribers that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// Its log has what was wanted, as far as that is still there.
    Whole,
    /// Everything comes from now on. An external order has not answered which older messages it
    /// has.
    FromNowOn,
    /// It is not served.
    Refused(ChannelRefusal),
}

impl Served {
    /// Why a subscriber cannot begin there, if it cannot.
    pub(super) fn refusal(self, start: Start, log: &Log, oldest: Seq) -> Option<ChannelRefusal> {
        let has_all = match (self, start.recovery(log, oldest)) {
            (Served::Refused(why), _) => return Some(why),
            (Served::Whole, _) => true,
            (Served::FromNowOn, Some((recovery, _))) => recovery == Recovery::Whole,
            (Served::FromNowOn, None) => start == Start::Live,
        };
        (!has_all).then_some(ChannelRefusal::Unavailable)
    }
}

impl Start {
    /// For one with a position, what a log has for it, given the `oldest` position at its home; and
    /// where it goes on, unless live.
    pub(crate) fn recovery(self, log: &Log, oldest: Seq) -> Option<(Recovery, Option<Seq>)> {
        let Start::Since { epoch, seq, whole } = self else { return None };
        let is_partial = !whole;
        let (why, next) = if epoch != log.epoch() {
            // Of its own positions none is known: everything is new.
            let next = (is_partial && oldest <= log.head()).then_some(oldest);
            (NotRecovered::Restart, next)
        } else if seq > log.head() {
            (NotRecovered::Ahead, None)
        } else if seq.next() < log.first() {
            // What is gone is told when the log is read.
            (NotRecovered::Retention, is_partial.then_some(seq.next()))
        } else {
            return Some((Recovery::Whole, Some(seq.next())));
        };
        Some((next.map_or(Recovery::None(why), |_| Recovery::Partial(why)), next))
    }

    /// The oldest position that it needs of a log of which all subscribers have everything up to
    /// `delivered`. Its home's began at `floor` when it was asked last.
    pub(super) fn needs(self, log: &Log, delivered: Seq, floor: Seq) -> Option<Seq> {
        let floor = floor.max(Seq(1));
        match self {
            Start::Live => None,
            Start::Since { epoch, seq, whole } => {
                let first = if epoch == log.epoch() { seq.next() } else { Seq(0) };
                (first >= floor || !whole).then_some(first.max(floor))
            }
            Start::Last(n) => Some(log.last(delivered, n).max(floor)),
            Start::Latest => Some(floor),
        }
    }
}

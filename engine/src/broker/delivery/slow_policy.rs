//! What becomes of a laggard that is too far behind in a channel: the channel's class decides.

use super::laggard::Cursor;
use crate::broker::channel::{Channels, Log};
use crate::config::{ChannelClass, SlowPolicy};
use crate::types::{Seq, Time};
use crate::wire::reply::GapReason;

/// By which bound a laggard is too far behind, and what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// The log has dropped what it had not read.
    Log,
    /// Bytes that it has not read.
    Bytes(usize),
    /// Seconds since the oldest message that it has not read, begun ones included.
    Age(u64),
}

impl Behind {
    /// Whether a reader at `next` that may be handed everything up to `handed` is too far behind.
    pub(super) fn of(
        class: &ChannelClass,
        log: &Log,
        next: Seq,
        handed: Seq,
        now: Time,
    ) -> Option<Behind> {
        if next > handed {
            return None;
        }
        if next < log.first() {
            return Some(Behind::Log);
        }
        if let Some(most) = class.slow_bytes {
            let bytes = log.bytes_of(next, handed);
            if bytes > most {
                return Some(Behind::Bytes(bytes));
            }
        }
        let most = class.slow_age?;
        let oldest = log.from(next).next()?.accepted_at;
        let age = now.since(oldest);
        let seconds = age.as_secs() + u64::from(age.subsec_nanos() > 0);
        (age > most).then_some(Behind::Age(seconds))
    }
}

/// What a laggard's next messages of a channel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Everything from its cursor on. What the log has dropped is told.
    All,
    /// Nothing up to where the live set stands.
    Skip,
    /// Up to there, the newest of each key.
    Newest,
    /// None: it is to be closed.
    Disconnect,
}

impl Policy {
    /// How a laggard that may be blamed goes on at a cursor.
    /// By which bound it is too far behind, if it is.
    pub(super) fn at(
        channels: &Channels,
        cursor: &mut Cursor,
        handed: Seq,
        now: Time,
    ) -> (Policy, Option<Behind>) {
        let (class, log) = (channels.class(cursor.channel), channels.log(cursor.channel));
        let behind = Behind::of(class, log, cursor.next, handed, now);
        let policy = match (behind, class.slow) {
            (Some(_), SlowPolicy::Disconnect) => Policy::Disconnect,
            (Some(_), SlowPolicy::Skip) => Policy::Skip,
            (Some(_), SlowPolicy::Latest) => {
                cursor.newest_to = handed;
                Policy::Newest
            }
            (None, _) => Policy::of_cursor(cursor),
        };
        (policy, behind)
    }

    /// How a laggard goes on that is not too far behind.
    pub(super) fn of_cursor(cursor: &Cursor) -> Policy {
        if cursor.next <= cursor.newest_to { Policy::Newest } else { Policy::All }
    }
}

/// Why a laggard that gets the newest of each key is not sent what is from `from` on; `lost`: if it
/// is gone.
pub(super) fn reason_of(log: &Log, from: Seq, lost: GapReason) -> GapReason {
    match from < log.first() && from <= log.lost() {
        true => lost,
        false => GapReason::Conflated,
    }
}

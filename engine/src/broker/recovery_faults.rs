//! Faults of subscriptions that go on in the past, which the simulation must find.

use std::cell::Cell;

use super::channel::Start;
use crate::types::Seq;

/// What is wrong about where they go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecoveryFault {
    /// A subscription that was there goes on as before, whatever is confirmed.
    Unmoved,
    /// A subscription that begins with a state goes on at the head.
    StateAtHead,
    /// Positions of a list are taken for those of other channels.
    Crossed,
    /// What a log does not have any more is not told.
    Silent,
    /// Of the last messages the oldest is missing.
    Short,
    /// The newest messages of keys are not sent.
    Unreplayed,
}

thread_local! {
    /// Of the broker that this thread simulates.
    static PRESENT: Cell<Option<RecoveryFault>> = const { Cell::new(None) };
}

impl RecoveryFault {
    /// The brokers that this thread simulates from now on have this fault.
    pub(super) fn set(fault: Option<RecoveryFault>) {
        PRESENT.set(fault);
    }

    pub(super) fn is_present(self) -> bool {
        PRESENT.get() == Some(self)
    }

    /// Where a subscription with a state begins; at the newest message if so broken.
    pub(super) fn skip(start: Start, head: Seq) -> Start {
        match start {
            Start::Since { epoch, whole, .. } if RecoveryFault::StateAtHead.is_present() => {
                Start::Since { epoch, seq: head, whole }
            }
            start => start,
        }
    }

    /// Where a subscription goes on.
    pub(super) fn misplace(next: Option<Seq>, is_there: bool, first: Seq) -> Option<Seq> {
        match PRESENT.get() {
            Some(RecoveryFault::Unmoved) => next.filter(|_| !is_there),
            Some(RecoveryFault::Silent) => next.map(|next| next.max(first)),
            _ => next,
        }
    }

    /// Positions of a list, those of other channels if so broken.
    pub(super) fn cross<T>(of: impl DoubleEndedIterator<Item = T>) -> std::vec::IntoIter<T> {
        let all: Vec<T> = match RecoveryFault::Crossed.is_present() {
            true => of.rev().collect(),
            false => of.collect(),
        };
        all.into_iter()
    }
}

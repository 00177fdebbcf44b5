//! Faults of subscriptions that go on in the past, which the simulation must find.

use std::cell::Cell;

use crate::types::{Epoch, Seq};

/// What is wrong about where they go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecoveryFault {
    /// A subscription that was there goes on as before, whatever is confirmed.
    Unmoved,
    /// A subscription that begins with a state goes on at the head.
    StateAtHead,
    /// Positions of a list are taken for those of other channels.
    Crossed,
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

    /// The position of a state; that of the newest message if so broken.
    pub(super) fn skip(since: Option<(Epoch, Seq)>, head: Seq) -> Option<(Epoch, Seq)> {
        let is_broken = RecoveryFault::StateAtHead.is_present();
        since.map(|(epoch, seq)| (epoch, if is_broken { head } else { seq }))
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

//! The broadcasts of one publisher in one channel, as the subscribers of one thread receive them:
//! how many are due each, how many have it, and when the first, the median and the last had it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::receipts::Receipts;

/// Most messages that may be incomplete before the oldest is given up.
const WINDOW: usize = 1 << 17;

/// A subscriber's begin, on the thread's count of events. Those of the start are due everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joined {
    /// The thread's count of events when it joined.
    pub(crate) event: u64,
    /// The time of its confirmation: what is intended later is due to it.
    pub(crate) at: u64,
}

impl Joined {
    /// Before the first message.
    pub(crate) const AT_START: Self = Self { event: 0, at: 0 };
}

/// One message, as far as this thread's subscribers are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Broadcast {
    pub(crate) index: u64,
    /// `None` if no subscriber has received it.
    pub(crate) intended: Option<u64>,
    /// The times of receipt.
    pub(crate) receipts: Receipts,
    /// Subscribers that were due it and have not received it.
    pub(crate) missing: u32,
}

#[derive(Debug)]
struct Entry {
    /// The thread's count of events when the entry was made: subscribers that had joined by then
    /// are due it.
    event: u64,
    intended: Option<u64>,
    missing: u32,
    receipts: Receipts,
}

/// Messages from the oldest that is incomplete to the newest.
#[derive(Debug, Default)]
pub(crate) struct Broadcasts {
    /// The index of the first entry.
    first: u64,
    entries: VecDeque<Entry>,
}

/// One receipt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    pub(crate) index: u64,
    pub(crate) intended: u64,
    pub(crate) at: u64,
    pub(crate) joined: Joined,
    /// False of a message that was made up for after an absence: it is no longer missing, and
    /// its time says nothing about the broadcast.
    pub(crate) live: bool,
}

impl Broadcasts {
    /// Takes in a receipt. `present` subscribers are in the channel, and `event` is the thread's
    /// count of events. Hands on what is complete, and what was given up.
    pub(crate) fn receive(
        &mut self,
        receipt: Receipt,
        present: u32,
        event: u64,
        mut done: impl FnMut(Broadcast),
    ) {
        let Receipt { index, intended, at, joined, live } = receipt;
        let Some(mut place) = index.checked_sub(self.first) else { return };
        while self.entries.len() as u64 <= place {
            self.entries.push_back(Entry {
                event,
                intended: None,
                missing: present,
                receipts: Receipts::expecting(present),
            });
            if self.entries.len() > WINDOW {
                self.give_up(&mut done);
                place -= 1;
            }
        }
        let entry = &mut self.entries[place as usize];
        entry.intended = Some(intended);
        if joined.event >= entry.event || entry.missing == 0 {
            return;
        }
        entry.missing -= 1;
        if live {
            entry.receipts.record(at);
        }
        if entry.missing == 0 {
            self.complete(place as usize, &mut done);
        }
    }

    /// A subscriber is no longer due the messages from `from` on, before `to`, that it was due.
    /// One that was intended after it joined remains due if `strict`: it was lost.
    pub(crate) fn excuse(
        &mut self,
        joined: Joined,
        from: u64,
        to: Option<u64>,
        strict: bool,
        mut done: impl FnMut(Broadcast),
    ) {
        let end = self.first + self.entries.len() as u64;
        for index in from.max(self.first)..to.unwrap_or(end).min(end) {
            let place = (index - self.first) as usize;
            let entry = &mut self.entries[place];
            let lost = strict && entry.intended.is_some_and(|intended| intended > joined.at);
            if joined.event < entry.event && entry.missing > 0 && !lost {
                entry.missing -= 1;
                if entry.missing == 0 {
                    self.complete_in_place(place, &mut done);
                }
            }
        }
        self.trim();
    }

    /// The index behind the newest message that any subscriber has received.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// What is incomplete, and all of it forgotten.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Broadcast> {
        let (first, end) = (self.first, self.end());
        self.first = end;
        let indexed = (first..end).zip(self.entries.drain(..));
        indexed.filter(|(_, entry)| entry.missing > 0).map(|(index, entry)| entry.into(index))
    }

    fn complete(&mut self, place: usize, done: &mut impl FnMut(Broadcast)) {
        self.complete_in_place(place, done);
        self.trim();
    }

    fn complete_in_place(&mut self, place: usize, done: &mut impl FnMut(Broadcast)) {
        let entry = &mut self.entries[place];
        let receipts = std::mem::take(&mut entry.receipts);
        if !receipts.is_empty() {
            let (index, intended) = (self.first + place as u64, entry.intended);
            done(Broadcast { index, intended, receipts, missing: 0 });
        }
    }

    fn trim(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.missing == 0) {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    fn give_up(&mut self, done: &mut impl FnMut(Broadcast)) {
        let Some(entry) = self.entries.pop_front() else { return };
        if entry.missing > 0 {
            done(entry.into(self.first));
        }
        self.first += 1;
    }
}

impl Entry {
    fn into(self, index: u64) -> Broadcast {
        let Self { intended, missing, receipts, .. } = self;
        Broadcast { index, intended, receipts, missing }
    }
}

#[cfg(test)]
mod tests;

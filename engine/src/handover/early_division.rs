//! What connections that went over early have of the channels, where a state is divided.

use std::collections::HashMap;

use super::placement::{Need, Needs};
use super::{EarlyBook, EarlySubscription, HandoverError, Part};
use crate::types::{ChannelName, Seq, ShardId};

/// How far those are that are behind, by shard of the predecessor and number of the channel. Mostly
/// nothing: shards come to rest before their state is made.
#[derive(Debug, Default)]
pub(super) struct Behind(HashMap<(ShardId, u32), Seq>);

impl EarlyBook {
    /// Notes how far connections of a shard are in channels homed on other ones.
    pub(super) fn note_behind(
        &self,
        behind: &mut Behind,
        heads: &HashMap<ChannelName, Seq>,
        (from, theirs): (ShardId, Vec<(ChannelName, Seq)>),
    ) {
        for (name, head) in theirs {
            if let Some(number) = self.numbers.get(&name)
                && heads.get(&name).is_some_and(|home| head < *home)
            {
                behind.0.insert((from, *number), head);
            }
        }
    }

    /// Adds what they need to `needs`: what comes behind the messages that they have.
    pub(super) fn add_needs(
        &self,
        heads: &HashMap<ChannelName, Seq>,
        behind: &Behind,
        needs: &mut Needs,
    ) -> Result<(), HandoverError> {
        let mut names: Vec<_> = self.numbers.iter().collect();
        names.sort_unstable_by_key(|(_, number)| **number);
        for (shard, needs) in needs.iter_mut().enumerate() {
            let mut firsts = vec![None; names.len()];
            let mut nexts = HashMap::new();
            for entry in self.staying(shard) {
                for number in self.channels_of(entry) {
                    firsts[*number as usize].get_or_insert((entry.slot, entry.address));
                    if let Some(handed) = behind.of(entry.from, *number) {
                        let next: &mut Seq = nexts.entry(*number).or_insert(handed.next());
                        *next = (*next).min(handed.next());
                    }
                }
            }
            for (&(name, number), first) in names.iter().zip(firsts) {
                let Some(first) = first else { continue };
                let head = heads.get(name).ok_or(HandoverError::Malformed("a subscription"))?;
                let next = nexts.get(number).copied().unwrap_or(head.next());
                let need = needs.entry(name.clone()).or_insert(Need { next, first });
                need.next = need.next.min(next);
            }
        }
        Ok(())
    }

    /// Subscribes them, now that channels have their slots.
    pub(super) fn subscribe(&self, behind: &Behind, parts: &mut [Part]) {
        for (shard, part) in parts.iter_mut().enumerate() {
            let mut slots = vec![0; self.numbers.len()];
            for (placed, slot) in part.channels.iter().zip(0_u32..) {
                if let Some(number) = self.numbers.get(&placed.channel.name) {
                    slots[*number as usize] = slot;
                }
            }
            for entry in self.staying(shard) {
                let subscription = |number: &u32| EarlySubscription {
                    slot: entry.slot,
                    channel: slots[*number as usize],
                    handed: behind.of(entry.from, *number),
                };
                part.early.extend(self.channels_of(entry).iter().map(subscription));
            }
        }
    }
}

impl Behind {
    fn of(&self, from: ShardId, number: u32) -> Option<Seq> {
        if self.0.is_empty() { None } else { self.0.get(&(from, number)).copied() }
    }
}

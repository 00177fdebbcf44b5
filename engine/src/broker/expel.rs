//! Ending connections and subscriptions from outside. A shard looks at a bounded part of its
//! connections at a time, so that nobody waits for an command of a hundred thousand.

use super::auth::Auth;
use super::close::{CloseReason, Phase};
use super::hub::Hub;
use super::operation::{Action, Order};
use crate::limits::{EXPULSION_LOOKS, EXPULSIONS_AT_ONCE, MAX_CHANNELS_PER_REQUEST};
use crate::types::{ChannelName, ClientAction, ClientCommand, ConnectionKey, Now, Target};

impl Hub {
    /// Carries an command out from slot `from` on. Returns how many connections were closed or
    /// subscriptions ended, and the slot to go on from.
    pub fn expel(&mut self, now: Now, command: &ClientCommand, from: u32) -> (u64, Option<u32>) {
        if let Target::Connection(id) = &command.target {
            let key = self.connections.find(self.shard, id);
            return (key.map_or(0, |key| self.expel_one(now, key, command)), None);
        }
        let channel = match &command.target {
            Target::Channel(name) => match self.channels.find(name) {
                None => return (0, None),
                found => found,
            },
            _ => None,
        };
        let (mut count, mut looks) = (0, 0);
        for index in from..self.connections.slots() as u32 {
            if looks == EXPULSION_LOOKS || count >= EXPULSIONS_AT_ONCE {
                return (count, Some(index));
            }
            looks += 1;
            let meant = match (&command.target, channel) {
                (_, Some(channel)) => self.connections[index].subscriptions.get(channel).is_some(),
                (Target::User(user), None) => self.user_of(index) == Some(user),
                _ => false,
            };
            if meant {
                count += self.expel_one(now, self.connections.key(index), command);
            }
        }
        (count, None)
    }

    /// The name under which a connection is known, if it is.
    fn user_of(&self, index: u32) -> Option<&str> {
        self.connections[index].auth.as_deref().and_then(Auth::user)
    }

    fn expel_one(&mut self, now: Now, key: ConnectionKey, command: &ClientCommand) -> u64 {
        let is_meant = |c: &&mut super::connection::Connection| {
            c.phase == Phase::Open && c.service == command.service && !c.flags.probe
        };
        let Some(connection) = self.connections.get_mut(key).filter(is_meant) else { return 0 };
        let channel = match &command.action {
            ClientAction::Disconnect => {
                self.close(now.mono, key, CloseReason::Expelled);
                return 1;
            }
            ClientAction::Unsubscribe(channel) => channel,
        };
        let held = connection.subscriptions.as_slice().iter();
        let held = held.map(|subscription| &self.channels[subscription.channel].name);
        let meant = |name: &&ChannelName| channel.as_ref().is_none_or(|channel| channel == *name);
        let names: Vec<ChannelName> = held.filter(meant).cloned().collect();
        let mut ended = 0;
        // Like the client's own requests, and behind them.
        for names in names.chunks(MAX_CHANNELS_PER_REQUEST) {
            let order = Order {
                correlation: None,
                list: channel.is_none(),
                names: names.to_vec(),
                failed: Vec::new(),
                action: Action::Unsubscribe,
            };
            let taken = self.connections[key.index].phase == Phase::Open
                && self.take_order(now, key, order);
            ended += if taken { names.len() as u64 } else { 0 };
        }
        ended
    }
}

#[cfg(test)]
mod tests;

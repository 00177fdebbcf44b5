//! Ending connections and subscriptions from outside, a bounded part of the connections at a time.

use super::connection::CloseReason;
use super::core::Core;
use super::lifecycle::Parts;
use crate::limits::{DISCONNECT_LOOKS, DISCONNECTS_AT_ONCE};
use crate::types::{ClientAction, ClientCommand, ConnectionKey, Target};

impl Parts {
    /// Ends connections or subscriptions from slot `from` on. Returns how many, and the slot to go
    /// on from: it looks at a bounded part of the connections at a time.
    pub(super) fn disconnect(&mut self, command: &ClientCommand, from: u32) -> (u64, Option<u32>) {
        let Core { channels, connections, cx, .. } = &self.core;
        let channel = match &command.target {
            Target::Connection(id) => {
                let key = connections.find(cx.shard, id);
                return (key.map_or(0, |key| self.disconnect_one(key, command)), None);
            }
            Target::Channel(name) => match channels.find(name) {
                None => return (0, None),
                found => found,
            },
            Target::User(_)
            | Target::Tokens(_)
            | Target::Certificates(_)
            | Target::Network(_)
            | Target::Share(_) => None,
        };
        let mut count = 0;
        for index in from..self.core.connections.slots() as u32 {
            if index - from == DISCONNECT_LOOKS || count >= DISCONNECTS_AT_ONCE {
                return (count, Some(index));
            }
            let key = self.core.connections.key(index);
            let is_meant = match (&command.target, channel) {
                (_, Some(channel)) => self.core.channels.is_subscribed(index, channel),
                (Target::User(user), None) => self.sessions.auth().user(key) == Some(user),
                (Target::Certificates(revoked), None) => {
                    let shown = self.core.connections.certificate(index);
                    shown.is_some_and(|shown| revoked.contains(&shown.id))
                }
                (Target::Tokens(tokens), None) => self.sessions.auth().is_by(key, tokens),
                (Target::Network(network), None) => {
                    network.contains(&self.core.connections[key].peer().ip())
                }
                (Target::Share(percent), None) => {
                    let told = self.core.connections[key].leaves().is_some();
                    self.core.is_client_of(command.service, key)
                        && (!told || *percent == 100)
                        && self.reconnects.takes_share(*percent)
                }
                _ => false,
            };
            if is_meant {
                count += self.disconnect_one(key, command);
            }
        }
        (count, None)
    }

    fn disconnect_one(&mut self, key: ConnectionKey, command: &ClientCommand) -> u64 {
        self.core.cx.early.touch(key.index);
        match &command.action {
            _ if !self.core.is_client_of(command.service, key) => 0,
            ClientAction::Disconnect => {
                let reason = match command.target {
                    Target::Certificates(_) => CloseReason::CertificateRevoked,
                    _ => CloseReason::Expelled,
                };
                self.sessions.close(&mut self.core, key, reason);
                self.settle();
                1
            }
            ClientAction::Reconnect(spread, why) => {
                let Parts { core, sessions, reconnects, .. } = self;
                u64::from(reconnects.tell(core, sessions, key, (*spread, *why)))
            }
            ClientAction::Unsubscribe(channel) => {
                self.sessions.unsubscribe(&mut self.core, key, channel.as_ref())
            }
        }
    }
}

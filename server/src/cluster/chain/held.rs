//! Messages that came before those in front of them.

use std::collections::VecDeque;

use super::Message;
use crate::limits::{HELD_BYTES, HELD_MESSAGES};

/// The newest messages of a channel, each the follower of the one before it. What does not fit is
/// let go of from the front: the stream has it.
#[derive(Debug, Default)]
pub(super) struct Held {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Held {
    pub(super) fn first(&self) -> Option<&Message> {
        self.messages.front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in a message. One that is older than the newest is left to the stream; in front of one
    /// that does not follow the newest something is missing, so that it begins anew.
    pub(super) fn push(&mut self, message: Message) {
        let newest = self.messages.back().map_or(0, |newest| newest.seq);
        if message.seq <= newest {
            return;
        }
        if message.prev > newest {
            self.clear();
        }
        self.bytes += message.data.len();
        self.messages.push_back(message);
        while self.messages.len() > HELD_MESSAGES || self.bytes > HELD_BYTES {
            self.pop();
        }
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.data.len();
        Some(message)
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

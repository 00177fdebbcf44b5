//! In which form a subscriber is written a channel's messages.

use super::Transport;

/// The form in which a subscriber is written the messages of a channel. Members of a live set stand
/// by it, and a sweep makes each form that has members once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// WebSocket frames, as the logs keep them.
    #[default]
    Plain,
    /// Server-Sent Events, each with its own position as `id`.
    Event,
    /// Server-Sent Events of connections with several channels, where each `id` says where the
    /// connection is in all of them: written for it alone, as for a laggard.
    JointEvent,
    /// WebSocket frames, compressed where a message is and its subscriber can inflate it.
    Deflating,
}

impl Encoding {
    /// How many there are.
    pub const COUNT: usize = 4;
    /// All, in the order in which a sweep goes through them.
    pub const ALL: [Encoding; Encoding::COUNT] =
        [Encoding::Plain, Encoding::Event, Encoding::JointEvent, Encoding::Deflating];

    /// What its messages are written by.
    pub fn transport(self) -> Transport {
        match self {
            Encoding::Plain | Encoding::Deflating => Transport::WebSocket,
            Encoding::Event | Encoding::JointEvent => Transport::EventStream,
        }
    }

    /// Whether it is one of Server-Sent Events.
    pub fn is_event(self) -> bool {
        self.transport() == Transport::EventStream
    }
}

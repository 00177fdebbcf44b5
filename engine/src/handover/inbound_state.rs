//! What is kept of a client's bytes while a frame or a message is incomplete.

use crate::types::Time;

/// What is kept of a client's stream of frames between two receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbound {
    /// A close frame or a fault was seen: what follows is dropped.
    pub has_ended: bool,
    /// The first bytes of a frame's header, at most 13.
    pub head: Box<[u8]>,
    /// A frame with payload still to come.
    pub frame: Option<BegunFrame>,
    /// Payload of an unfinished control frame.
    pub control: Box<[u8]>,
    /// A data message of which some has come.
    pub message: Option<BegunMessage>,
    /// Since when that message is unfinished.
    pub since: Option<Time>,
}

/// A frame with payload still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BegunFrame {
    /// RFC 6455, 11.8.
    pub opcode: u8,
    /// It ends its message.
    pub is_final: bool,
    /// It begins a compressed message.
    pub is_compressed: bool,
    /// The key of its payload.
    pub mask: [u8; 4],
    /// Bytes of its payload.
    pub len: u64,
    /// Those of them that have come.
    pub taken: u64,
}

/// A data message of which some has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunMessage {
    /// Of its first frame.
    pub opcode: u8,
    /// It must be inflated once it is whole.
    pub is_compressed: bool,
    /// What has come, unmasked.
    pub bytes: Box<[u8]>,
    /// Frames that have ended.
    pub fragments: u32,
}

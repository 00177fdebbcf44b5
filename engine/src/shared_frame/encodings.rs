//! The encodings of a message beside the plain one.

use crate::sync::SetOnce;

/// How a frame is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Deflation {
    /// As it is.
    #[default]
    Plain = 0,
    /// Deflated in its channel's context.
    Context = 1,
    /// Deflated by itself.
    Twin = 2,
    /// As it is, unless its twin saves much: beside another channel's context.
    Aside = 3,
}

/// A message deflated in its channel's context, with its WebSocket header.
#[derive(Debug)]
pub struct InContext {
    /// Ready for the socket.
    pub bytes: Box<[u8]>,
    /// Bytes of text that went through the channel's compressor before it.
    pub start: u64,
    /// It refers to nothing before this place: a client that has all from here on can inflate it.
    pub need: u64,
}

/// Compressed encodings of one message, each made once for all shards.
#[derive(Debug, Default)]
pub struct Encodings {
    pub(super) in_context: Option<InContext>,
    /// Made when it is needed first; `None` if it is of no use.
    pub(super) twin: SetOnce<Option<Box<[u8]>>>,
}

impl Encodings {
    /// Those of a message that may be sent compressed, and is in its channel's context if it has
    /// one.
    pub fn new(in_context: Option<InContext>) -> Encodings {
        Encodings { in_context, twin: SetOnce::new() }
    }

    /// The twin, if it was made and is of use.
    pub(super) fn twin(&self) -> Option<&[u8]> {
        self.twin.get()?.as_deref()
    }
}

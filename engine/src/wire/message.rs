//! A data message of a client: RFC 6455 section 5.6.

/// A whole data message, borrowed from the receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// UTF-8, checked.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

/// A [`Message`] that has to wait, with its own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedMessage {
    /// UTF-8, checked.
    Text(Box<str>),
    /// Any bytes.
    Binary(Box<[u8]>),
}

impl<'a> Message<'a> {
    /// The message without its type.
    pub fn payload(self) -> &'a [u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// The message as text; `None` when it is binary and not UTF-8.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Message::Text(text) => Some(text),
            Message::Binary(bytes) => simdutf8::basic::from_utf8(bytes).ok(),
        }
    }
}

impl From<Message<'_>> for OwnedMessage {
    fn from(message: Message<'_>) -> OwnedMessage {
        match message {
            Message::Text(text) => OwnedMessage::Text(text.into()),
            Message::Binary(bytes) => OwnedMessage::Binary(bytes.into()),
        }
    }
}

impl OwnedMessage {
    /// The message, borrowed.
    pub fn borrow(&self) -> Message<'_> {
        match self {
            OwnedMessage::Text(text) => Message::Text(text),
            OwnedMessage::Binary(bytes) => Message::Binary(bytes),
        }
    }
}

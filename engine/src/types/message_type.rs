//! The kinds of messages.

use super::label_enum::labels;

labels! {
    /// The envelope's `type`, for messages counted and timed.
    MessageType {
        /// A client asks.
        Request = "request",
        /// A client wants a channel.
        Subscribe = "subscribe",
        /// A client gives up a channel.
        Unsubscribe = "unsubscribe",
        /// A client looks whether we live.
        Ping = "ping",
        /// We answer.
        Response = "response",
        /// Something happened.
        Event = "event",
        /// Something went wrong.
        Error = "error",
        /// The answer to a ping.
        Pong = "pong",
        /// Receipt.
        Ack = "ack",
        /// Text or binary that is no envelope.
        Invalid = "invalid",
    }
}

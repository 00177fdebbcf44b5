//! The kinds of messages.

use super::label_enum::labels;

labels! {
    /// The envelope's `type`, for messages counted and timed.
    MessageType {
        /// A client sends a request.
        Request = "request",
        /// A client subscribes to a channel.
        Subscribe = "subscribe",
        /// A client unsubscribes from a channel.
        Unsubscribe = "unsubscribe",
        /// A client checks the connection.
        Ping = "ping",
        /// The server answers.
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

//! By which protocol a client is served.

use super::label_enum::labels;

labels! {
    /// The protocol by which a client is written messages.
    #[derive(Default)]
    Transport {
        /// WebSocket.
        #[default]
        WebSocket = "ws",
        /// Server-Sent Events.
        EventStream = "sse",
    }
}

//! What proxies say of a client: the PROXY header before all else, and headers of the request.

use super::HandshakeStream;
use crate::limits::RECEIVE_BUFFER;
use crate::shard::handshake::outcome::HandshakeError;
use crate::wire::proxy_protocol::{self, Header, Named};
use crate::wire::upgrade::Accepted;

impl HandshakeStream<'_> {
    /// Takes over what the headers of trusted proxies say of the client.
    pub(super) fn believe_proxies(&mut self, request: &Accepted) {
        let config = self.queue.config();
        let proxies = &config[self.service].proxies;
        if let Some(protocols) = &request.forwarded_proto {
            self.behind_tls |= proxy_protocol::came_over_tls(self.peer, protocols, proxies);
        }
        if let Some(forwarded) = &request.forwarded {
            self.peer = proxy_protocol::client(self.peer, forwarded, proxies);
        }
    }

    /// Reads the header of a proxy, and what it says of the client.
    pub(super) async fn read_proxy_header(&mut self) -> Result<(), HandshakeError> {
        let mut head = Vec::new();
        loop {
            self.receive(RECEIVE_BUFFER).await?;
            head.extend_from_slice(&self.buffer);
            match proxy_protocol::parse(&head) {
                Header::NeedMore => {}
                Header::Whole(length, Named { client, secure }) => {
                    self.peer = client.unwrap_or(self.peer);
                    self.behind_tls = secure;
                    self.buffer.clear();
                    self.buffer.extend_from_slice(&head[length..]);
                    self.unread = !self.buffer.is_empty();
                    // A proxy that checks the port may close after the header: this is no error.
                    self.has_received = self.unread;
                    return Ok(());
                }
                Header::Malformed => {
                    tracing::warn!(
                        service = self.queue.config().log_name(self.service),
                        peer = %self.peer,
                        "closing a connection of a trusted proxy without a good PROXY header; \
                         make the proxy send one, or leave proxy_protocol out"
                    );
                    return Err(HandshakeError::Proxy);
                }
            }
        }
    }
}

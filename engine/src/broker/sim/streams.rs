//! Clients that ask for Server-Sent Events: with their request they have said all.

use super::order::Order;
use super::world::{TOKENS, World};
use crate::broker::ReceiveEnd;
use crate::config::AuthMode;
use crate::types::{Encoding, Epoch, Seq, ServiceId};
use crate::wire::Secret;
use crate::wire::event_stream::StreamRequest;

/// The fault of a client that ends its side before the stream is over.
const PARTED: u16 = 1006;

impl World {
    /// What the next client asks for, if it is to be written events, and the confirmations that it
    /// expects.
    pub(super) fn stream_request(
        &mut self,
        service: ServiceId,
    ) -> Option<(Box<StreamRequest>, Vec<Order>)> {
        let encoding = self.plan.encoding(self.clients.len());
        if !encoding.is_event() {
            return None;
        }
        let mut channels = self.some_channels_of(service);
        let own_ids = encoding == Encoding::Event && self.clients.len().is_multiple_of(2);
        if encoding == Encoding::Event && !own_ids {
            channels.truncate(1);
        }
        let names = channels.iter().map(|c| self.truth.channel_name(*c).clone().at(ServiceId(0)));
        let channels_asked = names.collect();
        let mut request =
            StreamRequest { channels: channels_asked, own_ids, ..StreamRequest::default() };
        let mut orders = Vec::new();
        for (channel, name) in channels.into_iter().zip(&request.channels) {
            let since = self.rng.bool().then(|| self.truth.position(&mut self.rng, channel));
            if let Some((epoch, seq)) = &since {
                let epoch = Epoch::parse(epoch).unwrap();
                request.since.push((name.clone(), epoch, Seq(*seq)));
            }
            orders.push(Order::subscribe(vec![(channel, since)], false));
        }
        Some((request.into(), orders))
    }

    /// The token of a stream, which can have none later.
    pub(super) fn stream_token(&mut self, token: Option<Secret>) -> Option<Secret> {
        let is_demanded = self.plan.config.services[0].access.mode == AuthMode::Required;
        match is_demanded && self.chance(90) {
            true => Some(Secret::new(*self.rng.choice(TOKENS).unwrap())),
            false => token,
        }
    }

    /// A stream is over for its client, which closes its end.
    pub(super) fn end_stream(&mut self, client: usize, code: u16) {
        self.clients[client].close_sent = Some(code);
        self.sockets[client].up_end.get_or_insert(ReceiveEnd::Eof);
    }

    /// The client of a stream leaves, or says something.
    pub(super) fn misbehave_in_stream(&mut self, client: usize) {
        let what = self.rng.u8(..4);
        self.note(|| format!("client {client} misbehaves in its stream ({what})"));
        let (end, socket) = (&mut self.clients[client], &mut self.sockets[client]);
        match what {
            0 => {
                socket.up_end = Some(ReceiveEnd::Eof);
                end.gone = true;
            }
            1 => {
                (socket.dead, socket.up_end) = (true, Some(ReceiveEnd::Reset));
                end.gone = true;
            }
            2 => {
                // It still reads.
                socket.up_end = Some(ReceiveEnd::Eof);
                end.fault = Some(PARTED);
            }
            _ => {
                socket.up.extend(b"GET / HTTP/1.1\r\n\r\n");
                // Before the stream it is 400.
                end.fault = Some(1002);
            }
        }
    }
}

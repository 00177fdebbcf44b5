//! Channels by their subjects' tokens.

use std::sync::Arc;

use uringcast_engine::{ChannelName, ChannelPrefix, Publication, Seq, Sequenced, ServiceId};

use super::chain::Message;
use super::outbox::place_of;
use super::{stored_publications, subjects};

/// The service of nodes that have only one, whatever its name.
const ONLY: &str = "_";

/// What the services of a node are called between nodes. Operators name a server that has a single
/// service as they name its machine.
pub(crate) fn shared_names(services: Arc<[String]>) -> Arc<[String]> {
    if services.len() == 1 { Arc::new([ONLY.to_owned()]) } else { services }
}

/// The services of this node, by name: nodes may have them in another order.
#[derive(Clone, Debug)]
pub(super) struct Names {
    services: Arc<[String]>,
    /// Levels of lists and objects that a message may have.
    depth: usize,
}

impl Names {
    pub(super) fn new(services: Arc<[String]>, depth: usize) -> Names {
        let services = shared_names(services);
        Names { services, depth }
    }

    /// The tokens of a channel.
    pub(super) fn tokens(&self, channel: &ChannelName) -> Arc<str> {
        let service = self.services.get(channel.service().index()).map_or("", String::as_str);
        subjects::tokens(service, channel.as_str()).into()
    }

    /// The prefix of the tokens of all channels with names of this prefix.
    pub(super) fn prefix(&self, channels: &ChannelPrefix) -> Box<str> {
        let service = self.services.get(channels.service.index()).map_or("", String::as_str);
        subjects::tokens(service, &channels.prefix).into()
    }

    /// The channel with these tokens; `None` where no node has published to it.
    pub(super) fn channel(&self, tokens: &str) -> Option<ChannelName> {
        let (service, channel) = tokens.split_once('.')?;
        let service = subjects::unescape(service)?;
        let place = self.services.iter().position(|name| *name == service)?;
        let channel = ChannelName::parse(&subjects::unescape(channel)?).ok()?;
        Some(channel.at(ServiceId(u8::try_from(place).ok()?)))
    }

    /// The publications of a message behind `prev`, as the engine takes them; `None` where another
    /// program has stored it.
    pub(super) fn sequenced(
        &self,
        epoch: u64,
        channel: &ChannelName,
        mut prev: Seq,
        message: &Message,
    ) -> Option<Vec<Sequenced>> {
        let publications = stored_publications::read(channel, &message.data, self.depth)?;
        let count = publications.len();
        let sequenced = |(place, publication): (usize, Publication)| {
            let seq = Seq(place_of(message.seq, place, count));
            let mut id = [0; 16];
            id[..8].copy_from_slice(&epoch.to_be_bytes());
            id[8..].copy_from_slice(&seq.0.to_be_bytes());
            let unix_us = (message.time / 1_000) as i64;
            Sequenced { publication, seq, prev: std::mem::replace(&mut prev, seq), id, unix_us }
        };
        Some(publications.into_iter().enumerate().map(sequenced).collect())
    }
}

/// The position of a channel's newest publication, of that of its message.
pub(super) fn position(seq: u64) -> Seq {
    if seq == 0 { Seq(0) } else { Seq(place_of(seq, 0, 1)) }
}

/// The position of the message that has a publication in it.
pub(super) fn message_of(seq: Seq) -> u64 {
    seq.0.div_ceil(crate::limits::PACKED_MESSAGES as u64)
}

/// The position of the newest message of which all publications are at this one or before it.
pub(super) fn whole_before(seq: Seq) -> u64 {
    seq.0 / crate::limits::PACKED_MESSAGES as u64
}

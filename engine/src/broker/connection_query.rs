//! Finding connections for operators, a bounded part of a shard's at a time.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::connection_info::{ConnectionDetail, ConnectionInfo, LagInfo};
use super::core::Core;
use super::lifecycle::Parts;
use crate::config::Compression;
use crate::limits::{CONNECTION_LOOKS, SUBSCRIPTIONS_SHOWN};
use crate::types::{ChannelIndex, ChannelName, ConnectionKey, ServiceId, Time};

/// Which connections are looked for: those of a service to which all else that is given applies.
#[derive(Clone, Debug, Default)]
pub struct ConnectionQuery {
    /// The service of the listener that they came to.
    pub service: ServiceId,
    /// The user that they have authenticated.
    pub user: Option<String>,
    /// A channel that they are subscribed to.
    pub channel: Option<ChannelName>,
    /// Where they come from.
    pub address: Option<AddressFilter>,
    /// They lag, and are owed so many bytes or more.
    pub owed: Option<u64>,
}

/// Addresses of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFilter {
    /// All of a network, or of one host.
    Network(IpNet),
    /// One port of one host.
    Socket(SocketAddr),
}

impl AddressFilter {
    fn admits(self, peer: SocketAddr) -> bool {
        match self {
            AddressFilter::Network(network) => network.contains(&peer.ip()),
            AddressFilter::Socket(address) => address == peer,
        }
    }
}

impl Parts {
    /// Open connections of clients from slot `from` on, at most `limit` and perhaps none, and the
    /// slot to go on from.
    pub(super) fn find_connections(
        &self,
        query: &ConnectionQuery,
        from: u32,
        limit: usize,
    ) -> (Vec<ConnectionInfo>, Option<u32>) {
        let Core { channels, connections, delivery, .. } = &self.core;
        let channel = query.channel.as_ref().map(|name| channels.find(name));
        if channel == Some(None) {
            return (Vec::new(), None);
        }
        let (channel, mut page, mut looks) = (channel.flatten(), Vec::new(), 0);
        for index in from..connections.slots() as u32 {
            if page.len() == limit || looks >= CONNECTION_LOOKS {
                return (page, Some(index));
            }
            looks += 1;
            if self.is_meant(query, channel, index) {
                // What a laggard is owed is a sum over its channels.
                looks += delivery.cursors(index);
                page.extend(self.describe(query, connections.key(index)));
            }
        }
        (page, None)
    }

    /// Whether a query may be about a connection. Dense tables first.
    fn is_meant(&self, query: &ConnectionQuery, channel: Option<ChannelIndex>, index: u32) -> bool {
        let Core { channels, connections, delivery, .. } = &self.core;
        if channel.is_some_and(|channel| !channels.is_subscribed(index, channel))
            || query.owed.is_some() && !delivery.is_laggard(index)
        {
            return false;
        }
        let key = connections.key(index);
        self.core.is_client_of(query.service, key)
            && query.address.is_none_or(|filter| filter.admits(connections[key].peer()))
            && query.user.as_deref().is_none_or(|user| self.sessions.auth().user(key) == Some(user))
    }

    /// What a listing shows, unless the connection is owed less than is asked for.
    fn describe(&self, query: &ConnectionQuery, key: ConnectionKey) -> Option<ConnectionInfo> {
        let info = self.info(key);
        let owed = info.lag.map_or(0, |lag| lag.owed);
        query.owed.is_none_or(|least| owed >= least).then_some(info)
    }

    fn info(&self, key: ConnectionKey) -> ConnectionInfo {
        let Core { cx, channels, connections, delivery, .. } = &self.core;
        let connection = &connections[key];
        let admitted = Time::default() + Duration::from_secs(connection.since().into());
        let lag = delivery.lagging(channels, key.index);
        ConnectionInfo {
            id: connections.id(cx.shard, key),
            service: connection.service(),
            user: self.sessions.auth().user(key).map(Into::into),
            peer: connection.peer(),
            since: cx.now.unix_seconds(admitted),
            silent: Duration::from_secs(connections.silence(key.index, cx.time()).into()),
            transport: connection.transport(),
            tls_mode: connection.tls_mode(),
            subscriptions: channels.subscriptions_of(key.index).len(),
            paused: connection.is_paused(),
            lag: lag.map(|lag| LagInfo {
                owed: lag.owed,
                since: cx.now.unix_seconds(lag.since),
                state: lag.state,
            }),
            skipped: delivery.skipped(key.index),
        }
    }

    /// The client's open connection with this id, at a service.
    pub(super) fn find_connection(&self, service: ServiceId, id: &str) -> Option<ConnectionDetail> {
        let Core { cx, channels, connections, .. } = &self.core;
        let key = connections.find(cx.shard, id)?;
        if !self.core.is_client_of(service, key) {
            return None;
        }
        let settings = cx.service(service);
        let (message_rate, byte_rate) = (settings.message_rate, settings.access.byte_rate);
        let connection = &connections[key];
        let shown = channels.subscriptions_of(key.index).iter().take(SUBSCRIPTIONS_SHOWN);
        let unread = |channel| {
            let handed = self.core.handed(key, channel)?;
            Some(channels.log(channel).messages_from(handed.next()))
        };
        let one = |channel| (channels.name(channel).clone(), unread(channel).unwrap_or(0));
        let (rate, now) = (|rate: u32| rate > 0, cx.time());
        Some(ConnectionDetail {
            info: self.info(key),
            channels: shown.map(|subscription| one(subscription.channel)).collect(),
            client_certificate: connections
                .certificate(key.index)
                .map(|shown| shown.name.to_string()),
            compression: match connection.deflate() {
                None => Compression::Off,
                Some(deflate) if deflate.is_twins_only() => Compression::Twin,
                Some(_) => Compression::Shared,
            },
            messages_left: rate(message_rate).then(|| connection.messages_left(message_rate, now)),
            bytes_left: rate(byte_rate).then(|| connection.bytes_left(byte_rate, now)),
        })
    }
}

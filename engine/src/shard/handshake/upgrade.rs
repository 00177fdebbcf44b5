//! From an accepted socket to an upgraded connection: PROXY header, TLS handshake and HTTP upgrade,
//! within one deadline.

mod behind_proxy;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use monoio::buf::IoBufMut;
use monoio::io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt};
use monoio::net::TcpStream;

use super::budget::StepClass;
use super::outcome::{AcceptedUpgrade, HandshakeError, UpgradedConnection};
use super::queue::{HandshakeGuard, HandshakeQueue};
use crate::broker::Admission;
use crate::limits::{
    CLOSE_TIMEOUT, HANDSHAKE_PATIENCE, HANDSHAKE_TIMEOUT, LINGER_BYTES, RECEIVE_BUFFER,
};
use crate::shard::delivery_ring::{Sealed, ktls};
use crate::shard::tls::{Kernel, SlotTls, TlsSession};
use crate::telemetry::Count;
use crate::types::{ClientCertificate, ServiceId, TlsMode};
use crate::wire::upgrade::{self, Accepted, Upgrade, UpgradeError};
use crate::wire::{client_hello, event_stream};

/// A socket before its handover, with TLS where that is configured.
struct HandshakeStream<'a> {
    stream: TcpStream,
    queue: &'a HandshakeQueue,
    /// The service of its listener.
    service: ServiceId,
    /// The client's address: the socket's, until a proxy reports another one.
    peer: SocketAddr,
    /// A proxy has said that the client came to it over TLS.
    behind_tls: bool,
    tls: SlotTls,
    /// What the client has shown in the TLS handshake.
    certificate: Option<Box<ClientCertificate>>,
    /// What remains of HANDSHAKE_PATIENCE.
    idle_left: Duration,
    /// Reused by every read.
    buffer: Vec<u8>,
    /// The buffer holds bytes that were read early or behind a PROXY header, not processed yet.
    unread: bool,
    /// A flight of the TLS handshake was sent: most of its cost is paid.
    handshake_begun: bool,
    /// Plaintext received and not yet used.
    plain: Vec<u8>,
    /// The peer has sent something.
    has_received: bool,
    /// The peer has sent close_notify.
    peer_closed: bool,
    /// A final response was written, which closing at once might discard.
    must_linger: bool,
}

/// Runs the handshake of one connection that has sent `early` so far: queues it for admission, or
/// responds and closes it.
pub(super) async fn run_handshake(
    stream: TcpStream,
    peer: SocketAddr,
    early: Vec<u8>,
    handshake: HandshakeGuard,
    service: ServiceId,
) {
    let queue = Rc::clone(&handshake.queue);
    let mut stream = HandshakeStream {
        stream,
        queue: &queue,
        service,
        peer,
        behind_tls: false,
        tls: SlotTls::None,
        certificate: None,
        idle_left: HANDSHAKE_PATIENCE,
        unread: !early.is_empty(),
        has_received: !early.is_empty(),
        buffer: early,
        handshake_begun: false,
        plain: Vec::new(),
        peer_closed: false,
        must_linger: false,
    };
    let upgraded = monoio::time::timeout(HANDSHAKE_TIMEOUT, upgrade(&mut stream)).await;
    match upgraded.unwrap_or(Err(HandshakeError::Late)) {
        Ok(Some(accepted)) => {
            let HandshakeStream { stream, tls, plain: leftover, peer_closed, .. } = stream;
            let upgraded = UpgradedConnection { stream, tls, peer_closed, leftover, accepted };
            return queue.push(handshake, upgraded);
        }
        Ok(None) => {}
        Err(error) => {
            error.log(queue.config().log_name(service), stream.peer);
            if let Some(counter) = error.counter() {
                queue.count_error(service, counter);
            }
        }
    }
    if stream.must_linger {
        // Nothing more is encrypted or parsed: free that memory.
        (stream.tls, stream.plain) = (SlotTls::None, Vec::new());
        let mut left = stream.idle_left;
        let linger = monoio::time::timeout(CLOSE_TIMEOUT, stream.linger());
        // The response is out, whether the peer reads it in time or not.
        let _ = queue.idle_eviction.wait_for(&mut left, linger).await;
    }
}

/// Drives one handshake. `None`: the request was a health check, and was answered.
async fn upgrade(
    stream: &mut HandshakeStream<'_>,
) -> Result<Option<AcceptedUpgrade>, HandshakeError> {
    let queue = stream.queue;
    let config = queue.config();
    let config = &config[stream.service];
    if config.proxies.protocol && config.proxies.trusts(stream.peer.ip()) {
        stream.read_proxy_header().await?;
    }
    if let Some(tls) = &config.tls {
        stream.tls = TlsSession::new(tls.current(), queue.kernel.is_some())?.into();
        while !stream.read_once(RECEIVE_BUFFER).await? {}
        if let SlotTls::User(tls) = &mut stream.tls {
            stream.certificate = tls.take_certificate()?;
        }
        queue.count(match &stream.tls {
            SlotTls::User(tls) if tls.resumed() => Count::TlsHandshakesResumed,
            _ => Count::TlsHandshakesFull,
        });
    }
    loop {
        let ready = !queue.is_closed() && queue.refused_for().is_none();
        let (subprotocols, compression) = (&config.subprotocols, config.may_compress());
        match upgrade::parse(&stream.plain, ready, subprotocols, compression) {
            Upgrade::NeedMore => stream.read().await?,
            Upgrade::Accept(request) => return stream.accept(request).await.map(Some),
            Upgrade::Preflight { origin, host } => {
                return stream.answer_preflight(origin, &host).await.map(|()| None);
            }
            Upgrade::Answer { response, refusal } => {
                stream.respond(response).await?;
                return refusal.map_or(Ok(None), |why| Err(HandshakeError::Upgrade(why)));
            }
        }
    }
}

impl HandshakeStream<'_> {
    /// Checks a valid request against the limits, and hands the keys to the kernel where that is
    /// configured.
    async fn accept(&mut self, request: Accepted) -> Result<AcceptedUpgrade, HandshakeError> {
        let (queue, service) = (self.queue, self.service);
        let limits = queue.limits();
        let config = &limits.config;
        self.believe_proxies(&request);
        let Accepted { mut response, consumed, token, deflate, host, origin, path, stream, .. } =
            request;
        if stream.is_some() && !config[service].protocol.is_envelope() {
            self.respond(UpgradeError::NoUpgrade.response()).await?;
            return Err(HandshakeError::Upgrade(UpgradeError::NoUpgrade));
        }
        let probe = config.probe.is_some_and(|key| key.opens(&path));
        let (mut quota_permit, mut address_permit) = (None, None);
        if !probe {
            if let Some(left) = queue.refused_for() {
                let refusal = UpgradeError::ShuttingDown(left);
                self.respond(refusal.response()).await?;
                return Err(HandshakeError::Upgrade(refusal));
            }
            if !config[service].access.origins.admit(origin.as_deref(), &host) {
                self.respond(UpgradeError::Unlisted.response()).await?;
                return Err(HandshakeError::Origin(origin.unwrap_or_default()));
            }
            match limits.acquire_address_permit(service, self.peer.ip()) {
                Ok(permit) => address_permit = permit,
                Err(limit) => {
                    self.respond(UpgradeError::TooMany.response()).await?;
                    return Err(HandshakeError::TooMany(limit));
                }
            }
            quota_permit = limits.acquire_quota(service);
        }
        self.plain.drain(..consumed);
        let is_13 = matches!(&self.tls, SlotTls::User(tls) if tls.is_13());
        if let (SlotTls::User(_), Some(kernel)) = (&self.tls, &queue.kernel) {
            if !response.is_empty() {
                // Before the handover, which may have to wait for the rest of a record.
                self.write(std::mem::take(&mut response)).await?;
            }
            if !self.hand_over_to_kernel(kernel).await? {
                queue.count(Count::TlsFallbacks);
            }
        }
        let tls_mode = match &self.tls {
            SlotTls::None if self.behind_tls => TlsMode::Proxy,
            SlotTls::None => TlsMode::Plain,
            tls => TlsMode::tls(is_13, matches!(tls, SlotTls::Kernel(_))),
        };
        let admission = Admission {
            service,
            peer: self.peer,
            tls_mode,
            certificate: self.certificate.take(),
            over_capacity: quota_permit.is_none() && !probe,
            token,
            deflate,
            probe,
            stream,
            response,
        };
        Ok(AcceptedUpgrade { admission, quota_permit, address_permit })
    }

    /// Tells a browser whether a page of this origin may request streams of events.
    async fn answer_preflight(&mut self, origin: String, host: &str) -> Result<(), HandshakeError> {
        let config = self.queue.config();
        let service = &config[self.service];
        if !service.protocol.is_envelope() {
            self.respond(UpgradeError::Method.response()).await?;
            Err(HandshakeError::Upgrade(UpgradeError::Method))
        } else if !service.access.origins.admit(Some(&origin), host) {
            self.respond(UpgradeError::Unlisted.response()).await?;
            Err(HandshakeError::Origin(origin))
        } else {
            self.respond(event_stream::preflight(&origin)).await
        }
    }

    /// Reads more of the request.
    async fn read(&mut self) -> Result<(), HandshakeError> {
        let before = self.plain.len();
        while self.plain.len() == before {
            if self.peer_closed {
                self.send_close().await?;
                return Err(HandshakeError::Left);
            }
            self.read_once(RECEIVE_BUFFER).await?;
        }
        Ok(())
    }

    /// Reads once into the buffer, at most `limit` bytes, unless it holds unread bytes.
    async fn receive(&mut self, limit: usize) -> Result<(), HandshakeError> {
        if std::mem::take(&mut self.unread) {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let room = buffer.slice_mut(..limit.min(RECEIVE_BUFFER));
        let read = self.queue.idle_eviction.wait_for(&mut self.idle_left, self.stream.read(room));
        let Some((read, room)) = read.await else { return Err(HandshakeError::Late) };
        self.buffer = room.into_inner();
        if read? == 0 {
            return Err(match self.has_received {
                true => HandshakeError::Left,
                false => HandshakeError::Silent,
            });
        }
        self.has_received = true;
        Ok(())
    }

    /// Reads once, at most `limit` bytes, and appends the plaintext. Returns whether TLS is
    /// established.
    async fn read_once(&mut self, limit: usize) -> Result<bool, HandshakeError> {
        self.receive(limit).await?;
        let grant = self.queue.budget.acquire(self.step_class()).await;
        let SlotTls::User(tls) = &mut self.tls else {
            self.plain.extend_from_slice(&self.buffer);
            return Ok(false);
        };
        let opened = tls.open(&mut self.buffer, &mut self.plain);
        let flight = match &opened {
            Ok(_) => tls.take_pending(),
            Err(_) => tls.seal_close(),
        };
        drop(grant);
        if !flight.is_empty() {
            self.handshake_begun = true;
            self.stream.write_all(flight).await.0?;
        }
        self.must_linger |= opened.is_err();
        let opened = opened?;
        self.peer_closed |= opened.eof;
        Ok(opened.established)
    }

    /// The cost class of processing the buffer.
    fn step_class(&self) -> StepClass {
        match client_hello::resumes(&self.buffer) {
            _ if matches!(self.tls, SlotTls::None) => StepClass::Quick,
            Some(false) => StepClass::Full,
            None if !self.handshake_begun => StepClass::Full,
            Some(true) | None => StepClass::Quick,
        }
    }

    /// Hands the keys to the kernel. Returns whether it takes them; if not, TLS stays as it is.
    async fn hand_over_to_kernel(&mut self, kernel: &Kernel) -> Result<bool, HandshakeError> {
        // The kernel begins with a whole record, and a read may have ended inside one.
        while let SlotTls::User(tls) = &self.tls
            && let missing @ 1.. = tls.missing_bytes()
        {
            self.read_once(missing).await?;
        }
        match std::mem::take(&mut self.tls) {
            SlotTls::User(tls) if tls.fits_kernel(kernel) => {
                if let Err(error) = ktls::attach(&self.stream) {
                    tracing::debug!(%error, "the kernel takes no TLS connection");
                    self.tls = SlotTls::User(tls);
                    return Ok(false);
                }
                self.tls = SlotTls::Kernel(tls.into_ktls(&self.stream, kernel)?);
                Ok(true)
            }
            tls => {
                self.tls = tls;
                Ok(false)
            }
        }
    }

    async fn write(&mut self, plain: Vec<u8>) -> Result<(), HandshakeError> {
        let bytes = match &mut self.tls {
            SlotTls::User(tls) => {
                let mut sealed = Vec::new();
                while let Sealed::Needs(room) = tls.seal(&plain, &mut sealed)? {
                    sealed.resize(room, 0);
                }
                sealed
            }
            SlotTls::None | SlotTls::Kernel(_) => plain,
        };
        Ok(self.stream.write_all(bytes).await.0.map(drop)?)
    }

    /// Writes a final response.
    async fn respond(&mut self, response: Vec<u8>) -> Result<(), HandshakeError> {
        self.write(response).await?;
        self.send_close().await
    }

    /// Sends close_notify, where there is TLS; nothing follows.
    async fn send_close(&mut self) -> Result<(), HandshakeError> {
        if let SlotTls::User(tls) = &mut self.tls {
            let bytes = tls.seal_close();
            self.stream.write_all(bytes).await.0?;
        }
        self.must_linger = true;
        Ok(())
    }

    /// Sends FIN and discards what still arrives: closing a socket with unread bytes resets it.
    async fn linger(&mut self) {
        let mut left = LINGER_BYTES;
        if self.stream.shutdown().await.is_err() {
            return;
        }
        while left > 0 {
            let (read, buffer) = self.stream.read(std::mem::take(&mut self.buffer)).await;
            self.buffer = buffer;
            match read {
                Ok(read @ 1..) => left = left.saturating_sub(read),
                _ => return,
            }
        }
    }
}

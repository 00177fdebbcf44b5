//! From an accepted socket to an arrival: TLS handshake and HTTP upgrade, within one deadline.

mod refusal;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use monoio::buf::IoBufMut;
use monoio::io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt};
use monoio::net::TcpStream;
use uringcast_ring::{Sealed, ktls};

use super::accept::Host;
use super::desk::{Arrival, Desk, Handshake, Place};
use super::governor::Class;
use super::kernel::{Kernel, KernelSession};
use super::secure::Secure;
use super::tls::TlsSession;
use crate::limits::{
    CLOSE_TIMEOUT, HANDSHAKE_PATIENCE, HANDSHAKE_TIMEOUT, LINGER_BYTES, RECEIVE_BUFFER,
};
use crate::sync::AddressPermit;
use crate::wire::Secret;
use crate::wire::hello;
use crate::wire::proxy::{self, Header};
use crate::wire::upgrade::{self, Upgrade, UpgradeError};
use refusal::HandshakeError;

/// A socket before its handover, with TLS where that is configured.
struct Line {
    stream: TcpStream,
    desk: Rc<Desk>,
    /// The client, as far as is known: proxies may name another one.
    peer: SocketAddr,
    tls: Option<TlsSession>,
    /// In the place of `tls` once the kernel has the keys.
    kernel: Option<KernelSession>,
    /// What is left of our patience with the peer.
    patience: Duration,
    /// Reused by every read.
    buffer: Vec<u8>,
    /// What is in the buffer has come early or behind a PROXY header, and was not looked at yet.
    unread: bool,
    /// Something was answered during the TLS handshake: most of its cost is paid.
    begun: bool,
    /// Plaintext received and not yet used.
    plain: Vec<u8>,
    /// The peer has sent something.
    heard: bool,
    /// The peer has said close_notify.
    ended: bool,
    /// A last answer is out, which closing at once might take back.
    answered: bool,
}

/// Greets one connection that has said `early` so far: hands it to the turn, or answers and ends.
pub(super) async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    early: Vec<u8>,
    handshake: Handshake,
    desk: Rc<Desk>,
    host: Host,
) {
    let service = host.service;
    let mut line = Line::new(stream, peer, early, Rc::clone(&desk));
    let upgraded = monoio::time::timeout(HANDSHAKE_TIMEOUT, upgrade(&mut line, &desk, host)).await;
    let peer = line.peer;
    match upgraded.unwrap_or(Err(HandshakeError::Late)) {
        Ok(Answer::Upgraded { response, place, lodging, token, probe }) => {
            let Line { stream, tls, kernel, plain: leftover, ended, .. } = line;
            let secure = kernel.map(Secure::from).or(tls.map(Secure::from)).unwrap_or_default();
            return desk.arrive(Arrival {
                stream,
                service,
                peer,
                response,
                leftover,
                secure,
                ended,
                place,
                lodging,
                token,
                probe,
                handshake,
            });
        }
        Ok(Answer::Health) => {}
        Err(refusal) => {
            refusal.tell(peer);
            if let Some(error) = refusal.label() {
                desk.error(service, error);
            }
        }
    }
    if line.answered {
        // Nothing more is said or understood: what that took is not kept.
        (line.tls, line.plain) = (None, Vec::new());
        // Whether the peer takes its time or not, the answer is out.
        let mut left = line.patience;
        let linger = monoio::time::timeout(CLOSE_TIMEOUT, line.linger());
        let _ = desk.patience.wait(&mut left, linger).await;
    }
}

/// What the request was answered with.
enum Answer {
    /// An upgrade.
    Upgraded {
        /// That the broker is to write.
        response: Vec<u8>,
        /// Unless the server is full.
        place: Option<Place>,
        lodging: Option<AddressPermit>,
        token: Option<Secret>,
        probe: bool,
    },
    /// The state of our health, which is no fault.
    Health,
}

async fn upgrade(line: &mut Line, desk: &Desk, host: Host) -> Result<Answer, HandshakeError> {
    if host.proxies.protocol && host.proxies.trusts(line.peer.ip()) {
        line.read_proxy_header().await?;
    }
    if let Some(tls) = host.tls {
        line.tls = Some(TlsSession::new(tls.current(), desk.kernel.is_some())?);
        while !line.take_in().await? {}
        desk.shook_hands(line.tls.as_ref().is_some_and(TlsSession::resumed));
    }
    loop {
        match upgrade::parse(&line.plain, !desk.is_closed()) {
            Upgrade::NeedMore => line.read().await?,
            Upgrade::Accept(accepted) => {
                if let Some(forwarded) = &accepted.forwarded {
                    line.peer = proxy::client(line.peer, forwarded, &host.proxies);
                }
                let probe = desk.is_probe(&accepted.path);
                let admits = desk.admits_origin(host.service, accepted.origin.as_deref());
                if !probe && !admits {
                    return line.refuse(UpgradeError::Unlisted).await;
                }
                let address = line.peer.ip();
                let lodging = if probe { Ok(None) } else { desk.lodging(host.service, address) };
                let lodging = match lodging {
                    Ok(lodging) => lodging,
                    Err(limit) => {
                        line.answer(UpgradeError::TooMany.response()).await?;
                        return Err(HandshakeError::TooMany(limit));
                    }
                };
                let place = if probe { None } else { desk.place(host.service) };
                line.plain.drain(..accepted.consumed);
                let (mut response, token) = (accepted.response, accepted.token);
                if line.tls.is_some()
                    && let Some(kernel) = &desk.kernel
                {
                    // Before the handover, which may have to wait for the rest of a record.
                    line.write(std::mem::take(&mut response)).await?;
                    if !line.hand_to(kernel).await? {
                        desk.fell_back();
                    }
                }
                return Ok(Answer::Upgraded { response, place, lodging, token, probe });
            }
            Upgrade::Answer { response, refusal } => {
                line.answer(response).await?;
                return refusal.map_or(Ok(Answer::Health), |why| Err(HandshakeError::Upgrade(why)));
            }
        }
    }
}

impl Line {
    fn new(stream: TcpStream, peer: SocketAddr, early: Vec<u8>, desk: Rc<Desk>) -> Line {
        let unread = !early.is_empty();
        Line {
            stream,
            desk,
            peer,
            tls: None,
            kernel: None,
            patience: HANDSHAKE_PATIENCE,
            buffer: early,
            unread,
            begun: false,
            plain: Vec::new(),
            heard: unread,
            ended: false,
            answered: false,
        }
    }

    /// Reads more of the request.
    async fn read(&mut self) -> Result<(), HandshakeError> {
        let before = self.plain.len();
        while self.plain.len() == before {
            if self.ended {
                self.say_close().await?;
                return Err(HandshakeError::Left);
            }
            self.take_in().await?;
        }
        Ok(())
    }

    /// Reads once and appends the plaintext. Returns whether TLS is established.
    async fn take_in(&mut self) -> Result<bool, HandshakeError> {
        self.take_in_up_to(RECEIVE_BUFFER).await
    }

    /// Reads the header of a proxy, and the client's address from it.
    async fn read_proxy_header(&mut self) -> Result<(), HandshakeError> {
        let mut head = Vec::new();
        loop {
            self.receive(RECEIVE_BUFFER).await?;
            head.extend_from_slice(&self.buffer);
            match proxy::parse(&head) {
                Header::NeedMore => {}
                Header::Whole(length, client) => {
                    self.peer = client.unwrap_or(self.peer);
                    self.buffer.clear();
                    self.buffer.extend_from_slice(&head[length..]);
                    self.unread = !self.buffer.is_empty();
                    // A proxy that looks whether we live may leave without a word of its own.
                    self.heard = self.unread;
                    return Ok(());
                }
                Header::Malformed => {
                    tracing::warn!(
                        peer = %self.peer,
                        "closing a connection of a trusted proxy without a good PROXY header; \
                         make the proxy send one, or leave proxy_protocol out"
                    );
                    return Err(HandshakeError::Proxy);
                }
            }
        }
    }

    /// Reads once into the buffer, at most so many bytes, unless there is something in it.
    async fn receive(&mut self, most: usize) -> Result<(), HandshakeError> {
        if std::mem::take(&mut self.unread) {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let room = buffer.slice_mut(..most.min(RECEIVE_BUFFER));
        let read = self.desk.patience.wait(&mut self.patience, self.stream.read(room));
        let Some((read, room)) = read.await else { return Err(HandshakeError::Late) };
        self.buffer = room.into_inner();
        if read? == 0 {
            return Err(if self.heard { HandshakeError::Left } else { HandshakeError::Silent });
        }
        self.heard = true;
        Ok(())
    }

    /// As `take_in`, at most so many bytes.
    async fn take_in_up_to(&mut self, most: usize) -> Result<bool, HandshakeError> {
        self.receive(most).await?;
        let desk = Rc::clone(&self.desk);
        let share = desk.governor.share(self.class()).await;
        let Some(tls) = &mut self.tls else {
            self.plain.extend_from_slice(&self.buffer);
            return Ok(false);
        };
        let opened = tls.open(&mut self.buffer, &mut self.plain);
        let answer = match &opened {
            Ok(_) => tls.take_pending(),
            Err(_) => tls.seal_close(),
        };
        drop(share);
        if !answer.is_empty() {
            self.begun = true;
            self.stream.write_all(answer).await.0?;
        }
        let opened = match opened {
            Ok(opened) => opened,
            Err(fault) => {
                self.answered = true;
                return Err(fault.into());
            }
        };
        self.ended |= opened.eof;
        Ok(opened.established)
    }

    /// What the bytes in the buffer are about to cost.
    fn class(&self) -> Class {
        match hello::resumes(&self.buffer) {
            _ if self.tls.is_none() => Class::Quick,
            Some(false) => Class::Full,
            None if !self.begun => Class::Full,
            Some(true) | None => Class::Quick,
        }
    }

    /// Hands the keys to the kernel. Returns whether it takes them; if not, all goes on as it was.
    async fn hand_to(&mut self, kernel: &Kernel) -> Result<bool, HandshakeError> {
        // The kernel begins with a whole record, and we may have read into one.
        while let Some(missing @ 1..) = self.tls.as_ref().map(TlsSession::missing) {
            self.take_in_up_to(missing).await?;
        }
        let Some(tls) = self.tls.take_if(|tls| tls.fits(kernel)) else { return Ok(false) };
        if let Err(error) = ktls::attach(&self.stream) {
            tracing::debug!(%error, "the kernel takes no TLS connection");
            self.tls = Some(tls);
            return Ok(false);
        }
        self.kernel = Some(tls.hand_over(&self.stream, kernel)?);
        Ok(true)
    }

    async fn write(&mut self, plain: Vec<u8>) -> Result<(), HandshakeError> {
        let bytes = match &mut self.tls {
            None => plain,
            Some(tls) => {
                let mut sealed = Vec::new();
                while let Sealed::Needs(room) = tls.seal(&plain, &mut sealed)? {
                    sealed.resize(room, 0);
                }
                sealed
            }
        };
        Ok(self.stream.write_all(bytes).await.0.map(drop)?)
    }

    /// Answers a request that HTTP has no objection to, but we have.
    async fn refuse(&mut self, why: UpgradeError) -> Result<Answer, HandshakeError> {
        self.answer(why.response()).await?;
        Err(HandshakeError::Upgrade(why))
    }

    /// Writes a final response.
    async fn answer(&mut self, response: Vec<u8>) -> Result<(), HandshakeError> {
        self.write(response).await?;
        self.say_close().await
    }

    /// Says close_notify, where there is TLS; nothing follows.
    async fn say_close(&mut self) -> Result<(), HandshakeError> {
        if let Some(tls) = &mut self.tls {
            let bytes = tls.seal_close();
            self.stream.write_all(bytes).await.0?;
        }
        self.answered = true;
        Ok(())
    }

    /// Sends FIN and reads the rest away: closing a socket with unread bytes resets it.
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

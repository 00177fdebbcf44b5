//! Kernel TLS: what this kernel takes, the handover of the keys, and what the records mean that
//! are not application data.
//!
//! After the handover a socket is written and read like one without TLS, from the same shared
//! bytes. What is left of rustls is the key schedule, and only where the kernel can follow a
//! KeyUpdate.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use rustls::kernel::KernelConnection;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::{CipherSuite, ConnectionTrafficSecrets, SupportedCipherSuite};
use socket2::SockRef;
use uringcast_ring::ktls::{Direction, Keys, attach, expect_no_padding, set_keys, try_keys};

use super::deliver::Ring;
use super::tls::TlsFault;
use crate::limits::{MAX_CONTROL_RECORD, MAX_CONTROL_RECORDS};

/// Content types. RFC 8446, B.1.
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

/// KeyUpdate, not asking for ours. RFC 8446, 4.6.3.
pub(super) const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// `level`, `description`. RFC 8446, 6.
pub(super) type Alert = [u8; 2];
pub(super) const CLOSE_NOTIFY: Alert = [1, 0];
pub(super) const UNEXPECTED_MESSAGE: Alert = [2, 10];
pub(super) const BAD_RECORD_MAC: Alert = [2, 20];
pub(super) const RECORD_OVERFLOW: Alert = [2, 22];
const ILLEGAL_PARAMETER: Alert = [2, 47];
const DECODE_ERROR: Alert = [2, 50];
const USER_CANCELED: u8 = 90;
const NO_RENEGOTIATION: Alert = [1, 100];

/// The versions and ciphers of `struct tls_crypto_info`.
const VERSIONS: [u16; 2] = [libc::TLS_1_2_VERSION, libc::TLS_1_3_VERSION];
const CIPHERS: [u16; 3] = [
    libc::TLS_CIPHER_AES_GCM_128,
    libc::TLS_CIPHER_AES_GCM_256,
    libc::TLS_CIPHER_CHACHA20_POLY1305,
];

/// What the kernel's TLS can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// By [`VERSIONS`] and [`CIPHERS`].
    taken: [[bool; CIPHERS.len()]; VERSIONS.len()],
    /// Whether keys can be replaced.
    rekeys: bool,
}

impl Kernel {
    /// Tries on loopback sockets what the kernel takes.
    ///
    /// # Errors
    /// What the kernel said when asked for TLS at all.
    pub(crate) fn probe() -> io::Result<Kernel> {
        let mut kernel = Kernel::default();
        for (version, taken) in VERSIONS.into_iter().zip(&mut kernel.taken) {
            for (cipher, taken) in CIPHERS.into_iter().zip(taken) {
                let (socket, _peer) = pair()?;
                attach(&socket)?;
                let set = |direction| try_keys(&socket, direction, version, cipher).is_ok();
                *taken = set(Direction::Send) && set(Direction::Receive);
                kernel.rekeys |= *taken && set(Direction::Receive) && set(Direction::Send);
            }
        }
        match kernel.taken.as_flattened().contains(&true) {
            true => Ok(kernel),
            false => Err(io::Error::other("it takes none of our ciphers")),
        }
    }

    /// Whether it takes connections with this suite.
    pub(super) fn takes(&self, suite: SupportedCipherSuite) -> bool {
        let version = usize::from(suite.tls13().is_some());
        cipher(suite.suite()).is_some_and(|cipher| self.taken[version][cipher])
    }
}

/// Connected sockets.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").or_else(|_| TcpListener::bind("[::1]:0"))?;
    let socket = TcpStream::connect(listener.local_addr()?)?;
    Ok((socket, listener.accept()?.0))
}

/// Which of [`CIPHERS`] a suite uses.
fn cipher(suite: CipherSuite) -> Option<usize> {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => Some(0),
        CipherSuite::TLS13_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => Some(1),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => Some(2),
        _ => None,
    }
}

/// What user space keeps of a connection whose records the kernel seals and opens.
pub(super) struct KernelSession {
    /// The key schedule, where it is of use.
    schedule: Option<Box<KernelConnection<ServerConnectionData>>>,
    /// Records sent with the present keys, at most.
    pub records: u32,
    /// KeyUpdates and warnings of the peer since it last said something.
    controls: u16,
    tls13: bool,
}

/// Records of one send, at most. RFC 8446, 5.1.
pub(super) fn records_of(bytes: usize) -> u32 {
    1 + (bytes >> 14) as u32
}

/// What a record other than data asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is data after all.
    Data,
    Ignore,
    CloseNotify,
    /// The peer gives up.
    Fatal,
    /// The peer's next records have new keys. `answer`: and so must ours.
    KeyUpdate {
        answer: bool,
    },
    /// Not allowed here.
    Refuse(Alert),
}

/// What became of a receive that the kernel ended with an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Application data.
    Data(Vec<u8>),
    /// Taken care of: receive again.
    Nothing,
    /// New keys, and the kernel has them: receive again.
    Rekeyed,
    /// New keys, and the kernel cannot have them: nothing more can be read.
    Deaf,
    /// close_notify or FIN.
    End,
    /// The peer broke TLS, or says that we did.
    Fault,
    /// The socket failed.
    Reset,
}

impl KernelSession {
    /// Hands the keys of an established connection, between two records, to the kernel, whose
    /// layer is attached to `socket`.
    ///
    /// # Errors
    /// [`TlsFault`]: the connection is lost.
    pub(super) fn take_over(
        connection: UnbufferedServerConnection,
        socket: &impl AsRawFd,
        kernel: &Kernel,
    ) -> Result<KernelSession, TlsFault> {
        let (secrets, schedule) = connection.dangerous_into_kernel_connection()?;
        let suite = schedule.negotiated_cipher_suite();
        set_keys(socket, Direction::Send, &keys(suite, secrets.tx)?)?;
        set_keys(socket, Direction::Receive, &keys(suite, secrets.rx)?)?;
        let tls13 = suite.tls13().is_some();
        if tls13 && let Err(error) = expect_no_padding(socket) {
            tracing::trace!(%error, "the kernel pays for padding that is not there");
        }
        let schedule = (kernel.rekeys && tls13).then(|| Box::new(schedule));
        Ok(KernelSession { schedule, records: 0, controls: 0, tls13 })
    }

    /// The peer has said something.
    pub(super) fn hear(&mut self) {
        self.controls = 0;
    }

    /// Says close_notify, if there is room.
    pub(super) fn say_close(&self, slot: u32, ring: &mut Ring) {
        say(slot, CLOSE_NOTIFY, ring);
    }

    /// Looks why a plain receive failed with `errno`, and does what can be done.
    pub(super) fn take_control(&mut self, slot: u32, errno: i32, ring: &mut Ring) -> Taken {
        // In front of a record that is not data, and until it is taken.
        if errno != libc::EIO {
            return failed(slot, errno, ring);
        }
        let record = match ring.take_record(slot, MAX_CONTROL_RECORD) {
            Ok(Some(record)) => record,
            Ok(None) => return Taken::End,
            Err(error) => return failed(slot, error.raw_os_error().unwrap_or_default(), ring),
        };
        let verdict = judge(record.kind, &record.bytes, self.tls13);
        if matches!(verdict, Verdict::Ignore | Verdict::KeyUpdate { .. }) {
            self.controls = self.controls.saturating_add(1);
            if self.controls > MAX_CONTROL_RECORDS {
                say(slot, UNEXPECTED_MESSAGE, ring);
                return Taken::Fault;
            }
        }
        match verdict {
            Verdict::Data => {
                self.hear();
                Taken::Data(record.bytes)
            }
            Verdict::Ignore => Taken::Nothing,
            Verdict::CloseNotify => Taken::End,
            Verdict::Fatal => Taken::Fault,
            Verdict::KeyUpdate { answer } => match self.follow(slot, answer, ring) {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::debug!(%error, "cannot follow a peer's KeyUpdate");
                    Taken::Deaf
                }
            },
            Verdict::Refuse(alert) => {
                say(slot, alert, ring);
                Taken::Fault
            }
        }
    }

    /// Follows the peer's KeyUpdate.
    ///
    /// # Errors
    /// [`TlsFault`]: nothing more can be read, and all is sent with the key that it was.
    fn follow(&mut self, slot: u32, answer: bool, ring: &mut Ring) -> Result<Taken, TlsFault> {
        let schedule = self.schedule.as_mut().ok_or(TlsFault::Exhausted)?;
        let suite = schedule.negotiated_cipher_suite();
        let new = keys(suite, schedule.update_rx_secret()?)?;
        let socket = ring.descriptor(slot)?;
        set_keys(&socket, Direction::Receive, &new)?;
        if answer {
            let new = keys(suite, schedule.update_tx_secret()?)?;
            ring.send_record(slot, HANDSHAKE, &KEY_UPDATE)?;
            if let Err(error) = set_keys(&socket, Direction::Send, &new) {
                // What is sent with the former key now, an alert too, the peer cannot read.
                tracing::warn!(%error, "the kernel takes no new TLS key: dropping a connection");
                return Ok(Taken::Reset);
            }
            self.records = 0;
        }
        Ok(Taken::Rekeyed)
    }
}

fn keys(
    suite: SupportedCipherSuite,
    (sequence, secrets): (u64, ConnectionTrafficSecrets),
) -> Result<Keys, TlsFault> {
    use ConnectionTrafficSecrets::{Aes128Gcm, Aes256Gcm, Chacha20Poly1305};
    let (Aes128Gcm { key, iv } | Aes256Gcm { key, iv } | Chacha20Poly1305 { key, iv }) = &secrets
    else {
        return Err(TlsFault::Suite);
    };
    let version = VERSIONS[usize::from(suite.tls13().is_some())];
    let cipher = CIPHERS[cipher(suite.suite()).ok_or(TlsFault::Suite)?];
    let iv = iv.as_ref().try_into().map_err(|_| TlsFault::Suite)?;
    Ok(Keys::new(version, cipher, key.as_ref(), iv, sequence))
}

/// Nobody waits for an alert: it is sent if the socket has room.
fn say(slot: u32, alert: Alert, ring: &mut Ring) {
    if let Err(error) = ring.send_record(slot, ALERT, &alert) {
        tracing::trace!(%error, ?alert, "an alert could not be sent");
    }
}

fn failed(slot: u32, errno: i32, ring: &mut Ring) -> Taken {
    let alert = match errno {
        libc::EAGAIN => return Taken::Nothing,
        libc::EBADMSG => BAD_RECORD_MAC,
        libc::EMSGSIZE => RECORD_OVERFLOW,
        libc::EINVAL => DECODE_ERROR,
        _ => return Taken::Reset,
    };
    tracing::debug!(errno, "a peer broke TLS");
    // Until somebody asks for the error of a bad record, every send fails with it.
    if let Ok(socket) = ring.descriptor(slot) {
        let _ = SockRef::from(&socket).take_error();
    }
    say(slot, alert, ring);
    Taken::Fault
}

pub(super) fn judge(kind: u8, bytes: &[u8], tls13: bool) -> Verdict {
    match (kind, bytes) {
        (APPLICATION_DATA, _) => Verdict::Data,
        (ALERT, [_, 0]) => Verdict::CloseNotify,
        (ALERT, [1, USER_CANCELED]) => Verdict::Ignore,
        (ALERT, [1, _]) if !tls13 => Verdict::Ignore,
        (ALERT, [_, _]) => Verdict::Fatal,
        // RFC 8446, 5.4.
        (ALERT, []) => Verdict::Refuse(UNEXPECTED_MESSAGE),
        (ALERT, _) => Verdict::Refuse(DECODE_ERROR),
        (HANDSHAKE, [24, 0, 0, 1, asks @ 0..=1]) if tls13 => {
            Verdict::KeyUpdate { answer: *asks == 1 }
        }
        // RFC 8446, 4.6.3.
        (HANDSHAKE, [24, 0, 0, 1, _]) if tls13 => Verdict::Refuse(ILLEGAL_PARAMETER),
        // A ClientHello, which would begin a renegotiation. RFC 5246, 7.2.2.
        (HANDSHAKE, [1, ..]) if !tls13 => Verdict::Refuse(NO_RENEGOTIATION),
        _ => Verdict::Refuse(UNEXPECTED_MESSAGE),
    }
}

#[cfg(test)]
mod tests;

//! What this kernel's TLS supports, probed once when the engine starts.

use std::io;

use rustls::{CipherSuite, SupportedCipherSuite};
use uringcast_ring::probe::loopback;

use crate::shard::delivery_ring::ktls::{Direction, attach, try_keys};

/// The versions and ciphers of `struct tls_crypto_info`.
const VERSIONS: [u16; 2] = [libc::TLS_1_2_VERSION, libc::TLS_1_3_VERSION];
pub(super) const CIPHERS: [u16; 3] = [
    libc::TLS_CIPHER_AES_GCM_128,
    libc::TLS_CIPHER_AES_GCM_256,
    libc::TLS_CIPHER_CHACHA20_POLY1305,
];

/// What the kernel's TLS supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// By [`VERSIONS`] and [`CIPHERS`].
    pub(super) taken: [[bool; CIPHERS.len()]; VERSIONS.len()],
    /// Whether keys can be replaced.
    pub(super) rekeys: bool,
}

impl Kernel {
    /// Tries every version and cipher on loopback sockets.
    ///
    /// # Errors
    /// When the kernel refuses TLS, or supports none of the ciphers.
    pub(crate) fn probe() -> io::Result<Kernel> {
        let mut kernel = Kernel::default();
        for (version, taken) in VERSIONS.into_iter().zip(&mut kernel.taken) {
            for (cipher, taken) in CIPHERS.into_iter().zip(taken) {
                let (socket, _peer) = loopback()?;
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

    /// Whether connections with this suite can be handed over.
    pub(crate) fn takes(&self, suite: SupportedCipherSuite) -> bool {
        let version = usize::from(suite.tls13().is_some());
        cipher(suite.suite()).is_some_and(|cipher| self.taken[version][cipher])
    }
}

/// Which of [`CIPHERS`] a suite uses.
pub(super) fn cipher(suite: CipherSuite) -> Option<usize> {
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

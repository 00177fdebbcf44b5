//! The traffic secrets of TLS 1.3 handshakes (RFC 8446, 7.1). rustls gives them to a key log only,
//! and without them only rustls can follow a KeyUpdate: another process that takes a
//! connection over must.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustls::KeyLog;
use zeroize::Zeroizing;

/// Bytes of the longest secret: SHA-384's.
const MAX_SECRET: usize = 48;

/// The secret of one direction, from which its keys are derived, and the next secret.
#[derive(Clone)]
pub(crate) struct TrafficSecret {
    bytes: Zeroizing<[u8; MAX_SECRET]>,
    len: u8,
}

impl TrafficSecret {
    /// `None` if it is too long.
    pub(crate) fn new(secret: &[u8]) -> Option<TrafficSecret> {
        let mut bytes = Zeroizing::new([0; MAX_SECRET]);
        bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(TrafficSecret { bytes, len: secret.len() as u8 })
    }

    /// Its bytes, for their use.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.bytes[..self.len.into()]
    }
}

impl fmt::Debug for TrafficSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrafficSecret(…)")
    }
}

/// Those of both directions, as far as a handshake has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrafficSecrets {
    pub(crate) send: Option<TrafficSecret>,
    pub(crate) receive: Option<TrafficSecret>,
}

thread_local! {
    /// Of the handshake that was driven last on this thread.
    static TAPPED: RefCell<TrafficSecrets> = RefCell::default();
}

/// A server's key log that keeps traffic secrets for the session that is being driven on the same
/// thread, and passes everything on.
#[derive(Debug)]
pub(crate) struct SecretTap(pub(crate) Arc<dyn KeyLog>);

impl SecretTap {
    /// Takes what was kept since the last call on this thread.
    pub(crate) fn take() -> TrafficSecrets {
        TAPPED.take()
    }
}

impl KeyLog for SecretTap {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        TAPPED.with_borrow_mut(|tapped| match label {
            "SERVER_TRAFFIC_SECRET_0" => tapped.send = TrafficSecret::new(secret),
            "CLIENT_TRAFFIC_SECRET_0" => tapped.receive = TrafficSecret::new(secret),
            _ => {}
        });
        if self.0.will_log(label) {
            self.0.log(label, client_random, secret);
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label.ends_with("_TRAFFIC_SECRET_0") || self.0.will_log(label)
    }
}

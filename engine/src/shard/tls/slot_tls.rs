//! The TLS state of a slot, of whichever kind it is.

use super::ktls_session::KtlsSession;
use super::session::TlsSession;
use crate::telemetry::Gauge;

/// A slot's TLS.
#[derive(Default)]
pub(crate) enum SlotTls {
    /// None, or an empty slot.
    #[default]
    None,
    /// Sealed and opened in user space.
    User(Box<TlsSession>),
    /// Sealed and opened by the kernel.
    Kernel(KtlsSession),
}

// A delivery over kernel TLS touches nothing else of the connection.
const _: () = assert!(size_of::<SlotTls>() <= 16);

impl From<TlsSession> for SlotTls {
    fn from(session: TlsSession) -> SlotTls {
        SlotTls::User(Box::new(session))
    }
}

impl SlotTls {
    /// The gauge of connections of this kind.
    pub(crate) fn gauge(&self) -> Option<Gauge> {
        match self {
            SlotTls::None => None,
            SlotTls::User(_) => Some(Gauge::TlsUser),
            SlotTls::Kernel(_) => Some(Gauge::TlsKernel),
        }
    }
}

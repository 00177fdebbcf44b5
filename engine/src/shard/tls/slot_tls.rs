//! The TLS state of a slot, of whichever kind it is.

use super::ktls_session::KtlsSession;
use super::session::TlsSession;

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

/// Connections with TLS, by where their records are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlotTlsCounts {
    pub user: usize,
    pub kernel: usize,
}

impl SlotTlsCounts {
    /// The counter of this kind of connection.
    pub(crate) fn of(&mut self, secure: &SlotTls) -> Option<&mut usize> {
        match secure {
            SlotTls::None => None,
            SlotTls::User(_) => Some(&mut self.user),
            SlotTls::Kernel(_) => Some(&mut self.kernel),
        }
    }
}

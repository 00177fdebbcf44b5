//! How each connection of a shard is secured, by slot.

use crate::shard::tls::ktls_session::KernelSession;
use crate::shard::tls::session::TlsSession;

/// One slot's TLS.
#[derive(Default)]
pub(crate) enum Secure {
    /// None, or an empty slot.
    #[default]
    None,
    /// Sealed and opened here.
    User(Box<TlsSession>),
    /// Sealed and opened by the kernel.
    Kernel(KernelSession),
}

// A delivery over kernel TLS touches nothing else of the connection.
const _: () = assert!(size_of::<Secure>() <= 16);

impl From<TlsSession> for Secure {
    fn from(session: TlsSession) -> Secure {
        Secure::User(Box::new(session))
    }
}

impl From<KernelSession> for Secure {
    fn from(session: KernelSession) -> Secure {
        Secure::Kernel(session)
    }
}

/// Connections that are secured, by who does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Secured {
    pub user: usize,
    pub kernel: usize,
}

impl Secured {
    /// Where a kind of connection is counted.
    pub(crate) fn of(&mut self, secure: &Secure) -> Option<&mut usize> {
        match secure {
            Secure::None => None,
            Secure::User(_) => Some(&mut self.user),
            Secure::Kernel(_) => Some(&mut self.kernel),
        }
    }
}

//! How a connection's bytes are protected.

/// Whether TLS protects a connection, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Nothing protects it.
    #[default]
    Plain,
    /// TLS ends at a trusted proxy.
    Proxy,
    /// TLS 1.2; the server makes the records.
    Tls12,
    /// TLS 1.2; the kernel makes the records.
    KernelTls12,
    /// TLS 1.3; the server makes the records.
    Tls13,
    /// TLS 1.3; the kernel makes the records.
    KernelTls13,
}

impl TlsMode {
    /// Whether TLS is on, here or at the proxy.
    pub fn is_secure(self) -> bool {
        self != TlsMode::Plain
    }

    /// TLS of this server.
    pub(crate) fn tls(is_13: bool, kernel: bool) -> TlsMode {
        match (is_13, kernel) {
            (false, false) => TlsMode::Tls12,
            (false, true) => TlsMode::KernelTls12,
            (true, false) => TlsMode::Tls13,
            (true, true) => TlsMode::KernelTls13,
        }
    }

    /// The version of TLS that this server speaks on it.
    pub fn tls_version(self) -> Option<&'static str> {
        match self {
            TlsMode::Plain | TlsMode::Proxy => None,
            TlsMode::Tls12 | TlsMode::KernelTls12 => Some("1.2"),
            TlsMode::Tls13 | TlsMode::KernelTls13 => Some("1.3"),
        }
    }

    /// Whether the kernel makes the records.
    pub fn is_kernel(self) -> bool {
        matches!(self, TlsMode::KernelTls12 | TlsMode::KernelTls13)
    }
}

//! The end of what a peer sends.

/// Why receiving from a connection ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveEnd {
    /// The peer sent FIN (over TLS: close_notify or FIN).
    Eof,
    /// A socket error.
    Reset,
    /// TLS: a record that cannot be decrypted or parsed, or a fatal alert.
    TlsFault,
}

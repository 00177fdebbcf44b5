//! The meaning of records other than application data (RFC 8446, B.1). The record layer and kernel
//! TLS share it.

/// Content types. RFC 8446, B.1.
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

/// KeyUpdate that requests none in return. RFC 8446, 4.6.3.
pub(super) const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// `level`, `description`. RFC 8446, 6.
pub(super) type Alert = [u8; 2];
pub(super) const CLOSE_NOTIFY: Alert = [1, 0];
pub(super) const UNEXPECTED_MESSAGE: Alert = [2, 10];
pub(super) const BAD_RECORD_MAC: Alert = [2, 20];
pub(super) const RECORD_OVERFLOW: Alert = [2, 22];
const ILLEGAL_PARAMETER: Alert = [2, 47];
pub(super) const DECODE_ERROR: Alert = [2, 50];
const USER_CANCELED: u8 = 90;
const NO_RENEGOTIATION: Alert = [1, 100];

/// Records of one send, at most. RFC 8446, 5.1.
pub(super) fn records_of(bytes: usize) -> u32 {
    1 + (bytes >> 14) as u32
}

/// What a record requires.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ControlRecord {
    /// Application data: not a control record.
    Data,
    Ignore,
    CloseNotify,
    /// The peer ends the connection.
    FatalAlert,
    /// The peer's next records have new keys. `answer`: the sender must replace its own too.
    KeyUpdate {
        answer: bool,
    },
    /// Not allowed here: the alert to send.
    Refuse(Alert),
}

impl ControlRecord {
    /// Classifies a decrypted record by its content type and content.
    pub(super) fn parse(kind: u8, bytes: &[u8], tls13: bool) -> ControlRecord {
        match (kind, bytes) {
            (APPLICATION_DATA, _) => ControlRecord::Data,
            (ALERT, [_, 0]) => ControlRecord::CloseNotify,
            (ALERT, [1, USER_CANCELED]) => ControlRecord::Ignore,
            (ALERT, [1, _]) if !tls13 => ControlRecord::Ignore,
            (ALERT, [_, _]) => ControlRecord::FatalAlert,
            // RFC 8446, 5.4.
            (ALERT, []) => ControlRecord::Refuse(UNEXPECTED_MESSAGE),
            (ALERT, _) => ControlRecord::Refuse(DECODE_ERROR),
            (HANDSHAKE, [24, 0, 0, 1, asks @ 0..=1]) if tls13 => {
                ControlRecord::KeyUpdate { answer: *asks == 1 }
            }
            // RFC 8446, 4.6.3.
            (HANDSHAKE, [24, 0, 0, 1, _]) if tls13 => ControlRecord::Refuse(ILLEGAL_PARAMETER),
            // A ClientHello, which would begin a renegotiation. RFC 5246, 7.2.2.
            (HANDSHAKE, [1, ..]) if !tls13 => ControlRecord::Refuse(NO_RENEGOTIATION),
            _ => ControlRecord::Refuse(UNEXPECTED_MESSAGE),
        }
    }
}

#[cfg(test)]
mod tests;

//! A record layer as bytes, for the process that takes its connection over (docs/HANDOVER.md).

use zeroize::Zeroizing;

use super::key_schedule::{KeySchedule, Suite};
use super::{RecordLayer, TlsError};
use crate::config::TrafficSecret;

/// Suite (1), whether a KeyUpdate was answered since the last record (1), records without data (2),
/// numbers of the next records sent and received (8 each); then both secrets.
const HEAD: usize = 20;

impl RecordLayer {
    /// Its secrets, and where they are.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let KeySchedule { suite, send, receive } = &self.schedule;
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD + 2 * suite.secret_len()));
        bytes.extend([*suite as u8, self.update_answered.into()]);
        bytes.extend(self.controls.to_le_bytes());
        bytes.extend(self.send.seq.to_le_bytes());
        bytes.extend(self.receive.seq.to_le_bytes());
        bytes.extend_from_slice(send.expose());
        bytes.extend_from_slice(receive.expose());
        bytes
    }

    /// Records sent and received with the present keys; `None` where the next one that is sent
    /// changes more.
    pub(crate) fn numbers(&self) -> Option<(u64, u64)> {
        (!self.update_answered).then_some((self.send.seq, self.receive.seq))
    }

    /// So many were sent with this key by another process. Returns whether that can be: a number
    /// never counts twice.
    pub(crate) fn set_sealed(&mut self, records: u64) -> bool {
        let follows = records >= self.send.seq;
        if follows {
            self.send.seq = records;
        }
        follows
    }

    /// Reads what another process has written. Returns the bytes behind it, too.
    ///
    /// # Errors
    /// [`TlsError::Suite`] for what no record layer is.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<(RecordLayer, &[u8]), TlsError> {
        let read = || {
            let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
            let number = |at: usize| {
                head[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
            };
            let suite = Suite::parse(head[0])?;
            let (send, rest) = rest.split_at_checked(suite.secret_len())?;
            let (receive, rest) = rest.split_at_checked(suite.secret_len())?;
            let (send, receive) = (TrafficSecret::new(send)?, TrafficSecret::new(receive)?);
            let schedule = KeySchedule::of(suite, send, receive)?;
            let layer = RecordLayer {
                send: schedule.send_key(number(4)).ok()?,
                receive: schedule.receive_key(number(12)).ok()?,
                schedule,
                controls: u16::from_le_bytes([head[2], head[3]]),
                opened_controls: 0,
                update_answered: head[1] != 0,
            };
            Some((layer, rest))
        };
        read().ok_or(TlsError::Suite)
    }
}

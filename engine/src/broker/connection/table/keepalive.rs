//! Which connections are silent, and which have not answered a PING.

use super::Connections;
use crate::broker::connection::record::Sign;
use crate::types::Time;

impl Connections {
    /// Seconds since the last receive, or since the PING that it has not answered.
    pub(crate) fn silence(&self, index: u32, now: Time) -> u32 {
        now.seconds().saturating_sub(self.last_rx[index as usize])
    }

    /// A connection that sends nothing was sent a comment: the next one is due after as long.
    pub(crate) fn note_sign(&mut self, index: u32, now: Time) {
        self.last_rx[index as usize] = now.seconds();
    }

    /// A silent connection must answer a PING. Returns `false` if it has not answered one.
    pub(crate) fn ping(&mut self, index: u32, now: Time) -> bool {
        let sign = &mut self.records[index as usize].sign;
        if std::mem::replace(sign, Sign::Answers) == Sign::Answers {
            return false;
        }
        self.last_rx[index as usize] = now.seconds();
        true
    }
}

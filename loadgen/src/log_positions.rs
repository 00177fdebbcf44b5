//! How far a subscriber has come in each of its channels, so that it can come back for the rest.

use memchr::memmem;

use crate::client::Position;
use crate::envelope_reply::Confirmation;
use crate::schedule::Channel;

/// The positions of one subscriber.
#[derive(Debug, Clone, Default)]
pub(crate) struct Positions(Vec<(Channel, Position)>);

impl Positions {
    pub(crate) fn of(&self, channel: Channel) -> Option<&Position> {
        self.0.iter().find(|(known, _)| *known == channel).map(|(_, position)| position)
    }

    /// A subscription was confirmed. `Err` if what was missed does not come.
    pub(crate) fn confirm(&mut self, channel: Channel, told: &Confirmation) -> Result<(), ()> {
        let position = Position { epoch: told.epoch.clone(), seq: told.seq };
        match self.0.iter_mut().find(|(known, _)| *known == channel) {
            // The messages that follow move it on.
            Some(_) if told.recovered == Some(true) => Ok(()),
            Some((_, known)) => {
                *known = position;
                Err(())
            }
            None => {
                self.0.push((channel, position));
                Ok(())
            }
        }
    }

    /// A message of the channel was received.
    pub(crate) fn advance(&mut self, channel: Channel, text: &[u8]) {
        let known = self.0.iter_mut().find(|(known, _)| *known == channel);
        if let Some((_, position)) = known
            && let Some(seq) = seq(text)
        {
            position.seq = position.seq.max(seq);
        }
    }
}

/// The sequence number of a message, which stands behind its data.
fn seq(text: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"seq\":";
    let digits = &text[memmem::rfind(text, NAME)? + NAME.len()..];
    let digits = digits.trim_ascii_start();
    let end = digits.iter().position(|digit| !digit.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;

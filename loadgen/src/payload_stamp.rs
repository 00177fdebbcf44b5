//! The fixed-width stamp each published message carries, found again without parsing JSON.
//!
//! `{"lg":"RUN.PUBLISHER.CHANNEL.INDEX.INTENDED.CHECKxxxx…"}`, all hexadecimal, the rest filled
//! up to the size of the payload.

use memchr::memmem::Finder;

use crate::schedule::{Channel, PublisherId};

const RUN: usize = 8;
/// Digits of publisher, channel, index, intended time and check.
const WIDTHS: [usize; 5] = [6, 5, 8, 13, 8];
const STAMP: usize = RUN + WIDTHS[0] + WIDTHS[1] + WIDTHS[2] + WIDTHS[3] + WIDTHS[4] + 5;

/// The smallest `--payload`: the document without filler.
pub(crate) const MIN_PAYLOAD: usize = r#"{"lg":""}"#.len() + STAMP;

const FILLER: u8 = b'x';

/// What a delivery carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) publisher: PublisherId,
    pub(crate) channel: Channel,
    /// Counts this publisher's messages in this channel from 0.
    pub(crate) index: u64,
    /// Intended send time, nanoseconds on the clock of this process.
    pub(crate) intended: u64,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A message of this run, as it was published.
    Whole(Stamp),
    /// A message of this run with other bytes in its filler.
    Damaged(Stamp),
    /// A message of this run that cannot be told from others.
    Illegible,
    /// None of this run.
    Nothing,
}

impl Stamp {
    /// The `data` document to publish; `filler` fills it up to the payload size.
    pub(crate) fn document(&self, run: &str, filler: &str) -> String {
        let Self { publisher: PublisherId(publisher), channel: Channel(channel), .. } = self;
        let (index, intended, check) = (self.index, self.intended, self.check());
        let message = format_args!("{publisher:06x}.{channel:05x}.{index:08x}");
        format!(r#"{{"lg":"{run}.{message}.{intended:013x}.{check:08x}{filler}"}}"#)
    }

    /// Changes with any digit: each part is mixed into all bits (the finaliser of SplitMix64).
    fn check(&self) -> u32 {
        let parts = [u64::from(self.publisher.0), u64::from(self.channel.0), self.index];
        let mixed = parts.into_iter().fold(self.intended, |sum, part| {
            let sum = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let sum = (sum ^ (sum >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (sum ^ (sum >> 31)).wrapping_add(part)
        });
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }
}

/// The filler of a payload of so many bytes, at least [`MIN_PAYLOAD`].
pub(crate) fn filler(payload: usize) -> String {
    char::from(FILLER).to_string().repeat(payload - MIN_PAYLOAD)
}

/// Finds this run's stamp in a message, at the place of the last one if it is there again.
pub(crate) struct Locator {
    finder: Finder<'static>,
    filler: Vec<u8>,
    /// Where the last stamp began.
    at: usize,
}

impl Locator {
    /// For the run with this id of 8 hexadecimal digits and payloads of this size.
    pub(crate) fn new(run: &str, payload: usize) -> Self {
        let mut filler = filler(payload).into_bytes();
        filler.push(b'"');
        Self { finder: Finder::new(&format!("{run}.")).into_owned(), filler, at: 0 }
    }

    /// What `text` is. Of a text that is cut off, the filler is checked as far as it goes.
    pub(crate) fn find(&mut self, text: &[u8]) -> Found {
        let needle = self.finder.needle();
        let known = text.get(self.at..).is_some_and(|rest| rest.starts_with(needle));
        if !known {
            match self.finder.find(text) {
                Some(at) => self.at = at,
                None => return Found::Nothing,
            }
        }
        let Some((stamp, rest)) = stamp(&text[self.at + needle.len()..]) else {
            return Found::Illegible;
        };
        let length = rest.len().min(self.filler.len());
        if rest[..length] == self.filler[..length] {
            Found::Whole(stamp)
        } else {
            Found::Damaged(stamp)
        }
    }
}

/// The stamp behind the run, and what follows it.
fn stamp(digits: &[u8]) -> Option<(Stamp, &[u8])> {
    let (mut rest, mut parts) = (digits, [0; WIDTHS.len()]);
    for (place, (part, width)) in parts.iter_mut().zip(WIDTHS).enumerate() {
        if place > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let (own, behind) = rest.split_at_checked(width)?;
        (*part, rest) = (number(own)?, behind);
    }
    let [publisher, channel, index, intended, check] = parts;
    let (publisher, channel) = (PublisherId(publisher as u32), Channel(channel as u32));
    let stamp = Stamp { publisher, channel, index, intended };
    (u64::from(stamp.check()) == check).then_some((stamp, rest))
}

/// Reads lower-case hexadecimal digits.
fn number(digits: &[u8]) -> Option<u64> {
    let mut value = 0;
    for &digit in digits {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u64::from(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests;

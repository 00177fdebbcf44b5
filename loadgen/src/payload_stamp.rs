//! The fixed-width stamp each published message carries, found again without parsing JSON.
//!
//! `{"lg":"<run 8 hex>.<publisher 3>.<sequence 12>.<intended ns 20>","pad":"xx…"}`

use memchr::memmem::Finder;

use crate::schedule::PublisherId;

const PUBLISHER: usize = 3;
const SEQUENCE: usize = 12;
const INTENDED: usize = 20;

/// The smallest `--payload`: the document with an empty pad.
pub(crate) const MIN_PAYLOAD: usize = r#"{"lg":"","pad":""}"#.len() + STAMP;

const RUN: usize = 8;
const STAMP: usize = RUN + 1 + PUBLISHER + 1 + SEQUENCE + 1 + INTENDED;

/// What a delivery carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) publisher: PublisherId,
    pub(crate) sequence: u64,
    /// Intended send time, nanoseconds on the clock of this process.
    pub(crate) intended: u64,
}

impl Stamp {
    /// The `data` document to publish; `pad` fills it up to the payload size.
    pub(crate) fn document(&self, run: &str, pad: &str) -> String {
        let Self { publisher: PublisherId(publisher), sequence, intended } = self;
        format!(r#"{{"lg":"{run}.{publisher:03}.{sequence:012}.{intended:020}","pad":"{pad}"}}"#)
    }
}

/// Finds this run's stamp in a message, at the place of the last one if it is there again.
pub(crate) struct Locator {
    finder: Finder<'static>,
    /// Where the last stamp began.
    at: usize,
}

impl Locator {
    /// For the run with this id of 8 hexadecimal digits.
    pub(crate) fn new(run: &str) -> Self {
        Self { finder: Finder::new(&format!("{run}.")).into_owned(), at: 0 }
    }

    /// The stamp in `text`, if it is a delivery of this run.
    pub(crate) fn find(&mut self, text: &[u8]) -> Option<Stamp> {
        let needle = self.finder.needle();
        let known = text.get(self.at..).is_some_and(|rest| rest.starts_with(needle));
        if !known {
            self.at = self.finder.find(text)?;
        }
        let digits = &text[self.at + needle.len()..];
        let (publisher, rest) = number(digits, PUBLISHER)?;
        let (sequence, rest) = number(rest.strip_prefix(b".")?, SEQUENCE)?;
        let (intended, _) = number(rest.strip_prefix(b".")?, INTENDED)?;
        Some(Stamp { publisher: PublisherId(publisher as u32), sequence, intended })
    }
}

/// Reads exactly `width` decimal digits.
fn number(text: &[u8], width: usize) -> Option<(u64, &[u8])> {
    let (digits, rest) = text.split_at_checked(width)?;
    let mut value = 0u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some((value, rest))
}

#[cfg(test)]
mod tests;

//! How often connections came to their end, and how.

use super::labels::Close;
use crate::types::CloseCodes;

/// Counts by [`Close`] and by the close codes of the client's service.
#[derive(Clone, Debug, Default)]
pub struct CloseCounts {
    own: [u64; Close::COUNT],
    family: [u64; Close::COUNT],
}

/// How often connections ended for one reason with one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseRow {
    /// The close code; `other` for the peer's own.
    pub code: String,
    /// The label of the reason, which several [`Close`] may have.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
}

impl CloseCounts {
    /// Counts one.
    pub fn count(&mut self, why: Close, codes: CloseCodes) {
        match codes {
            CloseCodes::Own => self.own[why as usize] += 1,
            CloseCodes::Family => self.family[why as usize] += 1,
        }
    }

    /// Adds others up.
    pub fn add(&mut self, new: &CloseCounts) {
        super::add(&mut self.own, &new.own);
        super::add(&mut self.family, &new.family);
    }

    /// What came since `before`.
    #[must_use]
    pub fn since(&self, before: &CloseCounts) -> CloseCounts {
        let less = |now: &[u64; Close::COUNT], before: &[u64; Close::COUNT]| {
            std::array::from_fn(|place| now[place].saturating_sub(before[place]))
        };
        let own = less(&self.own, &before.own);
        CloseCounts { own, family: less(&self.family, &before.family) }
    }

    /// One row for each code and reason, always the same ones in the same order.
    pub fn rows(&self) -> Vec<CloseRow> {
        let mut rows: Vec<CloseRow> = Vec::new();
        for why in Close::ALL {
            for (codes, counts) in
                [(CloseCodes::Own, &self.own), (CloseCodes::Family, &self.family)]
            {
                let code = why.code(codes).map_or_else(|| "other".into(), |code| code.to_string());
                let (reason, count) = (why.label(), counts[*why as usize]);
                match rows.iter_mut().find(|row| row.code == code && row.reason == reason) {
                    Some(row) => row.count += count,
                    None => rows.push(CloseRow { code, reason, count }),
                }
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests;

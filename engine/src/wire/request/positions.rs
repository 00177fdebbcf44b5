//! Positions from which subscriptions go on.

use serde_json::value::RawValue;

use super::{Channels, RequestError};
use crate::limits::MAX_POSITIONS_PER_REQUEST;
use crate::types::{Epoch, Seq};
use crate::wire::json_members::{entries, members, string};

/// The position of a client in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The life of the log it was in; `None` for a text that no epoch has.
    pub epoch: Option<Epoch>,
    /// The last message it has.
    pub seq: Seq,
}

/// The positions of a client in some of the channels of a request, at most
/// [`MAX_POSITIONS_PER_REQUEST`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(Vec<(Box<str>, Since)>);

impl Positions {
    /// The position in a channel, if there is one.
    pub fn get(&self, channel: &str) -> Option<Since> {
        let place = self.0.binary_search_by(|(name, _)| (**name).cmp(channel)).ok()?;
        Some(self.0[place].1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Parses `since`, if there is one: a position for a single channel, one by name for a list.
    pub(super) fn parse(
        since: Option<&RawValue>,
        channels: &Channels,
    ) -> Result<Positions, RequestError> {
        let Some(since) = since else { return Ok(Positions::default()) };
        let names = match channels {
            Channels::One(name) => {
                return Ok(Positions(vec![(name.as_str().into(), position(since)?)]));
            }
            Channels::Many(names) => names,
        };
        let all = entries(since.get(), MAX_POSITIONS_PER_REQUEST);
        let all = all.map_err(|_| RequestError::InvalidSince)?;
        let all = all.ok_or(RequestError::TooManyPositions)?;
        let mut positions = Vec::with_capacity(all.len());
        for (name, since) in all {
            if !names.iter().flatten().any(|known| known.as_str() == name) {
                return Err(RequestError::ForeignSince);
            }
            positions.push((name.into(), position(since)?));
        }
        Ok(positions.into_iter().collect())
    }
}

impl FromIterator<(Box<str>, Since)> for Positions {
    /// Of a name that comes twice the last counts.
    fn from_iter<T: IntoIterator<Item = (Box<str>, Since)>>(positions: T) -> Positions {
        let mut positions: Vec<_> = positions.into_iter().collect();
        // A stable sort, and the later one first.
        positions.reverse();
        positions.sort_by(|(a, _): &(Box<str>, Since), (b, _)| a.cmp(b));
        positions.dedup_by(|(later, _), (first, _)| later == first);
        Positions(positions)
    }
}

pub(super) fn position(since: &RawValue) -> Result<Since, RequestError> {
    let fields = members(since.get(), &["epoch", "seq"]);
    let Ok([Some(epoch), Some(seq)]) = fields else { return Err(RequestError::InvalidSince) };
    let epoch = string(epoch).ok_or(RequestError::InvalidSince)?;
    let seq = serde_json::from_str(seq.get()).map_err(|_| RequestError::InvalidSince)?;
    Ok(Since { epoch: Epoch::parse(&epoch), seq: Seq(seq) })
}

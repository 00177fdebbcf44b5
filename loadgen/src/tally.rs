//! Counts by name, and histograms of times.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer as HdrDeserializer, Serializer as _, V2Serializer};
use hdrhistogram::{Counter, Histogram};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most that is told apart.
const LONGEST: u64 = 60_000_000_000;

/// Counts by a short name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Nanoseconds from 1 µs to 60 s with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, LONGEST, 3).expect("constant bounds are valid")
}

/// Nanoseconds from 64 ns to a second with three digits: work of this tool itself.
pub(crate) fn short_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(64, 1_000_000_000, 3).expect("constant bounds are valid")
}

/// As [`histogram`], with two digits and an eighth of the memory, for the many slices of a run.
pub(crate) fn slice_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1_000, LONGEST, 2).expect("constant bounds are valid")
}

/// Adds `more` to `sum`, name by name.
pub(crate) fn add_counts(sum: &mut Counts, more: &Counts) {
    for (name, count) in more {
        *sum.entry(name.clone()).or_default() += count;
    }
}

/// A histogram that goes from one process to another, exactly.
#[derive(Debug, Clone)]
pub(crate) struct Packed<T: Counter>(pub(crate) Histogram<T>);

impl<T: Counter> Deref for Packed<T> {
    type Target = Histogram<T>;

    fn deref(&self) -> &Histogram<T> {
        &self.0
    }
}

impl<T: Counter> DerefMut for Packed<T> {
    fn deref_mut(&mut self) -> &mut Histogram<T> {
        &mut self.0
    }
}

impl<T: Counter> Serialize for Packed<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        let written = V2Serializer::new().serialize(&self.0, &mut bytes);
        written.map_err(serde::ser::Error::custom)?;
        to.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de, T: Counter> Deserialize<'de> for Packed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
        let histogram: Histogram<T> =
            HdrDeserializer::new().deserialize(&mut &bytes[..]).map_err(D::Error::custom)?;
        // One with a higher bound would not fit where it is added.
        if histogram.high() > LONGEST {
            return Err(D::Error::custom("a histogram with other bounds"));
        }
        Ok(Self(histogram))
    }
}

#[cfg(test)]
mod tests;

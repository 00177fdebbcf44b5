//! How the values of flags and plans are read.

use clap::builder::RangedI64ValueParser;
use serde::de::{Deserialize, Deserializer, Error};

/// A list of CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) Vec<usize>);

/// A number from 1 to `most`.
pub(crate) fn up_to(most: u32) -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(most))
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    number(text).and_then(check_positive)
}

pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    number(text).and_then(check_not_negative)
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    number(text).and_then(check_share)
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "not a number".to_string())
}

fn check_positive(number: f64) -> Result<f64, String> {
    let number = check_not_negative(number)?;
    if number > 0.0 { Ok(number) } else { Err("must be more than 0".into()) }
}

fn check_not_negative(number: f64) -> Result<f64, String> {
    if (0.0..=1e9).contains(&number) { Ok(number) } else { Err("must be within 0 and 1e9".into()) }
}

fn check_share(number: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err("must be within 0 and 1".into()) }
}

/// As [`up_to`], in a file.
pub(crate) fn read_up_to<'de, const MOST: u32, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u32>, D::Error> {
    let number = i64::deserialize(from)?;
    let fits = u32::try_from(number).ok().filter(|number| (1..=MOST).contains(number));
    fits.map(Some).ok_or_else(|| Error::custom(format!("must be within 1 to {MOST}")))
}

/// As [`positive`], in a file.
pub(crate) fn read_positive<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    check_positive(f64::deserialize(from)?).map(Some).map_err(Error::custom)
}

/// As [`not_negative`], in a file.
pub(crate) fn read_not_negative<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<f64>, D::Error> {
    check_not_negative(f64::deserialize(from)?).map(Some).map_err(Error::custom)
}

/// As [`share`], in a file.
pub(crate) fn read_share<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    check_share(f64::deserialize(from)?).map(Some).map_err(Error::custom)
}

pub(crate) fn cpus(text: &str) -> Result<Cpus, String> {
    let number = |text: &str| {
        let cpu = text.trim().parse::<usize>().ok().filter(|cpu| *cpu < 1024);
        cpu.ok_or_else(|| format!("{text:?} is no CPU number; give a list like 0-3,6"))
    };
    let mut list = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => list.extend(number(first)?..=number(last)?),
            None => list.push(number(part)?),
        }
    }
    if list.is_empty() { Err("an empty range of CPUs".into()) } else { Ok(Cpus(list)) }
}

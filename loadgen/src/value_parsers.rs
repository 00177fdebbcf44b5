//! How the command line's values are read.

use clap::builder::RangedI64ValueParser;

/// A list of CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) Vec<usize>);

/// A number from 1 to `most`.
pub(crate) fn up_to(most: u32) -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(most))
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    let number = not_negative(text)?;
    if number > 0.0 { Ok(number) } else { Err("must be more than 0".into()) }
}

pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    if (0.0..=1e9).contains(&number) { Ok(number) } else { Err("must be within 0 and 1e9".into()) }
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

mod fuzz_forger;
pub(crate) mod fuzz_records;
#[cfg(test)]
mod records_gain;

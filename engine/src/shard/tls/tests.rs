mod fuzz_forger;
pub(crate) mod fuzz_records;
// A measurement, which means something in a release build only.
#[cfg(all(test, not(debug_assertions)))]
mod records_gain;

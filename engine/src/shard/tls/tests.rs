mod fuzz_forger;
pub(crate) mod fuzz_records;

//! What the report of a run says of a process that carried a part of it.

use serde::Serialize;

/// What a worker was and did. The names are keys of `--json` and stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct WorkerReport {
    pub(crate) address: String,
    pub(crate) connections: u32,
    pub(crate) threads: u32,
    pub(crate) publishers: u32,
    /// CPU time of its process during the load, in per cent of one core.
    pub(crate) cpu_percent: f64,
    /// Half of the least round trip: the estimate of its clock is wrong by no more.
    pub(crate) clock_bound_us: f64,
    /// How much further its clock was at the end than at the beginning, within both bounds.
    pub(crate) clock_drift_us: f64,
}

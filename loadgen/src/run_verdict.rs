//! Whether a run passed, and whether its figures say anything about the server at all.

use crate::load_plan::LoadPlan;
use crate::summary::Summary;

/// What a run amounts to, for its exit code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunVerdict {
    /// Deliveries that were at fault.
    pub(crate) faults: Vec<String>,
    /// Assertions that do not hold.
    pub(crate) unmet: Vec<String>,
    /// Why this tool, and not the server, was what the run measured.
    pub(crate) generator_bound: Option<String>,
}

impl RunVerdict {
    pub(crate) fn of(plan: &LoadPlan, summary: &Summary) -> Self {
        let unmet = plan.assertions.iter().filter_map(|assertion| assertion.check(summary).err());
        Self {
            faults: faults(summary),
            unmet: unmet.collect(),
            generator_bound: generator_bound(plan, summary),
        }
    }

    /// 0: all is well. 1: deliveries were at fault, or an assertion does not hold. 3: whether
    /// assertions hold cannot be said.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self { faults, .. } if !faults.is_empty() => 1,
            Self { generator_bound: Some(_), .. } => 3,
            Self { unmet, .. } => u8::from(!unmet.is_empty()),
        }
    }

    /// A line for each reason not to pass.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = &String> {
        self.faults.iter().chain(&self.unmet).chain(&self.generator_bound)
    }
}

/// What is wrong whatever was asserted.
fn faults(summary: &Summary) -> Vec<String> {
    let (total, checks) = (&summary.total, summary.total.checks);
    let found = checks.named().into_iter().filter(|(count, _)| *count > 0);
    let mut faults: Vec<_> = found.map(|(count, what)| format!("{count} {what}")).collect();
    if total.deliveries == 0 && total.published > total.refused && summary.connections > 0 {
        faults.push("no message was delivered at all".into());
    }
    faults
}

fn generator_bound(plan: &LoadPlan, summary: &Summary) -> Option<String> {
    let lateness = &summary.total.own_lateness;
    let late = lateness.value_at_quantile(0.99);
    let limit = plan.max_lateness.as_nanos() as u64;
    (!lateness.is_empty() && late > limit).then(|| {
        format!(
            "generator-bound: this tool sent late by {:.1} ms at p99, more than --max-lateness \
             {}, so the figures are its own; use fewer --connections or a lower --rate, more \
             --publishers, or another machine",
            late as f64 / 1e6,
            plan.max_lateness.as_secs_f64(),
        )
    })
}

#[cfg(test)]
mod tests;

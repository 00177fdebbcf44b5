use super::*;
use crate::plan_input::PlanInput;

fn plan(assertion: &str) -> LoadPlan {
    let assertions = vec![assertion.parse().unwrap()];
    LoadPlan::resolve(PlanInput { assertions, ..PlanInput::default() }).unwrap()
}

/// A good run with a sender that was late by so many milliseconds, of itself.
fn summary(late_ms: u64) -> Summary {
    let mut summary = Summary { connections: 1, ..Summary::default() };
    summary.total.published = 1;
    summary.total.deliveries = 1;
    summary.total.own_lateness.saturating_record(late_ms * 1_000_000);
    summary
}

#[test]
fn each_end_has_its_exit_code() {
    let verdict = |assertion, summary: &Summary| RunVerdict::of(&plan(assertion), summary);
    assert_eq!(verdict("loss==0", &summary(9)).exit_code(), 0);
    assert_eq!(verdict("loss>0", &summary(9)).exit_code(), 1);
    let bound = verdict("loss>0", &summary(11));
    assert_eq!(bound.exit_code(), 3, "whether it holds says nothing of the server");
    let reasons: Vec<_> = bound.reasons().cloned().collect();
    assert!(
        reasons[1].contains("generator-bound") && reasons[1].contains("11.0 ms"),
        "{reasons:?}"
    );
    let mut lossy = summary(11);
    lossy.total.checks.lost = 2;
    assert_eq!(verdict("loss>0", &lossy).exit_code(), 1, "a loss is the server's all the same");
}

#[test]
fn a_run_without_any_delivery_is_a_fault() {
    let mut silent = summary(0);
    silent.total.deliveries = 0;
    assert_eq!(faults(&silent), ["no message was delivered at all"]);
    silent.total.published = 0;
    assert_eq!(faults(&silent), [""; 0], "of a run that published nothing it is none");
}

#[test]
fn each_fault_is_named_with_its_count() {
    let mut summary = summary(0);
    summary.total.checks.corrupted = 4;
    summary.total.checks.foreign = 5;
    let faults = faults(&summary);
    assert_eq!(faults, ["4 not as they were published", "5 that this run did not publish"]);
}

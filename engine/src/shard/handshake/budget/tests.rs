//! The budget without a runtime: tasks are polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;

type Step<'a> = Pin<Box<dyn Future<Output = StepGrant<'a>> + 'a>>;

fn budget() -> HandshakeBudget {
    HandshakeBudget::new(Rc::new(WakeFlag::default()))
}

fn poll<'a>(step: &mut Step<'a>) -> Option<StepGrant<'a>> {
    match step.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(grant) => Some(grant),
        Poll::Pending => None,
    }
}

/// A step that waits.
fn waiting(budget: &HandshakeBudget, class: StepClass) -> Step<'_> {
    let mut step: Step<'_> = Box::pin(budget.acquire(class));
    assert!(poll(&mut step).is_none(), "there is no time for it");
    step
}

/// Leaves no allowance.
fn use_up(budget: &HandshakeBudget) {
    budget.allowance.set(0);
}

#[test]
fn while_there_is_time_no_step_waits() {
    let budget = budget();
    let mut step: Step<'_> = Box::pin(budget.acquire(StepClass::Full));
    assert!(poll(&mut step).is_some() && budget.is_idle());
    assert_eq!(budget.take_waits(), 0);
}

#[test]
fn an_overrun_is_a_debt_that_refills_pay() {
    let budget = budget();
    budget.allowance.set(-3 * nanos(HANDSHAKE_SLICE));
    let mut step = waiting(&budget, StepClass::Full);
    assert!(budget.loop_waker.is_set(), "a parked event loop would not refill");
    for _ in 0..3 {
        budget.refill(Duration::ZERO, false);
        assert!(poll(&mut step).is_none());
    }
    budget.refill(Duration::ZERO, false);
    assert!(poll(&mut step).is_some());
    assert_eq!(budget.take_waits(), 1);
}

#[test]
fn beside_deliveries_steps_get_their_part_and_without_them_a_slice_and_never_more() {
    let budget = budget();
    use_up(&budget);
    budget.refill(Duration::from_nanos(HANDSHAKE_SHARE as u64 * 1_000), true);
    assert_eq!(budget.allowance.get(), 1_000);
    budget.refill(Duration::from_secs(3_600), true);
    budget.refill(Duration::ZERO, false);
    assert_eq!(budget.allowance.get(), nanos(HANDSHAKE_SLICE));
}

#[test]
fn quick_steps_go_first_and_full_ones_are_not_starved() {
    let budget = budget();
    use_up(&budget);
    let mut full: Vec<_> = (0..2).map(|_| waiting(&budget, StepClass::Full)).collect();
    let mut quick: Vec<_> = (0..20).map(|_| waiting(&budget, StepClass::Quick)).collect();
    let mut order = String::new();
    while !budget.is_idle() {
        budget.allowance.set(nanos(HANDSHAKE_SLICE));
        budget.grant_next();
        let mut one = |steps: &mut Vec<Step<'_>>, name: char| {
            let ready = steps.iter_mut().position(|step| poll(step).is_some());
            if let Some(ready) = ready {
                assert_eq!(ready, 0, "first come, first served");
                drop(steps.remove(ready));
                order.push(name);
            }
        };
        one(&mut quick, 'q');
        one(&mut full, 'f');
    }
    let quick_in_a_row = "q".repeat(QUICK_STEPS);
    assert_eq!(
        order,
        format!("{quick_in_a_row}f{quick_in_a_row}f{}", "q".repeat(20 - 2 * QUICK_STEPS))
    );
}

#[test]
fn a_dropped_step_leaves_its_place_whether_granted_or_not() {
    let budget = budget();
    use_up(&budget);
    let mut steps: Vec<_> = (0..3).map(|_| waiting(&budget, StepClass::Full)).collect();
    drop(steps.remove(1));
    assert_eq!(budget.waiting(), 2);
    budget.refill(Duration::ZERO, false);
    drop(steps.remove(0)); // It was granted.
    budget.refill(Duration::ZERO, false);
    assert!(poll(&mut steps[0]).is_some());
    drop(steps);
    assert!(budget.is_idle());
}

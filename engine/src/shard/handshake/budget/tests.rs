//! The governor without a runtime: tasks are polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use super::*;

type Step<'a> = Pin<Box<dyn Future<Output = Share<'a>> + 'a>>;

fn governor() -> Governor {
    Governor::new(Rc::new(Wake::default()))
}

fn poll<'a>(step: &mut Step<'a>) -> Option<Share<'a>> {
    match step.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(share) => Some(share),
        Poll::Pending => None,
    }
}

/// A step that waits.
fn waiting(governor: &Governor, class: Class) -> Step<'_> {
    let mut step: Step<'_> = Box::pin(governor.share(class));
    assert!(poll(&mut step).is_none(), "there is no time for it");
    step
}

/// Leaves no allowance.
fn use_up(governor: &Governor) {
    governor.allowance.set(0);
}

#[test]
fn while_there_is_time_nobody_waits() {
    let governor = governor();
    let mut step: Step<'_> = Box::pin(governor.share(Class::Full));
    assert!(poll(&mut step).is_some() && governor.is_quiet());
    assert_eq!(governor.take_waits(), 0);
}

#[test]
fn what_a_step_takes_too_much_is_a_debt_that_turns_pay() {
    let governor = governor();
    governor.allowance.set(-3 * nanos(HANDSHAKE_SLICE));
    let mut step = waiting(&governor, Class::Full);
    assert!(governor.wake.is_set(), "a sleeping turn would pay nothing");
    for _ in 0..3 {
        governor.refill(Duration::ZERO, false);
        assert!(poll(&mut step).is_none());
    }
    governor.refill(Duration::ZERO, false);
    assert!(poll(&mut step).is_some());
    assert_eq!(governor.take_waits(), 1);
}

#[test]
fn beside_deliveries_steps_get_their_part_and_without_them_a_slice_and_never_more() {
    let governor = governor();
    use_up(&governor);
    governor.refill(Duration::from_nanos(HANDSHAKE_SHARE as u64 * 1_000), true);
    assert_eq!(governor.allowance.get(), 1_000);
    governor.refill(Duration::from_secs(3_600), true);
    governor.refill(Duration::ZERO, false);
    assert_eq!(governor.allowance.get(), nanos(HANDSHAKE_SLICE));
}

#[test]
fn quick_steps_go_first_and_full_ones_are_not_starved() {
    let governor = governor();
    use_up(&governor);
    let mut full: Vec<_> = (0..2).map(|_| waiting(&governor, Class::Full)).collect();
    let mut quick: Vec<_> = (0..20).map(|_| waiting(&governor, Class::Quick)).collect();
    let mut order = String::new();
    while !governor.is_quiet() {
        governor.allowance.set(nanos(HANDSHAKE_SLICE));
        governor.go_on();
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
    let row = "q".repeat(QUICK_STEPS);
    assert_eq!(order, format!("{row}f{row}f{}", "q".repeat(20 - 2 * QUICK_STEPS)));
}

#[test]
fn whoever_is_cut_leaves_its_place_whether_it_was_let_go_on_or_not() {
    let governor = governor();
    use_up(&governor);
    let mut steps: Vec<_> = (0..3).map(|_| waiting(&governor, Class::Full)).collect();
    drop(steps.remove(1));
    assert_eq!(governor.waiting(), 2);
    governor.refill(Duration::ZERO, false);
    drop(steps.remove(0)); // It was its turn.
    governor.refill(Duration::ZERO, false);
    assert!(poll(&mut steps[0]).is_some());
    drop(steps);
    assert!(governor.is_quiet());
}

//! A seeded simulation of a stream, its replicas, and nodes that follow it, with a virtual clock.
//! `SIM_SEED=n` replays one seed, `SIM_SEEDS=n` runs that many.
//!
//! `stream` is the model of the stream; `world` loses, doubles and delays what goes between it and
//! the nodes, elects leaders, drops messages and rolls disks back; `witness` compares what each
//! channel of each node has decided with what the stream had, `patterns` what was owed to those.

mod answers;
mod handovers;
mod met;
mod node;
mod patterns;
mod plan;
mod stream;
mod witness;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use met::Met;
use plan::{Plan, Sabotage};
use world::World;

/// Steps of one seed.
const STEPS: usize = 700;
/// Seeds of a default run: more than 100,000 steps.
const SEEDS: u64 = 150;
/// Seeds beyond these that have found something.
const FINDS: [u64; 3] = [331, 2135, 4943];

fn run(plan: Plan) -> Result<Met, String> {
    let mut world = World::new(plan);
    catch_unwind(AssertUnwindSafe(|| world.run(STEPS))).map_err(|fault| {
        let text = fault.downcast_ref::<String>().cloned();
        let text = text.or(fault.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_default();
        format!("seed {}: {text}\n{}\nseed {0}: {text}", plan.seed, world.last_steps())
    })
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn seeds() -> Vec<u64> {
    match setting("SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..setting("SIM_SEEDS").unwrap_or(SEEDS).max(SEEDS)).chain(FINDS).collect(),
    }
}

#[test]
fn every_node_passes_on_exactly_the_stream_in_order_or_tells_a_gap() {
    let seeds = seeds();
    let mut met = Met::default();
    for seed in &seeds {
        match run(Plan::new(*seed, None)) {
            Ok(of_seed) => met.add(&of_seed),
            Err(failure) => panic!("{failure}"),
        }
    }
    println!("{} seeds of {STEPS} steps: {met:?}", seeds.len());
    assert!(seeds.len() == 1 || met.never().is_empty(), "never met: {:?}", met.never());
}

fn is_caught(sabotage: Sabotage) {
    let caught = (0..SEEDS).find(|seed| run(Plan::new(*seed, Some(sabotage))).is_err());
    assert!(caught.is_some(), "{sabotage:?} is not noticed");
}

#[test]
fn a_node_that_does_not_look_at_the_position_before_is_caught() {
    is_caught(Sabotage::NoPrevious);
}

#[test]
fn a_node_that_believes_replicas_which_are_behind_is_caught() {
    is_caught(Sabotage::StaleAnswers);
}

#[test]
fn a_node_that_never_audits_is_caught() {
    is_caught(Sabotage::NoAudits);
}

#[test]
fn a_node_that_keeps_gaps_to_itself_is_caught() {
    is_caught(Sabotage::SilentGaps);
}

#[test]
fn a_node_that_does_not_notice_another_stream_is_caught() {
    is_caught(Sabotage::OneLife);
}

#[test]
fn patterns_that_do_not_read_what_they_have_missed_are_caught() {
    is_caught(Sabotage::NoCoverage);
}

#[test]
fn channels_that_appear_behind_a_hole_as_if_there_was_none_are_caught() {
    is_caught(Sabotage::HastyAppearance);
}

#[test]
fn a_process_that_goes_on_without_what_patterns_lack_is_caught() {
    is_caught(Sabotage::ForgottenSeen);
}

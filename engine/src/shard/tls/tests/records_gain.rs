//! What records of our own save against rustls's, side by side in one run: a measurement, printed,
//! with no judgement of its own.
//!
//! `cargo test --release -p uringcast-engine --lib records_gain -- --ignored --nocapture`

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use super::fuzz_forger::{connect_forger, session};
use crate::shard::tls::TlsSession;
use crate::shard::tls::control_records::APPLICATION_DATA;

/// The suite of an AES-128 connection.
const SUITE: u8 = 0;
const ROUNDS: usize = 41;
/// Sessions in the comparison of memory.
const SESSIONS: usize = 2_000;

/// Nanoseconds that each of `calls` takes.
fn timed(calls: usize, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| call());
    start.elapsed().as_nanos() as f64 / calls as f64
}

fn median(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values.len() / 4, values.len() / 2, 3 * values.len() / 4].map(|place| values[place])
}

/// Measures ours and rustls's in turn; prints both medians and the ratio with its quartiles.
fn compare(what: &str, mut measure: impl FnMut(bool) -> f64) {
    let (mut own, mut other, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let first = round % 2 == 0;
        let (one, two) = (measure(first), measure(!first));
        let (ours, theirs) = if first { (one, two) } else { (two, one) };
        // The first round warms up.
        if round > 0 {
            own.push(ours);
            other.push(theirs);
            ratios.push(ours / theirs);
        }
    }
    let [low, middle, high] = median(ratios);
    let ([_, ours, _], [_, theirs, _]) = (median(own), median(other));
    println!("{what}: {ours:.0} ns, rustls {theirs:.0} ns, {middle:.2} ({low:.2} to {high:.2})");
}

fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("resident");
    pages * 4_096
}

#[test]
#[ignore = "a measurement: run it with --release"]
fn records_gain() {
    for bytes in [128, 1_024, 16_384] {
        let (plain, mut out) = (vec![b'x'; bytes], vec![0; bytes + 256]);
        let mut sessions = [true, false].map(|keeps| {
            let mut session = session(SUITE, keeps);
            connect_forger(SUITE, &mut session);
            session
        });
        let calls = (4 << 20) / (bytes + 1_000);
        compare(&format!("seal {bytes} B"), |own| {
            let session = &mut sessions[usize::from(own)];
            timed(calls, || {
                black_box(session.seal(black_box(&plain), &mut out)).expect("it can be sealed");
            })
        });
        let mut sessions = [true, false].map(|keeps| {
            let mut session = session(SUITE, keeps);
            let forger = connect_forger(SUITE, &mut session);
            (session, forger)
        });
        let mut opened = Vec::new();
        compare(&format!("open {bytes} B"), |own| {
            let (session, forger) = &mut sessions[usize::from(own)];
            let most = bytes.min(16_000);
            let mut sealed: Vec<_> =
                (0..calls).map(|_| forger.seal(APPLICATION_DATA, &plain[..most], 0)).collect();
            let mut records = sealed.iter_mut();
            timed(calls, || {
                let record = records.next().expect("one for each call");
                opened.clear();
                black_box(session.open(record, &mut opened)).expect("it can be opened");
            })
        });
    }
    let memory = |keeps: bool| {
        let before = resident();
        let mut all: Vec<TlsSession> = (0..SESSIONS).map(|_| session(SUITE, keeps)).collect();
        all.iter_mut().for_each(|session| drop(connect_forger(SUITE, session)));
        let bytes = resident().saturating_sub(before) / SESSIONS;
        // What the next ones get must not be what these leave.
        std::mem::forget(all);
        bytes
    };
    let (theirs, ours) = (memory(true), memory(false));
    println!("memory of a session at rest: {ours} B, rustls {theirs} B");
}

use std::time::Duration;

use tokio::task::{spawn_blocking, yield_now};

use super::*;

#[tokio::test]
async fn the_gate_waits_for_what_is_under_way_and_lets_nothing_in() {
    let (gate, runtime) = (EngineGate::default(), Handle::current());
    let passage = gate.pass().await.unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    let (failed, has_failed) = std::sync::mpsc::channel::<()>();
    let closing = spawn_blocking({
        let gate = gate.clone();
        move || {
            let closed = gate.close(&runtime).unwrap();
            done.send(()).unwrap();
            has_failed.recv().unwrap();
            drop(closed);
        }
    });
    // Until it waits: then no other request may enter.
    while gate.0.try_read().is_ok() {
        yield_now().await;
    }
    assert!(is_done.try_recv().is_err());
    let late = tokio::spawn({
        let gate = gate.clone();
        async move { gate.pass().await.is_some() }
    });
    yield_now().await;
    drop(passage);
    while is_done.try_recv().is_err() {
        yield_now().await;
    }
    assert!(!late.is_finished());
    failed.send(()).unwrap();
    closing.await.unwrap();
    assert!(late.await.unwrap(), "the hand-over failed: it is answered here");
}

#[tokio::test]
async fn behind_a_hand_over_nothing_passes() {
    let (gate, runtime) = (EngineGate::default(), Handle::current());
    let closing = gate.clone();
    spawn_blocking(move || closing.close(&runtime).unwrap().hand_over()).await.unwrap();
    let passed = timeout(Duration::from_secs(30), gate.pass()).await.unwrap();
    assert!(passed.is_none());
}

#[tokio::test]
async fn a_request_that_does_not_end_ends_the_hand_over() {
    let (gate, runtime) = (EngineGate::default(), Handle::current());
    let endless = gate.pass().await.unwrap();
    let closing = gate.clone();
    let closed = spawn_blocking(move || closing.close(&runtime).is_some()).await.unwrap();
    assert!(!closed);
    assert!(gate.pass().await.is_some(), "others are answered here");
    drop(endless);
}

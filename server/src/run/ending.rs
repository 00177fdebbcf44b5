//! The end of a run: clients are told to reconnect at an even pace, then the rest is closed.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use uringcast_engine::HandedOver;
use uringcast_engine::limits::SNAPSHOT_INTERVAL;

use super::{Stop, StopSignal, StopSignals, look_after};
use crate::http::Control;
use crate::limits::{DRAIN_LOOK, HANDOVER_LATE};
use crate::settings::Settings;
use crate::systemd;

/// Drains the engine, unless a second signal comes.
pub(super) async fn end(
    control: &Control,
    settings: &RwLock<Arc<Settings>>,
    why: &Stop,
    stops: &mut StopSignals,
) -> Option<StopSignal> {
    let (spread, time) = {
        let settings = settings.read();
        (settings.drain_spread.0, settings.drain_timeout.0)
    };
    control.begin_ending();
    let seconds = (spread + time).as_secs_f64();
    match why {
        Stop::Signal(signal) => {
            tracing::info!("{}: shutting down, clients have {seconds} s", signal.name);
            systemd::stopping(&format!("closing all connections within {seconds} s"));
        }
        Stop::HandedOver(HandedOver { connections, staying, handshakes, pause, process }) => {
            let pause_ms = pause.as_secs_f64() * 1e3;
            tracing::info!(
                connections,
                staying,
                handshakes,
                pause_ms,
                process,
                "handed over: what stays has {seconds} s"
            );
            systemd::hand_over(*process, &format!("process {process} has taken over"));
        }
    }
    tokio::select! {
        () = finish(control, why, (spread, time)) => None,
        again = stops.next() => {
            tracing::warn!("{} again: ending at once", again.name);
            Some(again)
        }
    }
}

async fn finish(control: &Control, why: &Stop, (spread, time): (Duration, Duration)) {
    if matches!(why, Stop::HandedOver(HandedOver { handshakes: 1.., .. })) {
        // Each is answered 503 when it is whole.
        sleep(HANDOVER_LATE).await;
    }
    drain(control, spread, time).await;
}

async fn drain(control: &Control, spread: Duration, time: Duration) {
    let told = if spread.is_zero() { 0 } else { spread_out(control, spread).await };
    let before = control.clients().await.unwrap_or(0);
    let report = control.drain(time).await.unwrap_or_default();
    let closed = report.closed + told.saturating_sub(before);
    tracing::info!(closed, cut = report.cut, "drained");
}

/// Tells clients to reconnect, until all are gone or the time is over. Returns how many there were.
async fn spread_out(control: &Control, spread: Duration) -> u64 {
    let all = control.clients().await.unwrap_or(0);
    control.begin_drain(spread).await;
    let (end, has_watchdog) = (Instant::now() + spread, systemd::has_watchdog());
    let mut looks = interval(DRAIN_LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut line_at = Instant::now();
    loop {
        looks.tick().await;
        let left = control.clients().await;
        let now = Instant::now();
        if left == Some(0) || now >= end {
            return all;
        }
        if now >= line_at {
            line_at = now + SNAPSHOT_INTERVAL;
            look_after(control, has_watchdog).await;
            if let Some(left) = left {
                tracing::info!(left, "clients are told to reconnect");
                systemd::status(&format!("closing connections: {left} of {all} are left"));
            }
        }
    }
}

//! The signals that end the server.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that ends the server.
pub(super) struct StopSignal {
    pub(super) name: &'static str,
    pub(super) number: i32,
}

/// The signals that end the server.
pub(super) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    pub(super) fn new() -> std::io::Result<StopSignals> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(StopSignals { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn next(&mut self) -> StopSignal {
        let (name, kind) = tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate()),
        };
        StopSignal { name, number: kind.as_raw_value() }
    }
}

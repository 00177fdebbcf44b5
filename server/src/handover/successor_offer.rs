//! What a running server does for its successor.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;
use uringcast_engine::{HandedOver, NotHandedOver, Predecessor};

use super::{HttpSockets, server_state};
use crate::http::Control;

/// A server that may be taken over.
pub(crate) struct Offer {
    pub(crate) listener: UnixListener,
    pub(crate) engine: Predecessor,
    pub(crate) control: Arc<Control>,
    pub(crate) http: HttpSockets,
}

impl Offer {
    /// Waits for successors on a thread of its own, until one has taken over. The thread does not
    /// end before the process otherwise.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(self) -> io::Result<oneshot::Receiver<HandedOver>> {
        let (taken, is_taken) = oneshot::channel();
        let wait = move || {
            let handed_over = self.wait();
            // Fails only where the server ends.
            let _ = taken.send(handed_over);
        };
        thread::Builder::new().name("handover".into()).spawn(wait)?;
        Ok(is_taken)
    }

    fn wait(self) -> HandedOver {
        loop {
            let connected = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!("a successor could not be accepted: {error}");
                    thread::sleep(crate::limits::HANDOVER_PAUSE);
                    continue;
                }
            };
            match self.hand_over(connected) {
                Ok(handed_over) => return handed_over,
                Err(why) => tracing::warn!("no hand-over: {why}"),
            }
        }
    }

    fn hand_over(&self, socket: UnixStream) -> Result<HandedOver, NotHandedOver> {
        tracing::info!("a new process connects to take over");
        let base = [self.http.blob()];
        let stopped = self.engine.begin(socket, &base, &self.http.descriptors())?;
        // Publications wait from here on: here if the hand-over fails, else they are answered that
        // another process serves.
        let held = self.control.hold_publications();
        let handed_over = stopped.finish(&server_state::pack(&self.control))?;
        held.hand_over();
        Ok(handed_over)
    }
}

//! What a running server does for its successor.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use uringcast_engine::{HandedOver, NotHandedOver, Predecessor};

use super::{HttpSockets, server_state};
use crate::cluster::NodeHandover;
use crate::http::Control;
use crate::limits::{HANDOVER_PAUSE, HANDOVER_REQUESTS};

/// A server that may be taken over.
pub(crate) struct Offer {
    pub(crate) listener: UnixListener,
    pub(crate) engine: Predecessor,
    pub(crate) control: Arc<Control>,
    pub(crate) http: HttpSockets,
    pub(crate) cluster: Option<NodeHandover>,
    pub(crate) runtime: Handle,
}

/// Why a server serves on.
#[derive(Debug, thiserror::Error)]
enum Kept {
    #[error(transparent)]
    Engine(#[from] NotHandedOver),
    #[error("this process serves on: {0}")]
    System(#[from] io::Error),
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
                    thread::sleep(HANDOVER_PAUSE);
                    continue;
                }
            };
            match self.hand_over(connected) {
                Ok(handed_over) => return handed_over,
                Err(why) => tracing::warn!("no hand-over: {why}"),
            }
        }
    }

    fn hand_over(&self, socket: UnixStream) -> Result<HandedOver, Kept> {
        tracing::info!("a new process connects to take over");
        let (to, theirs) = UnixStream::pair()?;
        let mut base = vec![self.http.blob()];
        base.extend(self.cluster.as_ref().map(NodeHandover::membership));
        let cluster = self.cluster.as_ref();
        let may = || cluster.map_or(Ok(()), NodeHandover::await_acknowledgements);
        let descriptors = self.http.descriptors(&theirs);
        let stopped = self.engine.begin(socket, &base, &descriptors, may)?;
        drop(theirs);
        // HTTP requests wait from here on. If the hand-over fails they are answered here, else
        // they are passed on with their connections.
        let Some(held) = self.control.hold_requests(&self.runtime) else {
            return Err(stopped.refuse(&late_request(cluster.is_some())).into());
        };
        let mut state = server_state::pack(&self.control);
        if let Some(cluster) = cluster {
            let positions = async { timeout(HANDOVER_REQUESTS, cluster.positions()).await };
            match self.runtime.block_on(positions).ok().flatten() {
                Some(positions) => state.push(positions),
                None => return Err(stopped.refuse("the cluster's thread does not answer").into()),
            }
        }
        let handed_over = stopped.finish(&state)?;
        let _runtime = self.runtime.enter();
        if let Err(error) = self.control.passing().begin(to) {
            tracing::error!("HTTP connections are closed, and not passed on: {error}");
        }
        held.hand_over();
        Ok(handed_over)
    }
}

/// Why a hand-over does not wait for a request.
fn late_request(is_in_cluster: bool) -> String {
    let why = format!("an HTTP request is under way for {HANDOVER_REQUESTS:?}");
    match is_in_cluster {
        true => format!(
            "{why}: the streams have not acknowledged what it publishes, or nodes do not agree who \
             is present; try again"
        ),
        false => why,
    }
}

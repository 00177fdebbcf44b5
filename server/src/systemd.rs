//! systemd's protocols for a service: reports of its state (sd_notify(3)), inherited sockets
//! (sd_listen_fds(3)). Without a service manager there are neither.

mod socket_store;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use listenfd::ListenFd;
use sd_notify::NotifyState::{
    self, MainPid, MonotonicUsec, Ready, Reloading, Status, Stopping, Watchdog,
};

use crate::settings::{Problem, Source};
pub(crate) use socket_store::store;

/// Reports READY: every port is served.
pub(crate) fn ready(status: &str) {
    notify(&[Ready, Status(status)]);
}

/// Reports RELOADING; [`ready`] must follow.
pub(crate) fn reloading() {
    // `Type=notify-reload` demands it: by its time systemd tells one reload from another.
    let now = NotifyState::monotonic_usec_now().unwrap_or(MonotonicUsec(0));
    notify(&[Reloading, now]);
}

/// Reports that another process is the service from now on, and has reloaded: its own reports count
/// only behind this.
pub(crate) fn hand_over(process: u32, status: &str) {
    notify(&[MainPid(process), Ready, Status(status)]);
}

/// Reports STOPPING: the server drains, then ends.
pub(crate) fn stopping(status: &str) {
    notify(&[Stopping, Status(status)]);
}

/// Reports how far something is that takes long.
pub(crate) fn status(text: &str) {
    notify(&[Status(text)]);
}

/// Reports that all shards run. To be called more often than `WatchdogSec` has seconds.
pub(crate) fn pet_watchdog() {
    notify(&[Watchdog]);
}

/// Whether systemd restarts a server that does not call [`pet_watchdog`].
pub(crate) fn has_watchdog() -> bool {
    sd_notify::watchdog_enabled().is_some()
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}

/// The listening sockets that the service manager has handed over.
#[derive(Debug, Default)]
pub(crate) struct InheritedSockets(Vec<InheritedSocket>);

#[derive(Debug)]
struct InheritedSocket {
    address: SocketAddr,
    socket: Arc<TcpListener>,
    /// A server that has ended had given it to the manager.
    is_stored: bool,
}

impl InheritedSockets {
    /// Takes them. The environment names them (`LISTEN_FDS`, `LISTEN_PID`).
    ///
    /// # Errors
    /// A [`Problem`] with one that is no listening TCP socket.
    pub(crate) fn take() -> Result<InheritedSockets, Problem> {
        // Taking the sockets takes the variable away.
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let mut given = ListenFd::from_env();
        let mut all = Vec::new();
        for place in 0..given.len() {
            let taken = given.take_tcp_listener(place).and_then(|socket| {
                let inherited = |socket: TcpListener| {
                    let is_stored = names.get(place) == Some(&socket_store::NAME);
                    let (address, socket) = (socket.local_addr()?, Arc::new(socket));
                    Ok(InheritedSocket { address, socket, is_stored })
                };
                socket.map(inherited).transpose()
            });
            match taken {
                Ok(socket) => all.extend(socket),
                Err(error) => {
                    let reason =
                        format!("socket {} of LISTEN_FDS cannot be used: {error}", place + 1);
                    return Err(problem(reason, "Hand over TCP sockets that listen."));
                }
            }
        }
        Ok(InheritedSockets(all))
    }

    /// Those of an address. They are not given again.
    pub(crate) fn of(&mut self, address: SocketAddr) -> Vec<Arc<TcpListener>> {
        let here = self.0.extract_if(.., |inherited| inherited.address == address);
        here.map(|inherited| inherited.socket).collect()
    }

    /// Checks that all were taken: clients at another one would wait for ever. One that a server
    /// before has stored, with other settings, is closed.
    ///
    /// # Errors
    /// A [`Problem`] with the first one that is left.
    pub(crate) fn refuse_rest(&self) -> Result<(), Problem> {
        let given = self.0.iter().find(|inherited| !inherited.is_stored);
        let Some(InheritedSocket { address, .. }) = given else { return Ok(()) };
        let reason = format!("has a socket on {address}, where no setting has the server listen");
        let remedy = "Set host and port, or those of control or metrics, to it; or take \
                      ListenStream= away.";
        Err(problem(reason, remedy))
    }
}

fn problem(reason: String, remedy: &str) -> Problem {
    Problem::new("LISTEN_FDS", Source::Default, reason, remedy)
}

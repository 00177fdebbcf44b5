//! What a server does that takes over from a running one.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use uringcast_engine::{self as engine, Engine, NotTakenOver, StandingBy, Successor};

use super::HttpSockets;

/// A server that is about to take over.
pub(crate) struct TakeOver {
    successor: Successor,
    pub(crate) http: HttpSockets,
}

/// Why a server does not take over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// Nobody is there.
    #[error(
        "cannot take over from the server at {path}: {source}. Give the handover_socket of a \
         server that runs, or start without --take-over"
    )]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The other one serves on, or this one cannot.
    #[error(transparent)]
    NotTakenOver(#[from] NotTakenOver),
}

impl TakeOver {
    /// Connects to a running server.
    ///
    /// # Errors
    /// [`TakeOverError`].
    pub(crate) fn begin(path: &Path) -> Result<TakeOver, TakeOverError> {
        let connect = |source| TakeOverError::Connect { path: path.to_owned(), source };
        let socket = UnixStream::connect(path).map_err(connect)?;
        let mut successor = Successor::begin(socket)?;
        let sockets = successor.take_sockets();
        match HttpSockets::read(successor.blobs(), sockets) {
            Some(http) => Ok(TakeOver { successor, http }),
            None => Err(successor.refuse("the new server does not know these HTTP ports").into()),
        }
    }

    /// Starts an engine that stands by.
    ///
    /// # Errors
    /// [`TakeOverError`].
    pub(crate) fn prepare(
        self,
        config: engine::Config,
    ) -> Result<(Engine, StandingBy), TakeOverError> {
        Ok(self.successor.prepare(config)?)
    }
}

//! What a server does that takes over from a running one.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use uringcast_engine::{self as engine, Engine, NotTakenOver, StandingBy, Successor};

use super::HttpSockets;
use crate::cluster::Membership;
use crate::cluster::cluster_config::ClusterConfig;

/// A server that is about to take over.
pub(crate) struct TakeOver {
    successor: Successor,
    pub(crate) http: HttpSockets,
    /// What the running server is in a cluster, if it is in one.
    pub(crate) membership: Option<Membership>,
}

/// Why a server does not take over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// No server is there.
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
    /// Connects to a running server, which must be in the same cluster.
    ///
    /// # Errors
    /// [`TakeOverError`].
    pub(crate) fn begin(
        path: &Path,
        cluster: Option<&ClusterConfig>,
    ) -> Result<TakeOver, TakeOverError> {
        let connect = |source| TakeOverError::Connect { path: path.to_owned(), source };
        let socket = UnixStream::connect(path).map_err(connect)?;
        let mut successor = Successor::begin(socket)?;
        let sockets = successor.take_sockets();
        let membership = match Membership::read(successor.blobs()) {
            Ok(membership) => membership,
            Err(why) => return Err(successor.refuse(&why).into()),
        };
        if let Some(why) = Membership::refusal(membership.as_ref(), cluster) {
            return Err(successor.refuse(&why).into());
        }
        match HttpSockets::read(successor.blobs(), sockets) {
            Some(http) => Ok(TakeOver { successor, http, membership }),
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

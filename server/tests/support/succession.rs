//! Servers that take over from each other.

use std::path::{Path, PathBuf};

use super::Server;

/// A folder with the socket at which servers are taken over.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A new one.
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a folder") }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("handover")
    }

    /// Starts a server that may be taken over.
    pub fn start(&self, flags: &str) -> Server {
        let socket = self.socket();
        Server::start(&format!("--handover-socket={} --message-rate=0 {flags}", socket.display()))
    }

    /// Starts a server that takes over. The one before has ended with success.
    pub fn succeed(&self, before: Server, flags: &str) -> Server {
        let socket = self.socket();
        let take_over = format!("--take-over={}", socket.display());
        let after = self.start(&format!("{take_over} {flags}"));
        assert_eq!(after.clients, before.clients);
        assert_eq!((after.control, after.metrics), (before.control, before.metrics));
        assert!(before.ended().success());
        after
    }
}

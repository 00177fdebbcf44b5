//! Where a running server waits for its successor.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen};

use crate::settings::{Problem, Settings};

/// A successor that gives up may wait here, and one more.
const BACKLOG: i32 = 4;

/// The file of a Unix socket that only this user and root can connect to.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode of the file, which is another server's once that has replaced it.
    file: (u64, u64),
}

impl SocketFile {
    /// Listens at a path. A socket of a server that has ended is replaced, and with `replaces` one
    /// that the server before listens on.
    ///
    /// # Errors
    /// A [`Problem`] with the setting.
    pub(crate) fn bind(
        path: &Path,
        replaces: bool,
        settings: &Settings,
    ) -> Result<(UnixListener, SocketFile), Problem> {
        let problem = |reason: String, remedy| settings.problem("handover_socket", reason, remedy);
        if let Ok(found) = path.symlink_metadata() {
            if !found.file_type().is_socket() {
                let reason = "is a file, and no socket".to_owned();
                return Err(problem(reason, "Name a path where there is nothing."));
            }
            if !replaces && UnixStream::connect(path).is_ok() {
                let reason = "is the socket of a server that runs".to_owned();
                let remedy = "Take over from it (--take-over), stop it, or give another path.";
                return Err(problem(reason, remedy));
            }
        }
        bind_anew(path).map_err(|error| {
            let remedy = "Name a path in a directory where the server's user may write.";
            problem(format!("cannot be listened on: {error}"), remedy)
        })
    }
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Binds beside the path and renames: at every moment there is a socket, of the old server or of
/// this one.
fn bind_anew(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The mode of the file that binding makes.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    let bound = bind(&socket, &SocketAddrUnix::new(&beside)?)
        .and_then(|()| listen(&socket, BACKLOG))
        .map_err(io::Error::from)
        .and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = bound {
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    let file = file_of(path)?;
    Ok((socket.into(), SocketFile { path: path.to_owned(), file }))
}

fn file_of(path: &Path) -> io::Result<(u64, u64)> {
    let found = path.symlink_metadata()?;
    Ok((found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Not one that the next server has put in its place.
        if file_of(&self.path).is_ok_and(|file| file == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;

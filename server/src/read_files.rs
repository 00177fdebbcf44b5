//! Reading the small files that settings name.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::limits::MAX_FILE;
use crate::settings::{Problem, Source};

/// Reads the file that `setting` names, once: it may be a pipe.
///
/// # Errors
/// A [`Problem`] with a remedy, when it cannot be read or is implausibly large.
pub fn read(setting: &str, path: &Path) -> Result<Vec<u8>, Problem> {
    read_all(setting, path, File::open(path))
}

/// Reads the file that `setting` names and that is looked at again while clients are served: it
/// must be a regular file, as opening one does not block.
///
/// # Errors
/// As those of [`read`], and where it is no regular file.
pub fn read_followed(setting: &str, path: &Path) -> Result<Vec<u8>, Problem> {
    read_all(setting, path, open_regular(path))
}

fn read_all(setting: &str, path: &Path, file: io::Result<File>) -> Result<Vec<u8>, Problem> {
    let fail = |reason: String, remedy: &str| problem(setting, path, reason, remedy);
    let mut bytes = Vec::new();
    match file.and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)) {
        Ok(n) if n as u64 <= MAX_FILE => match bytes.get(..2) {
            Some(b"\xff\xfe" | b"\xfe\xff") => {
                Err(fail("is in UTF-16".into(), "Save it as UTF-8, or as ASCII."))
            }
            _ => Ok(without_mark(&bytes).to_vec()),
        },
        Ok(_) => Err(fail(format!("is larger than {MAX_FILE} bytes"), "Name another file.")),
        Err(error) => {
            let remedy = match error.kind() {
                ErrorKind::NotFound => "Name a file that exists.",
                ErrorKind::PermissionDenied => "Let the server's user read it.",
                ErrorKind::IsADirectory => "Name a file, not a directory.",
                ErrorKind::Unsupported => "Name a regular file: others may keep a reader waiting.",
                _ => "Name a file that can be read.",
            };
            Err(fail(format!("cannot be read: {error}"), remedy))
        }
    }
}

/// A text without the byte-order mark that editors of Windows put before UTF-8, and that no parser
/// of ours knows: RFC 8259, 8.1 allows to ignore it.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Opens a regular file. Without blocking, as the opening of a FIFO does.
///
/// # Errors
/// Those of the system, and [`ErrorKind::Unsupported`] for a file that is not regular.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(file);
    }
    Err(io::Error::new(ErrorKind::Unsupported, "it is not a regular file"))
}

/// Changes with every way to replace a file: device, inode, time of modification and size, through
/// any symbolic links. `None` without such a file.
pub type Stamp = Option<(u64, u64, i64, i64, u64)>;

/// The stamp of a file as it is now.
pub fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
}

/// Checks that the file which `setting` names can be read a second time: a pipe gives nothing then,
/// and no settings at all would be the defaults.
///
/// # Errors
/// A [`Problem`] where it cannot be opened, or is no regular file.
pub fn check_regular(setting: &str, path: &Path) -> Result<(), Problem> {
    open_regular(path).map(drop).or_else(|error| read_all(setting, path, Err(error)).map(drop))
}

/// Whether this user may make files in a directory. None is left there.
///
/// # Errors
/// The reason why not.
pub fn check_writable(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    tempfile::tempfile_in(dir).map(drop)
}

/// A problem with the file that `setting` names.
pub fn problem(setting: &str, path: &Path, reason: impl Into<Box<str>>, remedy: &str) -> Problem {
    let value = Some(format!("{:?}", path.to_string_lossy()));
    Problem { value, ..Problem::new(setting, Source::Default, reason, remedy) }
}

#[cfg(test)]
mod tests;

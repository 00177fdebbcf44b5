//! A memory file with what may hold keys: its memory is overwritten before it is free.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use zeroize::Zeroizing;

/// Bytes that one call overwrites.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The file. Both processes have it; whichever drops it first overwrites it.
#[derive(Debug)]
pub(super) struct SecretFile(File, Ending);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Overwritten,
    /// For the other process to read.
    Left,
}

impl SecretFile {
    /// A file with these bytes.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn new(bytes: &[u8]) -> io::Result<SecretFile> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL;
        let file = File::from(memfd_create("uringcast-handover", flags)?);
        let mut file = SecretFile(file, Ending::Overwritten);
        file.0.write_all(bytes)?;
        file.0.rewind()?;
        // It may still be overwritten, and cut to nothing: once it is read.
        fcntl_add_seals(&file.0, SealFlags::GROW | SealFlags::SEAL)?;
        Ok(file)
    }

    /// One that another process has sent.
    pub(super) fn received(file: OwnedFd) -> SecretFile {
        SecretFile(file.into(), Ending::Overwritten)
    }

    /// Closes it as it is: it holds nothing secret, and the other process has not read it.
    pub(super) fn leave(mut self) {
        self.1 = Ending::Left;
    }

    /// Its first bytes, so many.
    ///
    /// # Errors
    /// The kernel's; `UnexpectedEof` when it is shorter.
    pub(super) fn read(&mut self, length: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        // Of exact size: growing would leave copies of keys behind.
        let mut bytes = Zeroizing::new(Vec::new());
        bytes.reserve_exact(length as usize);
        (&mut self.0).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    fn overwrite(&self) {
        let length = self.0.metadata().map_or(0, |file| file.len());
        let mut place = 0;
        while place < length {
            let count = ZEROS.len().min((length - place) as usize);
            match self.0.write_at(&ZEROS[..count], place) {
                Ok(written @ 1..) => place += written as u64,
                // The other process has cut it: it has overwritten it before.
                _ => break,
            }
        }
    }
}

impl AsFd for SecretFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if self.1 == Ending::Overwritten {
            self.overwrite();
            let _ = self.0.set_len(0);
        }
    }
}

#[cfg(test)]
mod tests;

//! The system calls of kernel TLS: on a socket that still has a descriptor, to hand the keys over,
//! and on a slot, for the records that are not application data.
//!
//! Linux Documentation/networking/tls.rst; the record types are those of RFC 8446, B.1.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};
use ktls::CryptoInfo;

use crate::ring::Ring;
use crate::user_data::UserData;

/// Which way bytes flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What this end sends.
    Send = libc::TLS_TX as isize,
    /// What this end receives.
    Receive = libc::TLS_RX as isize,
}

/// Puts the kernel's TLS layer onto an established socket; until it has keys it passes everything
/// on as it is.
///
/// # Errors
/// The kernel's: ENOENT without its module `tls`.
pub fn attach(socket: &impl AsRawFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_ULP, b"tls")
}

/// Hands the keys of one direction to the kernel.
///
/// # Errors
/// The kernel's, for instance when it lacks the cipher.
pub fn set_keys(socket: &impl AsRawFd, direction: Direction, keys: &CryptoInfo) -> io::Result<()> {
    set(socket, libc::SOL_TLS, direction as i32, as_bytes(keys))
}

/// As [`set_keys`] with keys of zeros, to find out what the kernel supports: `version` and `cipher`
/// as in `struct tls_crypto_info`.
///
/// # Errors
/// The kernel's.
pub fn try_keys(
    socket: &impl AsRawFd,
    direction: Direction,
    version: u16,
    cipher: u16,
) -> io::Result<()> {
    let mut keys = match cipher {
        libc::TLS_CIPHER_AES_GCM_128 => vec![0; size_of::<libc::tls12_crypto_info_aes_gcm_128>()],
        libc::TLS_CIPHER_AES_GCM_256 => vec![0; size_of::<libc::tls12_crypto_info_aes_gcm_256>()],
        _ => vec![0; size_of::<libc::tls12_crypto_info_chacha20_poly1305>()],
    };
    keys[..2].copy_from_slice(&version.to_ne_bytes());
    keys[2..4].copy_from_slice(&cipher.to_ne_bytes());
    set(socket, libc::SOL_TLS, direction as i32, &keys)
}

/// Lets the kernel decrypt TLS 1.3 records straight into the receiver's memory. It then expects no
/// padding, and copies only records that have some.
///
/// # Errors
/// The kernel's; Linux before 6.0 does not support it.
pub fn expect_no_padding(socket: &impl AsRawFd) -> io::Result<()> {
    set(socket, libc::SOL_TLS, libc::TLS_RX_EXPECT_NO_PAD, &1_i32.to_ne_bytes())
}

fn set(socket: &impl AsRawFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `value.len()` bytes from a slice of that length.
    let set = unsafe {
        let length = value.len() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), length)
    };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn as_bytes(keys: &CryptoInfo) -> &[u8] {
    // SAFETY: `as_ptr` points into `keys` at a structure of integers and byte arrays without
    // padding that is `size` bytes long.
    unsafe { std::slice::from_raw_parts(keys.as_ptr().cast(), keys.size()) }
}

/// A record, mostly one that is not application data.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// Its content type.
    pub kind: u8,
    /// Its content, as far as there was room for it.
    pub bytes: Vec<u8>,
}

/// What `sendmsg` and `recvmsg` point at.
struct Message {
    header: libc::msghdr,
    vector: libc::iovec,
    /// Room for one `cmsghdr` and one byte, aligned for it.
    ancillary: [u64; 3],
    bytes: Vec<u8>,
}

impl Message {
    /// In a box, because it points at itself.
    fn new(bytes: Vec<u8>) -> Box<Message> {
        // SAFETY: both are plain C structures, for which zeros are a value.
        let (header, vector) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let mut message = Box::new(Message { header, vector, ancillary: [0; 3], bytes });
        message.vector.iov_base = message.bytes.as_mut_ptr().cast();
        message.vector.iov_len = message.bytes.len();
        message.header.msg_iov = &raw mut message.vector;
        message.header.msg_iovlen = 1;
        message.header.msg_control = (&raw mut message.ancillary).cast();
        message.header.msg_controllen = size_of_val(&message.ancillary);
        message
    }

    /// Sets the content type of the record to be sent.
    fn set_kind(&mut self, kind: u8) {
        // SAFETY: the macro yields the start of `ancillary`, which has room for a header and the
        // byte behind it, aligned.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const self.header);
            (*header).cmsg_level = libc::SOL_TLS;
            (*header).cmsg_type = libc::TLS_SET_RECORD_TYPE;
            (*header).cmsg_len = libc::CMSG_LEN(1) as usize;
            *libc::CMSG_DATA(header) = kind;
            self.header.msg_controllen = libc::CMSG_SPACE(1) as usize;
        }
    }

    /// The content type of the record received, if the kernel has reported one.
    fn kind(&self) -> Option<u8> {
        // SAFETY: the kernel has filled in `msg_controllen` and the headers it covers.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const self.header);
            let is_reported = !header.is_null()
                && (*header).cmsg_level == libc::SOL_TLS
                && (*header).cmsg_type == libc::TLS_GET_RECORD_TYPE;
            is_reported.then(|| *libc::CMSG_DATA(header))
        }
    }
}

/// Operations that are over when the call returns. They are rare, and none of them waits.
impl<P> Ring<P> {
    /// Sends one record of a content type.
    ///
    /// # Errors
    /// The kernel's: EAGAIN when the socket is full.
    pub fn send_record(&mut self, slot: u32, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let mut message = Message::new(bytes.to_vec());
        message.set_kind(kind);
        let flags = (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as u32;
        let header = &raw const message.header;
        let entry = opcode::SendMsg::new(Fixed(slot), header).flags(flags).build();
        self.await_control(slot, entry).map(drop)
    }

    /// Takes the record at the head of a socket whose plain receive has failed with EIO, and up to
    /// `room` bytes of it. `None` at the end of the stream.
    ///
    /// # Errors
    /// The kernel's: EAGAIN when there is no record, EBADMSG when it cannot be decrypted.
    pub fn take_record(&mut self, slot: u32, room: usize) -> io::Result<Option<Record>> {
        let mut message = Message::new(vec![0; room]);
        let header = &raw mut message.header;
        let flags = libc::MSG_DONTWAIT as u32;
        let entry = opcode::RecvMsg::new(Fixed(slot), header).flags(flags).build();
        let len = self.await_control(slot, entry)?;
        let kind = message.kind();
        message.bytes.truncate(len);
        Ok(kind.map(|kind| Record { kind, bytes: message.bytes }))
    }

    /// An ordinary descriptor of the socket in a slot, for what the ring cannot do.
    ///
    /// # Errors
    /// The kernel's: EINVAL before Linux 6.8.
    pub fn descriptor(&mut self, slot: u32) -> io::Result<OwnedFd> {
        let entry = opcode::FixedFdInstall::new(Fixed(slot), 0).build();
        let descriptor = self.await_control(slot, entry)?;
        // SAFETY: the kernel has just made it for us, close-on-exec, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
    }

    /// Submits an operation and waits until it has ended: what it points at may go afterwards.
    fn await_control(&mut self, slot: u32, entry: squeue::Entry) -> io::Result<usize> {
        self.control = None;
        self.queue(entry.user_data(UserData::control(slot).0));
        self.submit();
        loop {
            if let Some(result) = self.control.take() {
                let failed = |_| io::Error::from_raw_os_error(-result);
                return usize::try_from(result).map_err(failed);
            }
            self.queues.enter(1);
            self.reap();
        }
    }
}

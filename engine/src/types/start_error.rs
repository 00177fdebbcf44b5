//! Why an engine does not start.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

/// Why an engine could not start. Each text names the setting, the value and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {source}. {remedy}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The kernel refuses io_uring or a part of it that the engine needs.
    #[error("cannot use io_uring: {source}. {remedy}")]
    Ring {
        /// The system's error.
        source: io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Kernel TLS is required, and the kernel lacks it.
    #[error("cannot use kernel TLS, which ktls on asks for: {source}. {remedy}")]
    KernelTls {
        /// The system's error.
        source: io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A setting contradicts another or the machine.
    #[error("{0}")]
    Config(String),
}

impl StartError {
    /// The kernel's error when a ring was made, with its remedy.
    pub(crate) fn ring(source: io::Error) -> StartError {
        let remedy = match Errno::from_io_error(&source) {
            Some(Errno::NOSYS) => {
                "Run Linux 6.0 or newer, and in a container a seccomp profile that allows \
                 io_uring_setup, io_uring_enter and io_uring_register"
            }
            Some(Errno::PERM | Errno::ACCESS) => {
                "Set the sysctl kernel.io_uring_disabled to 0, and in a container use a seccomp \
                 profile that allows io_uring_setup, io_uring_enter and io_uring_register"
            }
            Some(Errno::NOMEM) => {
                "Raise the limit of locked memory (RLIMIT_MEMLOCK: ulimit -l, or LimitMEMLOCK= of \
                 the service), or free memory"
            }
            Some(Errno::MFILE | Errno::NFILE) => {
                "Raise the limit of open files (RLIMIT_NOFILE: ulimit -Hn, or LimitNOFILE= of the \
                 service)"
            }
            Some(Errno::INVAL) => "Run Linux 6.0 or newer",
            _ => "Check that this is Linux 6.0 or newer and that io_uring is allowed",
        };
        StartError::Ring { source, remedy }
    }

    /// The kernel's error when TLS was set up, with its remedy.
    pub(crate) fn kernel_tls(source: io::Error) -> StartError {
        let remedy = match Errno::from_io_error(&source) {
            // The error of TCP_ULP for an unknown name.
            Some(Errno::NOENT) => {
                "Load the kernel's module (modprobe tls), run a kernel built with CONFIG_TLS, or \
                 set ktls to auto or off"
            }
            _ => "Set ktls to auto or off",
        };
        StartError::KernelTls { source, remedy }
    }

    /// The system's error when an address was listened on, with its remedy.
    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> StartError {
        let remedy = match source.kind() {
            io::ErrorKind::AddrInUse => "Stop what listens there, or choose another port",
            io::ErrorKind::AddrNotAvailable => "Choose an address that this machine has",
            io::ErrorKind::PermissionDenied => {
                "Choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
            }
            _ => "Check the address and the limit of open files (RLIMIT_NOFILE)",
        };
        StartError::Listen { address, source, remedy }
    }
}

#[cfg(test)]
mod tests;

//! Accepting: one task per listener, which never lets go of an accept under way (monoio 0.2.4
//! leaks the descriptor of a cancelled one).

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use monoio::net::TcpListener;

use super::desk::{Acceptor, Desk};
use super::greet::greet;
use crate::limits::ACCEPT_PAUSE;
use crate::telemetry::ConnectionError;
use crate::types::ServiceId;

/// How often the same trouble is logged.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// What an error of `accept` calls for.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// This connection is lost; the next one may be fine.
    Passing,
    /// No descriptors or memory left, or nothing we know.
    Pause,
}

/// On whose behalf a listener accepts.
#[derive(Clone)]
pub(super) struct Host {
    pub service: ServiceId,
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Accepts connections until the desk closes, and greets each in a task of its own.
pub(super) async fn accept(listener: TcpListener, _acceptor: Acceptor, desk: Rc<Desk>, host: Host) {
    let mut complained: Option<Instant> = None;
    loop {
        desk.room().await;
        if desk.is_closed() {
            return;
        }
        let error = match listener.accept().await {
            Ok((stream, peer)) => {
                monoio::spawn(greet(stream, peer, desk.begin(), Rc::clone(&desk), host.clone()));
                continue;
            }
            Err(error) => error,
        };
        if desk.is_closed() {
            return; // The listener was shut down.
        }
        if trouble(&error) == Trouble::Passing {
            continue;
        }
        desk.error(host.service, ConnectionError::Descriptors);
        if complained.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL) {
            complained = Some(Instant::now());
            tracing::error!(
                %error,
                "cannot accept connections; raise the open-file limit (ulimit -n, LimitNOFILE) \
                 or lower --max-connections"
            );
        }
        monoio::time::sleep(ACCEPT_PAUSE).await;
    }
}

fn trouble(error: &io::Error) -> Trouble {
    match error.raw_os_error() {
        Some(
            libc::ECONNABORTED
            | libc::ECONNRESET
            | libc::EINTR
            | libc::EPERM
            | libc::EPROTO
            | libc::ETIMEDOUT
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH,
        ) => Trouble::Passing,
        _ => Trouble::Pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_does_not_stop_the_listener_and_no_descriptors_do() {
        let told = |code| trouble(&io::Error::from_raw_os_error(code));
        assert_eq!(told(libc::ECONNABORTED), Trouble::Passing);
        assert_eq!(told(libc::EMFILE), Trouble::Pause);
        assert_eq!(told(libc::ENFILE), Trouble::Pause);
        assert_eq!(told(libc::EINVAL), Trouble::Pause);
    }
}

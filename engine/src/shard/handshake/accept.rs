//! Accepting: one task per listener, which waits until somebody is there and then takes all who
//! are. An accept operation of its own for each would cost a round through the ring for each
//! (docs/decisions/0013-accept-all-who-are-there.md).

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::{Duration, Instant};

use monoio::net::{TcpStream, UnixStream};
use rustix::buffer::spare_capacity;
use rustix::net::RecvFlags;

use crate::config::{Proxies, TlsSource};
use crate::limits::{ACCEPT_PAUSE, ACCEPTS_PER_ROUND, RECEIVE_BUFFER};
use crate::shard::handshake::budget::{Class, Share};
use crate::shard::handshake::queue::{Acceptor, Desk};
use crate::shard::handshake::upgrade::greet;
use crate::telemetry::ConnectionError;
use crate::types::ServiceId;

/// How often the same trouble is logged.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// What an error of `accept` calls for.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// Nobody is there.
    Nobody,
    /// This connection is lost; the next one may be fine.
    Passing,
    /// No descriptors or memory left, or nothing we know.
    Pause,
}

/// On whose behalf a listener accepts.
#[derive(Clone)]
pub(crate) struct Host {
    pub service: ServiceId,
    pub tls: Option<TlsSource>,
    pub proxies: Proxies,
}

/// Accepts connections until the desk closes, and greets each in a task of its own. The listener
/// is non-blocking; `somebody` tells when it has a connection.
pub(crate) async fn accept(
    listener: TcpListener,
    somebody: UnixStream,
    _acceptor: Acceptor,
    desk: Rc<Desk>,
    host: Host,
) {
    let mut complained: Option<Instant> = None;
    loop {
        desk.room().await;
        let share = desk.governor.share(Class::Full).await;
        if desk.is_closed() {
            return;
        }
        let Err(error) = take_round(&listener, share, &desk, &host) else {
            // Somebody may still be there: this only lets the others go on.
            somebody.readable(true).await.expect("a listener can be polled");
            continue;
        };
        if desk.is_closed() {
            return; // The listener was shut down.
        }
        match trouble(&error) {
            Trouble::Nobody => {
                somebody.readable(true).await.expect("a listener can be polled");
                continue;
            }
            Trouble::Passing => continue,
            Trouble::Pause => {}
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

/// Takes those who are there, while there is time and room; an error when none is left.
fn take_round(
    listener: &TcpListener,
    share: Share<'_>,
    desk: &Rc<Desk>,
    host: &Host,
) -> io::Result<()> {
    for _ in 0..ACCEPTS_PER_ROUND {
        let (stream, peer) = listener.accept()?;
        let early = what_is_there(&stream);
        let stream = TcpStream::from_std(stream)?;
        monoio::spawn(greet(stream, peer, early, desk.begin(), Rc::clone(desk), host.clone()));
        if share.is_used_up() || !desk.has_room() {
            break;
        }
    }
    Ok(())
}

/// What the peer has said already: mostly the whole request, so that no operation need wait for it.
fn what_is_there(stream: &std::net::TcpStream) -> Vec<u8> {
    let mut early = Vec::with_capacity(RECEIVE_BUFFER);
    let flags = RecvFlags::DONTWAIT;
    // Nothing, an end or an error: the greeting will find out.
    let _ = rustix::net::recv(stream, spare_capacity(&mut early), flags);
    early
}

fn trouble(error: &io::Error) -> Trouble {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => Trouble::Nobody,
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
        assert_eq!(told(libc::EAGAIN), Trouble::Nobody);
    }
}

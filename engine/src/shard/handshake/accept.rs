//! One accept task per listener: waits for readiness, then accepts until EAGAIN or the budget is
//! spent. An accept operation per connection would cost a round through the ring for each
//! (docs/decisions/0013-accept-all-who-are-there.md).

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::{Duration, Instant};

use monoio::net::{TcpStream, UnixStream};
use rustix::buffer::spare_capacity;
use rustix::net::RecvFlags;

use super::admission::AdmissionLimits;
use super::budget::{StepClass, StepGrant};
use super::queue::{AcceptorGuard, HandshakeQueue};
use super::upgrade::run_handshake;
use crate::limits::{ACCEPT_PAUSE, ACCEPTS_PER_ROUND, RECEIVE_BUFFER};
use crate::telemetry::ConnectionError;
use crate::types::{CloseCodes, ServiceId};

/// Between two log lines about exhausted descriptors.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Accepts connections until the queue closes, or refuses where that is enough, and starts a
/// handshake task for each. `listener` is non-blocking; `readable` is a duplicate of it to be
/// polled. Neither is shut down: the socket may be a service manager's, which clients wait at until
/// the next server accepts from it.
pub(crate) async fn accept(
    listener: Rc<TcpListener>,
    readable: UnixStream,
    acceptor: AcceptorGuard,
    service: ServiceId,
) {
    let queue = &acceptor.0;
    let mut logged_at: Option<Instant> = None;
    let ends_early = ends_early(&queue.limits(), &listener, service);
    loop {
        queue.wait_for_capacity(ends_early).await;
        let grant = queue.budget.acquire(StepClass::Full).await;
        if queue.ends_accepting(ends_early) {
            return;
        }
        if !queue.has_capacity() {
            continue;
        }
        let error = match accept_batch(&listener, grant, queue, service) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => error,
            // After `Ok` more connections may wait: this only lets the other tasks run.
            _ => {
                queue.wait_for(readable.readable(true), ends_early).await;
                continue;
            }
        };
        if is_transient(&error) {
            continue;
        }
        queue.count_error(service, ConnectionError::Descriptors);
        if logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            logged_at = Some(Instant::now());
            tracing::error!(
                %error,
                "cannot accept connections; raise the open-file limit (ulimit -n, LimitNOFILE) \
                 or lower --max-connections"
            );
        }
        monoio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Whether accepting ends as soon as new connections are refused: of an inherited socket, where the
/// next process accepts what waits; and where clients are the original family's, which try again
/// after a refused connection and never after an answer other than 101.
fn ends_early(limits: &AdmissionLimits, listener: &TcpListener, service: ServiceId) -> bool {
    let inherited = listener.local_addr().is_ok_and(|address| limits.inherited.contains(&address));
    inherited || limits.config[service].close_codes == CloseCodes::Family
}

/// Accepts waiting connections while the grant and the capacity last.
///
/// # Errors
/// That of `accept`: EAGAIN when no connection is left.
fn accept_batch(
    listener: &TcpListener,
    grant: StepGrant<'_>,
    queue: &Rc<HandshakeQueue>,
    service: ServiceId,
) -> io::Result<()> {
    for _ in 0..ACCEPTS_PER_ROUND {
        let (stream, peer) = listener.accept()?;
        // A listener on [::] accepts IPv4 too, with mapped addresses.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let early = read_early(&stream);
        let stream = TcpStream::from_std(stream)?;
        monoio::spawn(run_handshake(stream, peer, early, queue.begin_handshake(), service));
        if grant.is_exhausted() || !queue.has_capacity() {
            break;
        }
    }
    Ok(())
}

/// The bytes that have arrived already: mostly the whole request, which saves a read operation.
fn read_early(stream: &std::net::TcpStream) -> Vec<u8> {
    let mut early = Vec::with_capacity(RECEIVE_BUFFER);
    let flags = RecvFlags::DONTWAIT;
    // Nothing, an end or an error: the handshake's first read reports it.
    let _ = rustix::net::recv(stream, spare_capacity(&mut early), flags);
    early
}

/// Whether an error of `accept` is of one connection, and the next one may succeed. After any other
/// error (no descriptors or memory left, or an unknown one) the listener pauses.
fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
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
                | libc::EHOSTUNREACH
        )
    )
}

#[cfg(test)]
mod tests;

//! The metrics port of a program that has no HTTP server of its own: one thread, one scrape at a
//! time, on loopback.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use http::uri::Authority;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::exposition::CONTENT_TYPE;
use crate::limits::{LINGER_BYTES, SCRAPE_HEAD, SCRAPE_HEADERS, SCRAPE_PATIENCE};

/// Why there is no metrics server.
#[derive(Debug, thiserror::Error)]
pub enum MetricsServerError {
    /// Another program listens there already.
    #[error("port {0} is taken by another program: choose another one, or 0 for a free one")]
    PortInUse(u16),
    /// The system refused a socket or a thread.
    #[error("no metrics server: {0}")]
    System(#[from] io::Error),
}

/// Serves `GET /metrics` on loopback for as long as it is kept: dropping it ends the thread and
/// frees the port.
#[derive(Debug)]
#[must_use = "the server ends when this is dropped"]
pub struct MetricsServer(Option<Running>);

struct Running {
    address: SocketAddr,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl MetricsServer {
    /// One that serves nothing: metrics are off.
    pub(super) fn off() -> MetricsServer {
        MetricsServer(None)
    }

    pub(super) fn start(
        port: u16,
        render: impl Fn() -> String + Send + 'static,
    ) -> Result<MetricsServer, MetricsServerError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            let taken = error.kind() == ErrorKind::AddrInUse;
            if taken { MetricsServerError::PortInUse(port) } else { error.into() }
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(io::Error::from)?);
        let stopped = Arc::clone(&stop);
        let serve = move || serve(&listener, &stopped, &render);
        let thread = Some(thread::Builder::new().name("metrics".into()).spawn(serve)?);
        Ok(MetricsServer(Some(Running { address, stop, thread })))
    }

    /// Where it listens; `None` if metrics are off.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.0.as_ref().map(|running| running.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An eventfd without another writer takes this.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // If it panicked, the panic hook has reported it.
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, stop: &OwnedFd, render: &dyn Fn() -> String) {
    while wait(listener, PollFlags::IN, stop, None) {
        // An error of a connection ends that connection only; the scraper retries.
        if let Ok((stream, _)) = listener.accept() {
            let _ = answer(stream, stop, render);
        }
    }
}

/// Waits until `socket` is ready. Returns false if the server is to end, or the time is over.
fn wait(socket: impl AsFd, flags: PollFlags, stop: &OwnedFd, until: Option<Instant>) -> bool {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    let left = left.map(|left| Timespec::try_from(left).expect("SCRAPE_PATIENCE at most"));
    let mut both = [PollFd::new(&socket, flags), PollFd::new(stop, PollFlags::IN)];
    let ready = poll(&mut both, left.as_ref());
    // Interrupted: the caller finds the socket not ready, and waits again.
    ready != Ok(0) && both[1].revents().is_empty()
}

fn answer(mut stream: TcpStream, stop: &OwnedFd, render: &dyn Fn() -> String) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let until = Some(Instant::now() + SCRAPE_PATIENCE);
    let ready = |stream: &TcpStream, flags| wait(stream, flags, stop, until);
    let (mut head, mut chunk) = (Vec::with_capacity(SCRAPE_HEAD), [0; 1_024]);
    let response = loop {
        if let Some(response) = respond(&head, render) {
            break response;
        }
        if !ready(&stream, PollFlags::IN) {
            return Ok(());
        }
        match retried(stream.read(&mut chunk))? {
            Some(0) => return Ok(()),
            n => head.extend_from_slice(&chunk[..n.unwrap_or(0)]),
        }
    };
    let mut rest = response.as_bytes();
    while !rest.is_empty() && ready(&stream, PollFlags::OUT) {
        rest = &rest[retried(stream.write(rest))?.unwrap_or(0)..];
    }
    // Closed with bytes unread, the connection is reset, and the answer may be lost with it.
    stream.shutdown(Shutdown::Write)?;
    let mut more = 0;
    while more < LINGER_BYTES && ready(&stream, PollFlags::IN) {
        match retried(stream.read(&mut chunk))? {
            Some(0) => break,
            n => more += n.unwrap_or(0),
        }
    }
    Ok(())
}

/// The number of bytes; `None` if the call is to be retried.
fn retried(moved: io::Result<usize>) -> io::Result<Option<usize>> {
    match moved {
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => {
            Ok(None)
        }
        moved => moved.map(Some),
    }
}

/// Whether every `Host` is an address or `localhost`. A page of a name that was made to resolve to
/// loopback would call the server by that name.
fn is_called_locally(headers: &[httparse::Header<'_>]) -> bool {
    let is_local = |host: &[u8]| {
        let authority = Authority::try_from(host).ok();
        let name = authority.as_ref().map(|authority| authority.host()).unwrap_or_default();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
    };
    let mut hosts = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    hosts.all(|host| is_local(host.value))
}

/// The answer to a request, once its head is whole; nothing before.
fn respond(head: &[u8], render: &dyn Fn() -> String) -> Option<String> {
    let mut headers = [httparse::EMPTY_HEADER; SCRAPE_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let (status, kind, body) = match request.parse(head) {
        Ok(httparse::Status::Partial) if head.len() < SCRAPE_HEAD => return None,
        Ok(httparse::Status::Complete(_)) => {
            let path = request.path.unwrap_or_default().split('?').next();
            match (request.method, path) {
                _ if !is_called_locally(request.headers) => {
                    ("403 Forbidden", "text/plain", "call it 127.0.0.1 or localhost\n".into())
                }
                (Some("GET"), Some("/metrics")) => ("200 OK", CONTENT_TYPE, render()),
                (Some("GET"), _) => ("404 Not Found", "text/plain", "see /metrics\n".into()),
                _ => ("405 Method Not Allowed", "text/plain", "GET only\n".into()),
            }
        }
        Ok(httparse::Status::Partial) | Err(_) => {
            ("400 Bad Request", "text/plain", "not understood\n".into())
        }
    };
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}\
         Connection: close\r\n\r\n{body}"
    ))
}

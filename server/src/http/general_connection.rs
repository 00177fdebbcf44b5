//! A connection of an HTTP port that hyper serves.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io::{self, Cursor};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::{HeaderMap, Method, Uri, Version, header};
use axum::response::Response;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, join, sink};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::error::Draining;
use super::media_type::{content_type, is_lines};
use super::places::Place;
use super::tracked_body::{BodyCopy, TrackedBody};
use crate::handover::Passing;
use crate::limits::{HTTP_DRAIN, HTTP_HEADER_TIMEOUT, HTTP_READ, MAX_HTTP_HEAD, MAX_PUBLISH_BODY};

/// The connection.
pub(super) struct GeneralConnection {
    pub(super) stream: TcpStream,
    /// What was read of it and is not answered.
    pub(super) unread: Vec<u8>,
    pub(super) place: Arc<Place>,
    pub(super) passing: Passing,
}

/// What the requests of a connection have to say when another process has taken over.
#[derive(Debug, Default)]
struct Requests {
    has_begun: AtomicBool,
    /// Responses from here on are the last ones.
    is_leaving: AtomicBool,
    /// A response tells the peer that it is the last one.
    is_last: AtomicBool,
    /// A request that the other process is to answer, as it goes on the wire.
    again: Mutex<Option<Vec<u8>>>,
    is_again: Notify,
}

/// A request as it came, without its body.
struct Original {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    body: Arc<BodyCopy>,
}

impl GeneralConnection {
    /// Serves until the connection ends, or until `stop` turns true and the request under way is
    /// answered. Where another process has taken over, returns the socket and what that is to read
    /// before it.
    pub(super) async fn run(
        self,
        router: Router,
        stop: watch::Receiver<bool>,
    ) -> Result<(TcpStream, Vec<u8>), Ended> {
        let GeneralConnection { mut stream, unread, place, passing } = self;
        let (requests, router) = (Arc::default(), TowerToHyperService::new(router));
        let service = service_fn(|request| answer(request, &place, &router, &passing, &requests));
        let rest = serve(&mut stream, unread, service, stop, (&passing, &requests)).await;
        match rest {
            Some(unread) => Ok((stream, unread)),
            None => Err(Ended(stream)),
        }
    }
}

/// A connection that has ended here.
pub(super) struct Ended(TcpStream);

impl Ended {
    /// Reads what is on its way after the last answer: closing a socket with unread bytes resets
    /// it, and the peer would never see the answer.
    pub(super) async fn linger(mut self) {
        let _ = timeout(HTTP_DRAIN, linger(&mut self.0)).await;
    }
}

async fn linger(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    copy(&mut stream.take(MAX_PUBLISH_BODY as u64), &mut sink()).await.map(drop)
}

/// Returns what another process is to read before the socket, where that goes on.
async fn serve<S>(
    stream: &mut TcpStream,
    unread: Vec<u8>,
    service: S,
    mut stop: watch::Receiver<bool>,
    (passing, requests): (&Passing, &Requests),
) -> Option<Vec<u8>>
where
    S: Service<hyper::Request<Incoming>, Response = Response, Error = Infallible> + Unpin,
    S::Future: Unpin,
{
    let (reader, writer) = stream.split();
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_HEADER_TIMEOUT)
        .max_header_size(MAX_HTTP_HEAD)
        .max_buf_size(HTTP_READ)
        .serve_connection(TokioIo::new(join(Cursor::new(unread).chain(reader), writer)), service);
    let mut stopped = pin!(async { stop.wait_for(|stop| *stop).await.is_ok() });
    let mut handed_over = pin!(passing.begun());
    let (mut is_stopping, mut is_leaving) = (false, false);
    let mut again = loop {
        tokio::select! {
            biased;
            () = requests.is_again.notified() => break requests.again.lock().take()?,
            done = poll_fn(|context| connection.poll_without_shutdown(context)) => {
                // An error here means that the peer closed early.
                done.ok()?;
                if is_leaving && !requests.is_last.load(Ordering::Relaxed) {
                    break Vec::new();
                }
                let _ = connection.await;
                return None;
            }
            () = &mut handed_over, if !is_leaving => {
                if !requests.has_begun.load(Ordering::Relaxed) {
                    // hyper would wait for the rest of a first request.
                    break Vec::new();
                }
                is_leaving = true;
                requests.is_leaving.store(true, Ordering::Relaxed);
                Pin::new(&mut connection).graceful_shutdown();
            }
            _ = &mut stopped, if !is_stopping => {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    again.extend_from_slice(&parts.read_buf);
    let (reader, _) = parts.io.into_inner().into_inner();
    let (unread, _) = reader.into_inner();
    again.extend_from_slice(&unread.get_ref()[unread.position() as usize..]);
    Some(again)
}

/// Answers a request, and tells its connection's place what the connection waits for. One that
/// finds another process serving goes to that.
fn answer(
    request: hyper::Request<Incoming>,
    place: &Arc<Place>,
    router: &TowerToHyperService<Router>,
    passing: &Passing,
    requests: &Arc<Requests>,
) -> Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>> {
    let (place, router, requests) = (Arc::clone(place), router.clone(), Arc::clone(requests));
    let passing = passing.clone();
    requests.has_begun.store(true, Ordering::Relaxed);
    let original = passing.is_possible().then(|| Original::of(&request)).flatten();
    let copy = original.as_ref().map(|original| Arc::clone(&original.body));
    let tracked = |body| TrackedBody { body, place: Arc::clone(&place), copy };
    let mut request = request.map(tracked);
    request.extensions_mut().insert(Arc::clone(&place));
    Box::pin(async move {
        place.answer();
        let Ok(response) = router.call(request).await;
        if passing.has_begun()
            && response.extensions().get::<Draining>().is_some()
            && let Some(bytes) = original.and_then(Original::into_bytes)
        {
            *requests.again.lock() = Some(bytes);
            requests.is_again.notify_one();
            // The connection goes with it.
            return pending().await;
        }
        place.wait();
        let is_last = requests.is_leaving.load(Ordering::Relaxed);
        requests.is_last.fetch_or(is_last, Ordering::Relaxed);
        Ok(response)
    })
}

impl Original {
    /// `None` of a stream, of which lines may be published already.
    fn of(request: &hyper::Request<Incoming>) -> Option<Original> {
        if is_lines(content_type(request.headers())) {
            return None;
        }
        let body = Arc::<BodyCopy>::default();
        if request.body().is_end_stream() {
            body.end();
        }
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (version, headers) = (request.version(), request.headers().clone());
        Some(Original { method, uri, version, headers, body })
    }

    /// The request with a body of known length; `None` if that was not read to its end.
    fn into_bytes(self) -> Option<Vec<u8>> {
        let Original { method, uri, version, headers, body } = self;
        let body = body.whole()?;
        let mut bytes = format!("{method} {uri} {version:?}\r\n").into_bytes();
        let of_the_body = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT];
        let mut put = |name: &[u8], value: &[u8]| {
            for part in [name, b": ", value, b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        };
        for (name, value) in &headers {
            if !of_the_body.contains(name) {
                put(name.as_str().as_bytes(), value.as_bytes());
            }
        }
        if !body.is_empty() || method == Method::POST || method == Method::PUT {
            put(b"content-length", body.len().to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body);
        Some(bytes)
    }
}

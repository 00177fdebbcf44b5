//! Serving one HTTP port: bounded connections, deadlines, an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Cursor};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_user_timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, join, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::error::ApiError;
use super::media_type::is_lines;
use super::places::{Place, Places};
use super::publish_connection::PublishConnection;
use super::publish_endpoint::PublishEndpoint;
use super::tracked_body::TrackedBody;
use crate::limits::{
    HTTP_DRAIN, HTTP_HEADER_TIMEOUT, HTTP_READ, HTTP_REQUEST_TIMEOUT, HTTP_SEND_BUFFER,
    HTTP_WRITE_TIMEOUT, MAX_HTTP_HEAD, MAX_PUBLISH_BODY,
};
use crate::metrics::HttpGivenUp;

/// What answers on a port.
#[derive(Clone, Debug)]
pub struct Port {
    router: Router,
    endpoint: Option<Arc<PublishEndpoint>>,
    places: Arc<Places>,
}

impl Port {
    /// A port where `router` answers everything, on so many connections at most.
    pub fn new(router: Router, connections: usize, given_up: Option<HttpGivenUp>) -> Port {
        let router = router.layer(from_fn(deadline));
        Port { router, endpoint: None, places: Places::new(connections, given_up) }
    }

    /// The same; plain publish requests are answered by `endpoint`.
    #[must_use]
    pub fn publishing(self, endpoint: PublishEndpoint) -> Port {
        Port { endpoint: Some(Arc::new(endpoint)), ..self }
    }

    /// Serves until `stop` turns true or its sender is gone, then lets open requests end. Accepts
    /// nothing more once `left` is true: another process does.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: watch::Receiver<bool>,
        left: watch::Receiver<bool>,
    ) {
        let graceful = GracefulShutdown::new();
        let is_true = |mut from: watch::Receiver<bool>| async move {
            let _ = from.wait_for(|is| *is).await;
        };
        let (mut stopped, mut left) = (pin!(is_true(stop.clone())), pin!(is_true(left)));
        loop {
            let accepted = tokio::select! {
                () = &mut stopped => break,
                () = &mut left => {
                    drop(listener);
                    stopped.await;
                    break;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.begin(stream, &graceful, &stop),
                Err(error) => self.recover(&error).await,
            }
            // The task of a connection that had to go closes it first.
            tokio::task::yield_now().await;
        }
        let _ = timeout(HTTP_DRAIN, graceful.shutdown()).await;
    }

    /// Starts serving a connection, if there is a place for it.
    fn begin(&self, stream: TcpStream, graceful: &GracefulShutdown, stop: &watch::Receiver<bool>) {
        let Some(place) = self.places.enter().map(Arc::new) else { return };
        let limit = u32::try_from(HTTP_WRITE_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
        // They fail on a socket that has ended, as the first read says then.
        let _ = set_tcp_user_timeout(&stream, limit);
        let _ = set_socket_send_buffer_size(&stream, HTTP_SEND_BUFFER);
        let port = self.clone();
        let serve = port.answer(stream, Arc::clone(&place), graceful.watcher(), stop.clone());
        place.served_by(tokio::spawn(serve).abort_handle());
    }

    /// After an error of `accept`.
    async fn recover(&self, error: &io::Error) {
        tracing::warn!("an HTTP connection could not be accepted: {error}");
        let code = error.raw_os_error().map(Errno::from_raw_os_error);
        if matches!(code, Some(Errno::MFILE | Errno::NFILE)) {
            self.places.end_oldest();
        }
        // Accepting again at once would spin.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// Serves one connection. The shutdown waits until `watcher` is dropped.
    async fn answer(
        self,
        stream: TcpStream,
        place: Arc<Place>,
        watcher: Watcher,
        stop: watch::Receiver<bool>,
    ) {
        let (mut stream, unread) = match self.endpoint {
            Some(endpoint) => {
                let connection = PublishConnection::new(stream, Arc::clone(&place));
                match connection.run(&endpoint, stop.clone()).await {
                    Some(rest) => rest,
                    None => return,
                }
            }
            None => (stream, Vec::new()),
        };
        let router = TowerToHyperService::new(self.router);
        let service = service_fn(|request| track(request, &place, &router));
        serve_requests(&mut stream, unread, service, stop).await;
        drop(watcher);
        let _ = timeout(HTTP_DRAIN, linger(&mut stream)).await;
    }
}

/// Serves requests until the connection ends, or until `stop` turns true and the request under way
/// is answered.
async fn serve_requests<S>(
    stream: &mut TcpStream,
    unread: Vec<u8>,
    service: S,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<hyper::Request<Incoming>, Response = Response, Error = Infallible>,
{
    let (reader, writer) = stream.split();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_HEADER_TIMEOUT)
        .max_header_size(MAX_HTTP_HEAD)
        .max_buf_size(HTTP_READ)
        .serve_connection(TokioIo::new(join(Cursor::new(unread).chain(reader), writer)), service);
    let mut connection = pin!(connection);
    let has_ended = tokio::select! {
        biased;
        // An error here means that the peer closed early.
        _ = connection.as_mut() => true,
        _ = stop.wait_for(|stop| *stop) => false,
    };
    if !has_ended {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Answers a request, and tells its connection's place what the connection waits for.
fn track(
    request: hyper::Request<Incoming>,
    place: &Arc<Place>,
    router: &TowerToHyperService<Router>,
) -> impl Future<Output = Result<Response, Infallible>> + use<> {
    let (place, router) = (Arc::clone(place), router.clone());
    let tracked = |body| TrackedBody { body, place: Arc::clone(&place) };
    let mut request = request.map(tracked);
    request.extensions_mut().insert(Arc::clone(&place));
    async move {
        place.answer();
        let response = router.call(request).await;
        place.wait();
        response
    }
}

/// Reads what is on its way after the last answer: closing a socket with unread bytes resets it,
/// and the peer would never see the answer.
async fn linger(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    copy(&mut stream.take(MAX_PUBLISH_BODY as u64), &mut sink()).await.map(drop)
}

async fn deadline(request: Request, next: Next) -> Response {
    let late = |_| ApiError::late().into_response();
    if is_lines(request.headers()) {
        // A stream may take as long as something comes.
        return next.run(request).await;
    }
    timeout(HTTP_REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(late)
}

//! Serving one HTTP port: bounded connections, deadlines, an orderly end.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_user_timeout};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::error::ApiError;
use super::general_connection::GeneralConnection;
use super::media_type::{content_type, is_lines};
use super::places::{Place, Places};
use super::publish_connection::{Next as NextServer, PublishConnection};
use super::publish_endpoint::PublishEndpoint;
use crate::handover::{PassedConnection, Passing, PortName};
use crate::limits::{HTTP_DRAIN, HTTP_REQUEST_TIMEOUT, HTTP_SEND_BUFFER, HTTP_WRITE_TIMEOUT};
use crate::metrics::HttpGivenUp;

/// What answers on a port.
#[derive(Clone, Debug)]
pub struct Port {
    router: Router,
    endpoint: Option<Arc<PublishEndpoint>>,
    places: Arc<Places>,
    /// The way to the process that takes over, and the port's name there.
    passing: Passing,
    name: Option<PortName>,
}

impl Port {
    /// A port where `router` answers everything, on so many connections at most.
    pub fn new(router: Router, connections: usize, given_up: Option<HttpGivenUp>) -> Port {
        let router = router.layer(from_fn(deadline));
        let (places, passing) = (Places::new(connections, given_up), Passing::default());
        Port { router, endpoint: None, places, passing, name: None }
    }

    /// The same; plain publish requests are answered by `endpoint`.
    #[must_use]
    pub fn publishing(self, endpoint: PublishEndpoint) -> Port {
        Port { endpoint: Some(Arc::new(endpoint)), ..self }
    }

    /// The same; when another process has taken over, its connections are passed on under this
    /// name.
    #[must_use]
    pub(crate) fn passing(self, passing: Passing, name: PortName) -> Port {
        Port { passing, name: Some(name), ..self }
    }

    /// Serves until `stop` turns true or its sender is gone, then lets open requests end. Serves
    /// what comes of `passed` too. Once another process has taken over it accepts nothing more.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        stop: watch::Receiver<bool>,
        mut passed: mpsc::Receiver<PassedConnection>,
    ) {
        let (graceful, mut listener) = (GracefulShutdown::new(), Some(listener));
        let mut stopping = stop.clone();
        let mut stopped = pin!(stopping.wait_for(|stop| *stop));
        let mut handed_over = pin!(self.passing.begun());
        loop {
            let accepted = tokio::select! {
                _ = &mut stopped => break,
                () = &mut handed_over, if listener.is_some() => {
                    listener = None;
                    continue;
                }
                Some(connection) = passed.recv() => {
                    self.go_on(connection, &graceful, &stop);
                    continue;
                }
                accepted = accept(listener.as_ref()) => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.begin(stream, &graceful, &stop),
                Err(error) => self.recover(&error).await,
            }
            // The task of a connection that had to go closes it first.
            tokio::task::yield_now().await;
        }
        if listener.is_some() {
            let _ = timeout(HTTP_DRAIN, graceful.shutdown()).await;
            return;
        }
        // The other process answers on what is kept open. Here are requests with bodies that are
        // not read to their ends, perhaps even in the server before this one.
        let rest = async {
            while let Some(connection) = passed.recv().await {
                self.go_on(connection, &graceful, &stop);
            }
            graceful.shutdown().await;
        };
        let _ = timeout(HTTP_REQUEST_TIMEOUT, rest).await;
    }

    /// Starts serving a connection, if there is a place for it.
    fn begin(&self, stream: TcpStream, graceful: &GracefulShutdown, stop: &watch::Receiver<bool>) {
        let Some(place) = self.places.enter().map(Arc::new) else { return };
        let limit = u32::try_from(HTTP_WRITE_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
        // They fail on a socket that has ended, as the first read says then.
        let _ = set_tcp_user_timeout(&stream, limit);
        let _ = set_socket_send_buffer_size(&stream, HTTP_SEND_BUFFER);
        self.start((stream, Vec::new()), place, graceful.watcher(), stop.clone());
    }

    /// Goes on with a connection of the server before.
    fn go_on(
        &self,
        connection: PassedConnection,
        graceful: &GracefulShutdown,
        stop: &watch::Receiver<bool>,
    ) {
        let PassedConnection { owner, unread, socket, .. } = connection;
        let stream = socket.set_nonblocking(true).and_then(|()| TcpStream::from_std(socket));
        match stream {
            Ok(stream) => {
                let place = Arc::new(self.places.take_over(owner));
                self.start((stream, unread), place, graceful.watcher(), stop.clone());
            }
            Err(error) => tracing::warn!("an HTTP connection cannot be taken over: {error}"),
        }
    }

    fn start(
        &self,
        connection: (TcpStream, Vec<u8>),
        place: Arc<Place>,
        watcher: Watcher,
        stop: watch::Receiver<bool>,
    ) {
        let serve = self.clone().answer(connection, Arc::clone(&place), watcher, stop);
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
        connection: (TcpStream, Vec<u8>),
        place: Arc<Place>,
        watcher: Watcher,
        stop: watch::Receiver<bool>,
    ) {
        let (mut stream, mut unread) = connection;
        if let Some(endpoint) = &self.endpoint {
            let connection = PublishConnection::new(stream, unread, Arc::clone(&place));
            match connection.run(endpoint, stop.clone(), &self.passing).await {
                NextServer::Nobody => return,
                NextServer::General(socket, read) => (stream, unread) = (socket, read),
                NextServer::Successor(socket, read) => {
                    return self.pass_on(socket, read, &place).await;
                }
            }
        }
        let passing = self.passing.clone();
        let connection = GeneralConnection { stream, unread, place: Arc::clone(&place), passing };
        match connection.run(self.router.clone(), stop).await {
            Ok((socket, read)) => self.pass_on(socket, read, &place).await,
            Err(ended) => {
                drop(watcher);
                ended.linger().await;
            }
        }
    }

    /// The process that has taken over goes on with a connection.
    async fn pass_on(&self, stream: TcpStream, unread: Vec<u8>, place: &Place) {
        // It does not have to go for another one meanwhile.
        place.answer();
        let (Some(port), Ok(socket)) = (self.name.clone(), stream.into_std()) else { return };
        let owner = place.owner();
        self.passing.pass(PassedConnection { port, owner, unread, socket }).await;
    }
}

/// Without a listener nothing is accepted.
async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn deadline(request: Request, next: Next) -> Response {
    let late = |_| ApiError::late().into_response();
    if is_lines(content_type(request.headers())) {
        // A stream may take as long as something comes.
        return next.run(request).await;
    }
    timeout(HTTP_REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(late)
}

//! Serving one HTTP port: bounded connections, deadlines, an orderly end.

use std::io::Cursor;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, join};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::error::ApiError;
use super::media_type::is_lines;
use super::publish_connection::PublishConnection;
use super::publish_endpoint::PublishEndpoint;
use crate::limits::{HTTP_DRAIN, HTTP_HEADER_TIMEOUT, HTTP_REQUEST_TIMEOUT, MAX_HTTP_CONNECTIONS};

/// Serves until `stop` turns true or its sender is gone, then lets open requests end.
pub async fn serve(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) {
    serve_port(listener, Port { router, endpoint: None }, stop).await;
}

/// The same for the control port: plain publish requests are answered by `endpoint`, everything
/// else by `router`.
pub async fn serve_publishing(
    listener: TcpListener,
    router: Router,
    endpoint: PublishEndpoint,
    stop: watch::Receiver<bool>,
) {
    serve_port(listener, Port { router, endpoint: Some(Arc::new(endpoint)) }, stop).await;
}

/// What answers on a port.
#[derive(Clone)]
struct Port {
    router: Router,
    endpoint: Option<Arc<PublishEndpoint>>,
}

async fn serve_port(listener: TcpListener, mut port: Port, stop: watch::Receiver<bool>) {
    port.router = port.router.layer(from_fn(deadline));
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MAX_HTTP_CONNECTIONS));
    let mut stopped = stop.clone();
    let mut stopped = pin!(stopped.wait_for(|stop| *stop));
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, permit)) = accepted else {
            // Mostly the process is out of descriptors: accepting again at once would spin.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let connection = port.clone().serve(stream, graceful.watcher(), stop.clone());
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(HTTP_DRAIN, graceful.shutdown()).await;
}

impl Port {
    /// Serves one connection. The shutdown waits until `watcher` is dropped.
    async fn serve(self, stream: TcpStream, watcher: Watcher, stop: watch::Receiver<bool>) {
        let (stream, unread) = match self.endpoint {
            Some(endpoint) => match PublishConnection::new(stream).run(&endpoint, stop).await {
                Some(rest) => rest,
                None => return,
            },
            None => (stream, Vec::new()),
        };
        let (reader, writer) = stream.into_split();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HTTP_HEADER_TIMEOUT)
            .serve_connection(
                TokioIo::new(join(Cursor::new(unread).chain(reader), writer)),
                TowerToHyperService::new(self.router),
            );
        // An error here means that the peer closed early.
        let _ = watcher.watch(connection).await;
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!("an HTTP connection could not be accepted: {error}");
            None
        }
    }
}

async fn deadline(request: Request, next: Next) -> Response {
    let late = |_| ApiError::late().into_response();
    if is_lines(request.headers()) {
        // A stream may take as long as something comes.
        return next.run(request).await;
    }
    tokio::time::timeout(HTTP_REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(late)
}

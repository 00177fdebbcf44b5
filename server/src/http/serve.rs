//! Serving one HTTP port: bounded connections, deadlines, an orderly end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::error::ApiError;
use super::media_type::is_lines;
use crate::limits::{HTTP_DRAIN, HTTP_HEADER_TIMEOUT, HTTP_REQUEST_TIMEOUT, MAX_HTTP_CONNECTIONS};

/// Serves until `stop` turns true or its sender is gone, then lets open requests end.
pub async fn serve(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) {
    let router = router.layer(from_fn(deadline));
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MAX_HTTP_CONNECTIONS));
    let mut stopped = stop;
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
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HTTP_HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // An error here means that the peer closed early.
            let _ = connection.await;
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(HTTP_DRAIN, graceful.shutdown()).await;
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
    let late = |_| {
        let text = format!("The request took longer than {} s.", HTTP_REQUEST_TIMEOUT.as_secs());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", text).into_response()
    };
    if is_lines(request.headers()) {
        // A stream may take as long as something comes.
        return next.run(request).await;
    }
    tokio::time::timeout(HTTP_REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(late)
}

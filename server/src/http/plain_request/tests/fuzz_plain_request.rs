//! The body of the fuzz target of plain requests: see [`crate::tests::fuzz_server`].

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, duplex};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::{Unread, read};
use crate::http::rule_headers::RuleHeaders;
use crate::limits::MAX_PLAIN_REQUEST;

/// A request as hyper reads it.
type HyperRequest = (Method, Uri, HeaderMap, Bytes);

/// What a publisher sends first. A request that is read here is the one that hyper reads, and each
/// of its beginnings waits for the rest.
pub fn plain_request(data: &[u8]) {
    let Ok(request) = read(data) else { return };
    let length = request.length;
    assert!(length <= data.len() && request.body.len() <= length);
    let (method, uri, headers, body) = hyper_reads(&data[..length]).expect("hyper reads it");
    let target = (request.path, request.query);
    assert_eq!((method, (uri.path(), uri.query())), (Method::POST, target));
    assert_eq!(RuleHeaders::of(&headers), request.headers);
    assert_eq!(body, request.body);
    let most = length.min(MAX_PLAIN_REQUEST);
    for end in (0..most).step_by(1 + most / 256) {
        assert!(matches!(read(&data[..end]), Err(Unread::Partial { .. })), "{end} of {length}");
    }
}

fn hyper_reads(bytes: &[u8]) -> Option<HyperRequest> {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (mut client, server) = duplex(bytes.len() + 1);
        client.write_all(bytes).await.expect("there is room");
        let (sender, mut receiver) = mpsc::channel(1);
        let service = service_fn(move |request: Request<Incoming>| {
            let sender = sender.clone();
            async move {
                let (head, body) = request.into_parts();
                if let Ok(body) = body.collect().await {
                    let read = (head.method, head.uri, head.headers, body.to_bytes());
                    let _ = sender.send(read).await;
                }
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
        tokio::select! {
            biased;
            read = receiver.recv() => read,
            _ = connection => None,
        }
    })
}

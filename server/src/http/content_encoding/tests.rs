use async_compression::Level;
use async_compression::tokio::bufread::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use async_compression::zstd::CParameter;
use axum::Router;
use axum::body::to_bytes;
use axum::middleware::from_fn;
use axum::routing::post;
use tokio::io::AsyncReadExt;
use tower::ServiceExt;

use super::*;
use crate::http::request_body::BodyBudget;

/// What the router under test reads of a body.
const LIMIT: usize = 100_000;

/// Answers with the body that a handler sees.
fn echo() -> Router {
    let handler = |request: Request| async {
        let share = BodyBudget::new(None).share("");
        share.read(request.into_body(), LIMIT).await.map(|body| body.bytes)
    };
    Router::new().route("/", post(handler)).layer(from_fn(decode))
}

async fn send(encodings: &[&str], body: impl Into<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method("POST").uri("/");
    for encoding in encodings {
        request = request.header("content-encoding", *encoding);
    }
    let response = echo().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    (head.status, head.headers, to_bytes(body, usize::MAX).await.unwrap().into())
}

async fn read(mut encoder: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoder.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// A text in every encoding that is accepted.
async fn encoded(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let gzip = read(GzipEncoder::new(text)).await;
    vec![
        ("x-gzip", gzip.clone()),
        ("gzip", gzip),
        ("Deflate", read(ZlibEncoder::new(text)).await),
        ("br", read(BrotliEncoder::new(text)).await),
        ("zstd", read(ZstdEncoder::new(text)).await),
    ]
}

#[tokio::test]
async fn a_compressed_body_is_read_as_what_was_compressed() {
    let text = b"{\"channel\":\"a\"}".repeat(1_000);
    for (encoding, body) in encoded(&text).await {
        let (status, _, seen) = send(&[encoding], body).await;
        assert_eq!((status, &seen), (StatusCode::OK, &text), "{encoding}");
    }
    for plain in [&[][..], &["identity"], &[""]] {
        assert_eq!(send(plain, "as it is").await.2, b"as it is", "{plain:?}");
    }
    let members =
        [read(GzipEncoder::new(&b"a"[..])).await, read(GzipEncoder::new(&b"b"[..])).await];
    assert_eq!(send(&["gzip"], members.concat()).await.2, b"ab");
}

#[tokio::test]
async fn a_body_that_grows_over_the_limit_is_refused_however_small_it_came() {
    for (encoding, body) in encoded(&vec![b' '; 100 * LIMIT]).await {
        assert!(body.len() < LIMIT, "{encoding}: the limit must be met behind the decoder");
        assert_eq!(send(&[encoding], body).await.0, StatusCode::PAYLOAD_TOO_LARGE, "{encoding}");
    }
}

#[tokio::test]
async fn a_frame_that_asks_for_a_large_window_is_refused() {
    let text = vec![b' '; 1_000];
    let window = [CParameter::window_log(ZSTD_WINDOW_LOG + 1)];
    let encoder = ZstdEncoder::with_quality_and_params(&text[..], Level::Default, &window);
    assert_eq!(send(&["zstd"], read(encoder).await).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_not_as_its_encoding_says_is_a_bad_request() {
    for (encoding, mut body) in encoded(b"some text").await {
        assert_eq!(send(&[encoding], "some text").await.0, StatusCode::BAD_REQUEST, "{encoding}");
        body.truncate(body.len() / 2);
        assert_eq!(send(&[encoding], body).await.0, StatusCode::BAD_REQUEST, "{encoding}");
    }
}

#[tokio::test]
async fn another_encoding_is_told_which_are_accepted() {
    for encodings in [&["compress"][..], &["gzip, br"], &["gzip", "gzip"], &["aes128gcm"]] {
        let (status, headers, body) = send(encodings, "x").await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encodings:?}");
        assert_eq!(headers["accept-encoding"], ACCEPTED);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "unsupported_encoding");
    }
}

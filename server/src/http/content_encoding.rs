//! Compressed bodies of requests: RFC 9110, 8.4. What reads a body behind this sees what was
//! compressed, and bounds that.

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

use super::error::ApiError;
use crate::limits::ZSTD_WINDOW_LOG;

/// What is accepted, as `Accept-Encoding` says it.
const ACCEPTED: &str = "gzip, deflate, br, zstd";

#[derive(Clone, Copy)]
enum Encoding {
    Gzip,
    /// The zlib format, not the bare deflate that its name promises: RFC 9110, 8.4.1.2.
    Deflate,
    Brotli,
    Zstd,
}

/// Decompresses the body of a request as it is read. One in another encoding is answered with 415.
pub(super) async fn decode(mut request: Request, next: Next) -> Response {
    let encoding = match encoding(request.headers()) {
        Ok(Some(encoding)) => encoding,
        Ok(None) => return next.run(request).await,
        Err(error) => {
            let mut response = error.into_response();
            let accepted = HeaderValue::from_static(ACCEPTED);
            response.headers_mut().insert(header::ACCEPT_ENCODING, accepted);
            return response;
        }
    };
    let headers = request.headers_mut();
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    next.run(request.map(|body| decoded(encoding, body))).await
}

/// The encoding of a body; `None` for one that is as it is.
fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, ApiError> {
    let mut lines = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let name = line.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        _ if lines.next().is_some() => {}
        "" | "identity" => return Ok(None),
        "gzip" | "x-gzip" => return Ok(Some(Encoding::Gzip)),
        "deflate" => return Ok(Some(Encoding::Deflate)),
        "br" => return Ok(Some(Encoding::Brotli)),
        "zstd" => return Ok(Some(Encoding::Zstd)),
        _ => {}
    }
    let text = format!("The Content-Encoding of a body may be one of {ACCEPTED}.");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", text))
}

fn decoded(encoding: Encoding, body: Body) -> Body {
    let body = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    let decoder: Pin<Box<dyn AsyncRead + Send>> = match encoding {
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(body);
            // A file that several were appended to: RFC 1952, 2.2.
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Encoding::Deflate => Box::pin(ZlibDecoder::new(body)),
        Encoding::Brotli => Box::pin(BrotliDecoder::new(body)),
        Encoding::Zstd => {
            let window = DParameter::window_log_max(ZSTD_WINDOW_LOG);
            Box::pin(ZstdDecoder::with_params(body, &[window]))
        }
    };
    Body::from_stream(ReaderStream::new(decoder))
}

#[cfg(test)]
mod tests;

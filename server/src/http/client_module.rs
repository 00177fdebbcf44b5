//! `GET /client/FILE`: the JavaScript client, as a page may import it.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

macro_rules! files {
    ($($name:literal)+) => {
        [$(($name, include_str!(concat!("../../../clients/javascript/src/", $name)))),+]
    };
}

/// The files of the module, by the names under which they import each other.
const FILES: [(&str, &str); 6] =
    files!["uringcast.js" "tabs.js" "stream.js" "advice.js" "places.js" "subscription.js"];

pub(super) async fn file(Path(name): Path<String>) -> Result<Response, ApiError> {
    let found = FILES.iter().find(|(file, _)| *file == name);
    let none = || ApiError::not_found("not_found", "No such file of the client.");
    let (_, text) = found.ok_or_else(none)?;
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Pages of other origins may import it: it is public, and says nothing of this server.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    Ok((headers, *text).into_response())
}

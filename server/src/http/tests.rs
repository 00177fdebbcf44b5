//! The parts that need no engine: which requests are accepted, the form of errors, how a port
//! closes.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::routing::get;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

use super::*;
use crate::settings::value::{ApiKey, Secret, Value as _};

const KEY: &str = "0123456789abcdef";

fn small(key: Option<&str>) -> Router {
    let keys = key.map(|key| ApiKey::sole(&Secret::parse(key).unwrap())).into_iter().collect();
    let router = Router::new().route("/x", get(|| async { "in" }));
    with_json_errors(guard(router, ApiKeys::new(keys).unwrap(), None))
}

async fn ask(router: Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let text = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer { status, json: serde_json::from_slice(&text).unwrap_or_default() }
}

struct Answer {
    status: StatusCode,
    json: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }
}

#[tokio::test]
async fn the_key_opens_in_either_header_and_nothing_else_does() {
    for (headers, status) in [
        (vec![("authorization", "Bearer 0123456789abcdef")], StatusCode::OK),
        (vec![("authorization", "bearer 0123456789abcdef")], StatusCode::OK),
        (vec![("x-api-key", KEY)], StatusCode::OK),
        (vec![], StatusCode::UNAUTHORIZED),
        (vec![("x-api-key", "0123456789abcdeg")], StatusCode::UNAUTHORIZED),
        (vec![("x-api-key", "0123456789abcde")], StatusCode::UNAUTHORIZED),
        (vec![("x-api-key", "")], StatusCode::UNAUTHORIZED),
        (vec![("authorization", "Basic 0123456789abcdef")], StatusCode::UNAUTHORIZED),
        (vec![("authorization", KEY)], StatusCode::UNAUTHORIZED),
    ] {
        let answer = ask(small(Some(KEY)), Method::GET, "/x", &headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        if status == StatusCode::UNAUTHORIZED {
            assert_eq!(answer.code(), "unauthorized");
            assert!(!answer.json.to_string().contains(KEY));
        }
    }
    assert_eq!(ask(small(None), Method::GET, "/x", &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_text_in_path_or_query_is_refused_on_every_port() {
    for path in ["/x?channel=%E4", "/x?channel=%ff", "/x?a=%C3%28", "/%E4", "/y?%F6"] {
        let answer = ask(small(None), Method::GET, path, &[]).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "bad_request"));
    }
    assert_eq!(ask(small(None), Method::GET, "/x?a=%C3%A4%", &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn of_two_keys_none_is_taken() {
    for name in ["authorization", "x-api-key", "content-type"] {
        let headers = [("x-api-key", KEY), (name, "Bearer 0123456789abcdef"), (name, "x")];
        let answer = ask(small(Some(KEY)), Method::GET, "/x", &headers).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "bad_request"));
    }
}

#[tokio::test]
async fn web_pages_are_refused_with_and_without_a_key() {
    for key in [None, Some(KEY)] {
        let headers = [("origin", "https://elsewhere.example"), ("x-api-key", KEY)];
        let answer = ask(small(key), Method::GET, "/x", &headers).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "browser_origin"));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_in_json() {
    let answer = ask(small(None), Method::GET, "/y", &[]).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_found"));
    let answer = ask(small(None), Method::PUT, "/x", &[]).await;
    let expected = (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    assert_eq!((answer.status, answer.code()), expected);
}

#[tokio::test]
async fn saturation_says_when_to_come_back() {
    let error = ApiError::unavailable("saturated", "full")
        .retry_after(std::time::Duration::from_millis(50))
        .with("results", json!([{"channel": "a", "seq": 1}]));
    let response = error.into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    let text = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(
        body,
        json!({
            "error": {"code": "saturated", "message": "full", "retry_after": 0.05},
            "results": [{"channel": "a", "seq": 1}],
        })
    );
}

#[tokio::test]
async fn a_port_answers_until_stopped_and_lets_open_requests_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let (entered, mut inside) = watch::channel(false);
    let (go_on, may_go) = watch::channel(false);
    let slow = move || async move {
        let _ = entered.send(true);
        let _ = may_go.clone().wait_for(|go| *go).await;
        "done"
    };
    let router = Router::new().route("/slow", get(slow));
    let served = tokio::spawn(serve(listener, router, stopped));

    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    inside.wait_for(|inside| *inside).await.unwrap();
    stop.send(true).unwrap();
    go_on.send(true).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done"), "{answer}");
    served.await.unwrap();
    TcpStream::connect(address).await.unwrap_err();
}

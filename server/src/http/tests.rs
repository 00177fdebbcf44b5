//! The parts that need no engine: which requests are accepted, the form of errors, how a port
//! closes.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::routing::{any, get};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

use super::*;
use crate::settings::value::{ApiKey, Secret, Value as _};

const KEY: &str = "0123456789abcdef";

fn small(key: Option<&str>) -> Router {
    let keys = key.map(|key| ApiKey::sole(&Secret::parse(key).unwrap())).into_iter().collect();
    let router = Router::new().route("/x", any(|| async { "in" }));
    let guard = ApiKeyGuard { keys: ApiKeys::new(keys).unwrap(), requests: None };
    with_json_errors(router.route_layer(from_fn_with_state(guard, api_key_guard::check)))
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
async fn another_site_s_page_changes_nothing_without_an_origin_either() {
    let json = ("content-type", "application/json");
    let keyed = ("x-api-key", KEY);
    for (site, forbidden) in
        [("cross-site", true), ("same-site", true), ("same-origin", false), ("none", false)]
    {
        for (method, may) in [(Method::POST, !forbidden), (Method::GET, true)] {
            let headers = [("sec-fetch-site", site), json, keyed];
            let answer = ask(small(Some(KEY)), method.clone(), "/x", &headers).await;
            assert_eq!(answer.status == StatusCode::OK, may, "{method} {site}");
            assert_eq!(answer.code() == "browser_origin", !may, "{method} {site}");
        }
    }
}

#[tokio::test]
async fn a_body_must_be_called_json() {
    for (media, status) in [
        (Some("application/json"), StatusCode::OK),
        (Some("Application/JSON; charset=utf-8"), StatusCode::OK),
        (Some("application/x-ndjson"), StatusCode::OK),
        (Some("application/problem+json"), StatusCode::OK),
        (Some("text/plain"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("text/plain;application/json"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("application/x-www-form-urlencoded"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (None, StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let media_type = media.iter().map(|media| ("content-type", *media));
        let headers: Vec<_> = media_type.chain([("content-length", "2")]).collect();
        let answer = ask(small(None), Method::POST, "/x", &headers).await;
        assert_eq!(answer.status, status, "{media:?}");
    }
    for method in [Method::DELETE, Method::POST] {
        // A handler says what is missing.
        assert_eq!(ask(small(None), method, "/x", &[]).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_local_metrics_port_answers_to_no_name() {
    for (is_local, host, status) in [
        (true, "127.0.0.1:9090", StatusCode::OK),
        (true, "localhost:9090", StatusCode::OK),
        (true, "evil.example:9090", StatusCode::FORBIDDEN),
        (false, "uringcast.example:9090", StatusCode::OK),
    ] {
        let router = Router::new().route("/metrics", get(|| async { "in" }));
        let router = router.route_layer(from_fn_with_state(is_local, csrf::check_host));
        let answer = ask(router, Method::GET, "/metrics", &[("host", host)]).await;
        assert_eq!(answer.status, status, "{host}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_in_json() {
    let answer = ask(small(None), Method::GET, "/y", &[]).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_found"));
    let router = with_json_errors(Router::new().route("/x", get(|| async { "in" })));
    let answer = ask(router, Method::PUT, "/x", &[]).await;
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
    let (_, passed) = mpsc::channel(1);
    let served = tokio::spawn(Port::new(router, 8, None).serve(listener, stopped, passed));

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

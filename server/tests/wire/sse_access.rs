//! Who may have a stream of Server-Sent Events: tokens, permissions, origins, TLS.

use crate::support::sse::Stream;
use crate::support::{Server, tls, until};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

const ERRORS: &str = "websocket_connection_errors_total";
const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

fn server(flags: &str) -> Server {
    Server::start(&format!("--jwt-secret {SECRET} --subscribe-permission vip:*=gold {flags}"))
}

fn token(permissions: &[&str], seconds: u64) -> String {
    let exp = get_current_timestamp() + seconds;
    let claims = json!({"user_id": "u1", "permissions": permissions, "exp": exp});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().expect("a code")
}

#[test]
fn a_stream_needs_the_token_and_the_permissions_of_a_websocket() {
    let server = server("--auth-enabled true --shards 2");
    let stream = Stream::ask(&server, "channel=a", "");
    assert_eq!(stream.header("WWW-Authenticate"), Some("Bearer"));
    let (status, body) = stream.refused();
    assert_eq!((status, code(&body)), (401, "unauthorized"), "{body}");
    for headers in [bearer("x.y.z"), bearer(&token(&[], 0))] {
        let (status, body) = Stream::ask(&server, "channel=a", &headers).refused();
        assert_eq!((status, code(&body)), (401, "unauthorized"), "{body}");
    }
    server.wait_metric(ERRORS, "\"auth_required\"", 1.0);
    server.wait_metric(ERRORS, "\"auth_failed\"", 2.0);

    let plain = token(&[], 600);
    let mut stream = Stream::ask(&server, "channel=a", &bearer(&plain));
    assert_eq!(stream.confirmed()[0]["channel"], "a");
    let mut stream = Stream::ask(&server, &format!("token={plain}&channel=a"), "");
    stream.confirmed();
    let two = Stream::ask(&server, &format!("channel=a&token={plain}&token={plain}"), "");
    assert_eq!(two.status(), 400);

    let (status, body) = Stream::ask(&server, "channel=a&channel=vip:1", &bearer(&plain)).refused();
    assert_eq!((status, code(&body)), (403, "forbidden"), "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains("vip:1")), "{body}");
    server.wait_metric("websocket_message_errors_total", "\"forbidden\"", 1.0);
    let mut gold = Stream::ask(&server, "channel=a&channel=vip:1", &bearer(&token(&["gold"], 600)));
    assert_eq!(gold.confirmed().len(), 2);
    server.publish("vip:1", "{}");
    assert_eq!(gold.message()["room"], "vip:1");
}

#[test]
fn where_tokens_are_optional_a_bad_one_is_refused_and_none_is_not() {
    let server = server("--auth-enabled optional");
    Stream::open(&server, "channel=a");
    assert_eq!(Stream::ask(&server, "channel=vip:1", "").refused().0, 403);
    assert_eq!(Stream::ask(&server, "channel=a", &bearer("x.y.z")).refused().0, 401);
}

#[test]
fn a_stream_ends_with_its_token() {
    let server = server("--auth-enabled true");
    let mut stream = Stream::ask(&server, "channel=a", &bearer(&token(&[], 2)));
    stream.confirmed();
    let (code, reason, _) = stream.closed();
    assert_eq!((code, &*reason), (4201, "Token expired"));
}

#[test]
fn a_page_of_an_allowed_origin_may_read_its_stream_and_no_other() {
    let server = server("--auth-enabled true --allowed-origin https://page.example");
    let of = |origin: &str, token: &str| {
        Stream::ask(&server, "channel=a", &format!("Origin: {origin}\r\n{}", bearer(token)))
    };
    let allowed = |stream: &Stream| {
        let header = |name: &str| stream.header(name).unwrap_or_default().to_owned();
        (header("Access-Control-Allow-Origin"), header("Access-Control-Allow-Credentials"))
    };
    let page = ("https://page.example".to_owned(), "true".to_owned());
    let mut stream = of("https://page.example", &token(&[], 600));
    assert_eq!((allowed(&stream), stream.header("Vary")), (page.clone(), Some("Origin")));
    stream.confirmed();
    let refused = of("https://page.example", "x.y.z");
    assert_eq!((refused.status(), allowed(&refused)), (401, page), "it may read why not");
    let foreign = of("https://evil.example", &token(&[], 600));
    assert_eq!((foreign.status(), allowed(&foreign)), (403, Default::default()));
    server.wait_metric(ERRORS, "\"origin\"", 1.0);
}

#[test]
fn a_browser_may_ask_before_it_sends_the_token_in_a_header() {
    let server = server("--auth-enabled true --allowed-origin https://page.example");
    let ask = |origin: &str, path: &str| {
        let request = format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: GET\r\n\
             Access-Control-Request-Headers: authorization\r\n\r\n",
            server.clients[0]
        );
        let stream = std::net::TcpStream::connect(server.clients[0]).expect("connected");
        Stream::send(stream, &request)
    };
    let told = ask("https://page.example", "/v1/sse?channel=a");
    assert_eq!(told.status(), 204);
    for (field, value) in [
        ("Access-Control-Allow-Origin", "https://page.example"),
        ("Access-Control-Allow-Methods", "GET"),
        ("Access-Control-Allow-Headers", "Authorization, Last-Event-ID"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Max-Age", "600"),
        ("Vary", "Origin"),
    ] {
        assert_eq!(told.header(field), Some(value), "{field}");
    }
    let foreign = ask("https://evil.example", "/v1/sse?channel=a");
    let allowed = foreign.header("Access-Control-Allow-Origin");
    assert_eq!((foreign.status(), allowed), (403, None));
    server.wait_metric(ERRORS, "\"origin\"", 1.0);
    assert_eq!(ask("https://page.example", "/elsewhere").status(), 405);
}

#[test]
fn a_stream_over_tls_is_the_same() {
    for version in [&TLS12, &TLS13] {
        let server = Server::start("--auto-cert --shards 2");
        let config = tls::config(&server, version, None);
        let mut one = Stream::ask_over(&server, &config, "channel=a");
        let mut two = Stream::ask_over(&server, &config, "channel=a&channel=b");
        assert_eq!((one.confirmed().len(), two.confirmed().len()), (1, 2));
        for n in 1..=3 {
            server.publish("a", &json!({"pad": "x".repeat(20_000)}).to_string());
            server.publish("b", "{}");
            assert_eq!(one.message()["seq"], n);
            assert_eq!(
                (&two.message()["room"], &two.message()["room"]),
                (&json!("a"), &json!("b"))
            );
        }
        drop((one, two));
        until("no connection", || {
            let answer = crate::support::http::get(server.control, "/v1/connections").body;
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            answer["connections"].as_array().expect("a list").is_empty().then_some(())
        });
        server.terminate();
        assert_eq!(server.ended().code(), Some(0));
    }
}

use super::*;

#[test]
fn a_stream_begins_with_when_to_come_again() {
    let text = String::from_utf8(head(Some("https://page.example"), 1_500)).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    for line in [
        "HTTP/1.1 200 OK",
        "Content-Type: text/event-stream",
        "Cache-Control: no-store, no-transform",
        "X-Accel-Buffering: no",
        "Transfer-Encoding: chunked",
        "Access-Control-Allow-Origin: https://page.example",
        "Access-Control-Allow-Credentials: true",
        "Vary: Origin",
    ] {
        assert!(head.lines().any(|other| other == line), "{line}: {head}");
    }
    assert_eq!(body, "d\r\nretry: 1500\n\n\r\n");
    let text = String::from_utf8(super::head(None, 1)).unwrap();
    assert!(!text.contains("Access-Control") && !text.contains("Vary"), "{text}");
}

#[test]
fn a_refusal_is_json_that_its_page_may_read() {
    let refusal = |status| Refusal { status, code: "word", message: "a \"text\"".into() };
    let response =
        |status| String::from_utf8(refusal(status).response(Some("https://page.example"))).unwrap();
    let text = response(StatusCode::UNAUTHORIZED);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n"), "{head}");
    assert!(head.contains("\r\nWWW-Authenticate: Bearer\r\n"), "{head}");
    assert!(head.contains("\r\nAccess-Control-Allow-Origin: https://page.example\r\n"), "{head}");
    assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(value, serde_json::json!({"error": {"code": "word", "message": "a \"text\""}}));
    assert!(response(StatusCode::SERVICE_UNAVAILABLE).contains("\r\nRetry-After: 1\r\n"));
}

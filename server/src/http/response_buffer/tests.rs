use super::*;
use crate::http::published::{MessageResult, Results};

/// The lines of a response, without its date.
async fn lines(answer: Result<Published, ApiError>, last: bool) -> Vec<String> {
    let mut buffer = ResponseBuffer::default();
    let text = String::from_utf8(buffer.encode(answer, last).await.to_vec()).unwrap();
    let (dates, lines): (Vec<_>, Vec<_>) =
        text.split("\r\n").map(String::from).partition(|line| line.starts_with("date: "));
    let [date] = &dates[..] else { panic!("one date: {text}") };
    httpdate::parse_http_date(&date["date: ".len()..]).unwrap();
    lines
}

#[tokio::test]
async fn an_answer_has_its_status_its_headers_and_its_body() {
    let result =
        MessageResult { channel: "c", duplicate: None, epoch: None, error: None, seq: Some(7) };
    let published = Published::new(&Results { results: &[result] });
    let body = r#"{"results":[{"channel":"c","seq":7}]}"#;
    let length = format!("content-length: {}", body.len());
    let expected = ["HTTP/1.1 202 Accepted", "content-type: application/json", &length, "", body];
    assert_eq!(lines(Ok(published), false).await, expected);
}

#[tokio::test]
async fn an_error_has_the_headers_that_it_has_elsewhere() {
    let error = ApiError::saturated("full");
    let lines = lines(Err(error), true).await;
    let head = ["HTTP/1.1 503 Service Unavailable", "content-type: application/json"];
    assert_eq!(lines[..2], head);
    assert!(lines.contains(&"retry-after: 1".into()), "{lines:?}");
    assert!(lines.contains(&"connection: close".into()), "{lines:?}");
    let body = lines.last().unwrap();
    assert!(lines.contains(&format!("content-length: {}", body.len())), "{lines:?}");
    assert!(body.contains(r#""code":"saturated""#), "{body}");
}

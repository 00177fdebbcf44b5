use super::*;

const BODY: &str = r#"{"channel":"c","event":"e"}"#;

fn request(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

fn publish(headers: &str) -> String {
    request("POST /v1/publish", headers, BODY)
}

#[test]
fn a_publish_request_is_read_with_its_headers_and_its_body() {
    let named = "POST /v1/services/chat/publish/raw?channel=c&event=e";
    for (line, form, service) in [
        ("POST /v1/publish", Form::Envelope, None),
        ("POST /v1/publish/raw?channel=c&event=e", Form::Raw, None),
        ("POST /v1/services/chat/publish", Form::Envelope, Some("chat")),
        (named, Form::Raw, Some("chat")),
    ] {
        let one = request(line, "X-API-Key: k\r\nConnection: Keep-Alive\r\n", BODY);
        let two = format!("{one}{one}");
        let read = read(two.as_bytes()).unwrap_or_else(|why| panic!("{why:?}: {one}"));
        assert_eq!((read.form, read.service, read.length), (form, service, one.len()));
        assert_eq!(read.body, BODY.as_bytes());
        assert_eq!(read.headers.api_key.bytes(), Some(&b"k"[..]));
        assert_eq!(read.query, line.split_once('?').map(|(_, query)| query));
    }
}

#[test]
fn every_header_of_a_rule_is_found_in_any_case() {
    let text = publish(
        "hOST: 1\r\noRIGIN: 2\r\nsEC-FETCH-SITE: 3\r\naUTHORIZATION: 4\r\nx-API-key: 5\r\n\
         cONTENT-TYPE: 6\r\niDEMPOTENCY-KEY: 7\r\nx-others: 8\r\nsixteen-letters-: 9\r\n",
    );
    let headers = read(text.as_bytes()).unwrap().headers;
    let RuleHeaders { origin, fetch_site, authorization, api_key, content_type, .. } = headers;
    let given = [origin, fetch_site, authorization, api_key, content_type, headers.idempotency_key];
    assert_eq!(given.map(|given| given.text().unwrap()), ["2", "3", "4", "5", "6", "7"]);
    assert!(headers.host.is_repeated() && headers.content_length.is_given());
}

#[test]
fn every_beginning_of_a_request_is_partial() {
    let text = publish("");
    for end in 0..text.len() {
        let has_head = end >= text.len() - BODY.len();
        let unread = read(&text.as_bytes()[..end]).unwrap_err();
        assert_eq!(unread, Unread::Partial { has_head }, "{}", &text[..end]);
    }
}

#[test]
fn what_hyper_must_decide_on_is_not_plain() {
    let many: String = (0..MAX_PLAIN_HEADERS).map(|n| format!("x-{n}: y\r\n")).collect();
    let twice = format!("Content-Length: {}\r\n", BODY.len());
    for text in [
        request("GET /v1/publish", "", ""),
        request("POST /v1/channels", "", BODY),
        request("POST /v1/publish/", "", BODY),
        request("POST /v1/services//publish", "", BODY),
        request("POST /v1/services/a%62/publish", "", BODY),
        request("POST http://a/v1/publish", "", BODY),
        request("POST /v1/publish?a#b", "", BODY),
        request("POST /v1/publish?a={}", "", BODY),
        request("POST /v1/publish?é", "", BODY),
        request("POST /v1/publish?%ff", "", BODY),
        publish("").replace("HTTP/1.1", "HTTP/1.0"),
        publish("").replace("Content-Length", "X-Length"),
        publish("").replace("Content-Length: ", "Content-Length: +"),
        publish("").replace("Content-Length: ", "Content-Length:  0x"),
        publish("").replace(&twice, "Content-Length:\r\n"),
        publish("").replace(&twice, "Content-Length: 99999999999999999999999\r\n"),
        publish("").replace(&twice, &format!("Content-Length: {}\r\n", usize::MAX)),
        publish("").replace(&twice, &format!("Content-Length: {MAX_PLAIN_REQUEST}\r\n")),
        publish(&twice),
        publish(&many),
        publish("Transfer-Encoding: chunked\r\n"),
        publish("Content-Encoding: gzip\r\n"),
        publish("Expect: 100-continue\r\n"),
        publish("Upgrade: h2c\r\n"),
        publish("TE: trailers\r\n"),
        publish("Connection: close\r\n"),
        publish("Connection: keep-alive\r\nConnection: close\r\n"),
        publish("Content-Type: application/x-ndjson\r\n"),
        publish("Bad Name: x\r\n"),
        publish(" folded: x\r\n"),
        format!("POST /v1/publish HTTP/1.1\r\nx: {}", "y".repeat(MAX_PLAIN_REQUEST)),
        "\0".into(),
    ] {
        assert_eq!(read(text.as_bytes()).err(), Some(Unread::Other), "{text}");
    }
}

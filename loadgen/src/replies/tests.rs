use super::*;

#[test]
fn pipelined_answers_belong_to_the_requests_in_order() {
    let mut replies = HttpReplies::new("localhost", "");
    for sequence in [5, 6, 7] {
        replies.request(sequence, "/", "", &mut Vec::new());
    }
    let bytes = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}\
        HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy\
        HTTP/1.1 204 No Content\r\n\r\n";
    let mut outcomes = Vec::new();
    for byte in bytes {
        replies.receive(&[*byte], &mut |outcome| outcomes.push(outcome)).unwrap();
    }
    let refused = Outcome::Refused { sequence: Some(6), code: "HTTP 503".into() };
    assert_eq!(outcomes, [Outcome::Accepted, refused, Outcome::Accepted]);
}

#[test]
fn a_refusal_is_traced_to_its_message() {
    let busy = br#"{"type":"error","correlation_id":"4","event":"publish","error_code":"BUSY"}"#;
    let refused = Outcome::Refused { sequence: Some(4), code: "BUSY".into() };
    assert_eq!(answer(busy), Some(refused));
    let ack = br#"{"type":"response","event":"publish","data":{"status":"published"}}"#;
    assert_eq!(answer(ack), Some(Outcome::Accepted));
    assert_eq!(answer(br#"{"type":"event","event":"session.created"}"#), None);
}

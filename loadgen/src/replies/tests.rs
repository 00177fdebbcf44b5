use super::*;
use crate::schedule::Arrivals;

const SCHEDULE: Schedule = Schedule {
    rate: 1.0,
    length: std::time::Duration::from_secs(1),
    publishers: 1,
    channels: 3,
    arrivals: Arrivals::Constant,
    seed: 0,
};

#[test]
fn pipelined_answers_belong_to_the_requests_in_order() {
    let mut replies = HttpReplies::new("localhost", None);
    for channel in [5, 6, 7].map(Channel) {
        replies.request(channel, "", &mut Vec::new());
    }
    let bytes = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}\
        HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy\
        HTTP/1.1 204 No Content\r\n\r\n";
    let mut outcomes = Vec::new();
    for byte in bytes {
        replies.receive(&[*byte], &mut |outcome| outcomes.push(outcome)).unwrap();
    }
    let refused = Outcome::Refused { channel: Some(Channel(6)), code: "HTTP 503".into() };
    assert_eq!(outcomes, [Outcome::Accepted, refused, Outcome::Accepted]);
}

#[test]
fn a_refusal_is_traced_to_its_channel() {
    let busy = br#"{"type":"error","correlation_id":"4","event":"publish","error_code":"BUSY"}"#;
    let refused = Outcome::Refused { channel: Some(Channel(1)), code: "BUSY".into() };
    assert_eq!(answer(busy, &SCHEDULE, PublisherId(0)), Some(refused));
    let ack = br#"{"type":"response","event":"publish","data":{"status":"published"}}"#;
    assert_eq!(answer(ack, &SCHEDULE, PublisherId(0)), Some(Outcome::Accepted));
    assert_eq!(
        answer(br#"{"type":"event","event":"session.created"}"#, &SCHEDULE, PublisherId(0)),
        None
    );
}

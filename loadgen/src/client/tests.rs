use super::*;

const CONFIRMATION: &str = r#"{"id":"x","correlation_id":"subscribe","type":"response",
    "event":"subscribe","data":{"status":"subscribed"},"error_code":null}"#;

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..126 => bytes.push(short as u8),
        long => {
            bytes.push(126);
            bytes.extend((long as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

fn upgrade_response(client: &Client) -> Vec<u8> {
    client.expected_response().into()
}

fn endpoint() -> Endpoint {
    Endpoint {
        url: "ws://localhost/p?q".into(),
        addresses: vec![([127, 0, 0, 1], 80).into()],
        host: "localhost".into(),
        path: "/p?q".into(),
        tls: None,
    }
}

fn subscriber(out: &mut Vec<u8>) -> Client {
    let channels = vec![Subscription { channel: "bench:0".into(), since: None }];
    Client::start(Intent::Subscribe(channels), &endpoint(), "X-A: b\r\n", out)
}

/// Feeds `bytes` one at a time: every split is met.
fn drip(client: &mut Client, bytes: &[u8], out: &mut Vec<u8>) -> Result<Vec<String>, Fault> {
    let mut events = Vec::new();
    for byte in bytes {
        client.receive(&[*byte], out, |event| events.push(format!("{event:?}")))?;
    }
    Ok(events)
}

#[test]
fn a_subscriber_is_ready_after_its_confirmation_and_not_before() {
    let mut out = Vec::new();
    let mut client = subscriber(&mut out);
    assert!(out.starts_with(b"GET /p?q HTTP/1.1\r\nHost: localhost\r\n"));
    assert!(out.ends_with(b"\r\nX-A: b\r\n\r\n"));
    out.clear();
    let mut bytes = upgrade_response(&client);
    bytes.extend(frame(1, br#"{"type":"event","event":"session.created"}"#));
    let before = drip(&mut client, &bytes, &mut out).unwrap();
    assert_eq!((&*before[0], before.len()), ("Upgraded", 2), "and the welcome");
    assert_eq!(out[0], 0x81, "the subscribe request follows the upgrade");
    let bytes = [frame(1, CONFIRMATION.as_bytes()), frame(1, b"hello")].concat();
    let events = drip(&mut client, &bytes, &mut out).unwrap();
    assert!(events[0].contains("Confirmed") && events.len() == 3, "{events:?}");
    assert_eq!(events[1..], ["Ready", &format!("{:?}", Event::Text(b"hello", 5))]);
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let mut out = Vec::new();
    let mut client = Client::start(Intent::Publish, &endpoint(), "", &mut out);
    let mut bytes = upgrade_response(&client);
    bytes.extend(frame(9, b"beat"));
    out.clear();
    assert_eq!(drip(&mut client, &bytes, &mut out).unwrap(), ["Upgraded", "Ready"]);
    assert_eq!((out[0], out[1], out.len()), (0x8a, 0x84, 10));
    let unmasked: Vec<u8> = (0..4).map(|i| out[6 + i] ^ out[2 + i]).collect();
    assert_eq!(unmasked, b"beat");
}

#[test]
fn each_way_to_be_turned_away_has_its_fault() {
    let mut out = Vec::new();
    let refusal =
        subscriber(&mut out).receive(b"HTTP/1.1 426 Upgrade Required\r\n\r\n", &mut out, |_| {});
    assert_eq!(refusal, Err(Fault::Upgrade(UpgradeError("HTTP 426 Upgrade Required".into()))));

    let wrong = b"HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: AAAA\r\n\r\n";
    let refusal = subscriber(&mut out).receive(wrong, &mut out, |_| {});
    assert_eq!(refusal, Err(Fault::Upgrade(UpgradeError("a wrong accept key".into()))));

    let mut client = subscriber(&mut out);
    let full = [&[3, 245][..], b"Server at maximum capacity"].concat();
    let bytes = [upgrade_response(&client), frame(8, &full)].concat();
    let refusal = drip(&mut client, &bytes, &mut out);
    assert_eq!(refusal, Err(Fault::Closed("1013 Server at maximum capacity".into())));

    let mut client = subscriber(&mut out);
    let error = br#"{"type":"error","error_code":"FORBIDDEN"}"#;
    let bytes = [upgrade_response(&client), frame(1, error)].concat();
    assert_eq!(drip(&mut client, &bytes, &mut out), Err(Fault::Refused("FORBIDDEN".into())));
}

#[test]
fn compressed_messages_are_told_apart_and_only_if_they_were_offered() {
    let mut out = Vec::new();
    let answer = |client: &Client| {
        let response = String::from_utf8(upgrade_response(client)).unwrap();
        let extension = "\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n";
        response.replace("\r\n\r\n", extension).into_bytes()
    };
    let mut client = Client::start(Intent::Publish, &endpoint(), "", &mut out).inflating(100);
    // "Hello" as RFC 7692, section 7.2.3.1, has it, and again with the context of the first.
    let mut first = frame(1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    let mut second = frame(1, &[0xf2, 0x00, 0x11, 0x00, 0x00]);
    (first[0], second[0]) = (0xc1, 0xc1);
    let bytes = [answer(&client), first, second].concat();
    let events = drip(&mut client, &bytes, &mut out).unwrap();
    let text = format!("{:?}", Event::Text(b"Hello", 5));
    let message = ["Inflating", "Inflated", &text];
    assert_eq!(events, [&["Upgraded", "Ready"][..], &message, &message].concat());

    let mut client = Client::start(Intent::Publish, &endpoint(), "", &mut out);
    let bytes = answer(&client);
    let fault = drip(&mut client, &bytes, &mut out).unwrap_err();
    assert_eq!(fault, Fault::Protocol("an extension that was not offered"));
}

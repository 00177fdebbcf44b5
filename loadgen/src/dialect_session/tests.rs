use super::*;

/// What a server says, and what the client says to that.
type Exchange<'a> = (&'a str, &'a [&'a str]);

/// Plays a transcript: what is sent after the upgrade, then message by message. Ends ready.
fn play(
    name: &str,
    channels: &[&str],
    first: &[&str],
    transcript: &[Exchange<'_>],
) -> DialectSession {
    let mut dialect: Dialect = name.parse().unwrap();
    if name == "pusher" {
        dialect.set("key=278d425bdf160c739803").unwrap();
        dialect.set("secret=7ad3773142a6692b25b8").unwrap();
    }
    let channels: Vec<String> = channels.iter().map(|channel| (*channel).to_owned()).collect();
    let mut session = DialectSession::new(Arc::new(dialect), &channels);
    let mut sent = Vec::new();
    let ready = session.begin(&mut |text| sent.push(text.to_owned()));
    assert_eq!((ready, &sent[..]), (transcript.is_empty(), &first.map_owned()[..]), "{name}");
    for (place, (said, answers)) in transcript.iter().enumerate() {
        let mut sent = Vec::new();
        let heard = session.hear(said.as_bytes(), &mut |text| sent.push(text.to_owned()));
        assert_eq!(sent, answers.map_owned(), "{name}: {said}");
        let last = place + 1 == transcript.len();
        assert_eq!(heard == Heard::Ready, last, "{name}: {said}: {heard:?}");
    }
    session
}

trait Owned {
    fn map_owned(&self) -> Vec<String>;
}

impl Owned for [&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn servers_without_a_confirmation_are_ready_at_once() {
    play("nchan", &["bench0"], &[], &[]);
}

#[test]
fn topics_and_the_family_s_server_confirm_each_subscription() {
    let both = &["S bench0", "S bench1"];
    play("topics", &["bench0", "bench1"], both, &[("ready", &[]), ("ready", &[])]);
    let asked =
        r#"{"id":"1","type":"request","event":"subscribe","data":{"channels":["bench:0"]}}"#;
    let confirmed = r#"{"type": "response", "data": {"status": "subscribed"}}"#;
    play("mcp-common", &["bench:0"], &[asked], &[(confirmed, &[])]);
}

#[test]
fn nats_is_asked_for_a_pong_after_each_step() {
    let connect =
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":false,\"protocol\":1}\r\n";
    let subscribe = "SUB bench.0 3\r\nPING\r\n";
    let answers = [subscribe];
    let transcript = &[("INFO {\"server_id\":\"N\"}", &[][..]), ("PONG", &answers), ("PONG", &[])];
    let mut session = play("nats", &["bench.0"], &[connect, "PING\r\n"], transcript);
    let mut sent = Vec::new();
    assert_eq!(session.hear(b"PING", &mut |text| sent.push(text.to_owned())), Heard::Answered);
    assert_eq!(sent, ["PONG\r\n"]);
    assert_eq!(session.hear(b"MSG bench.0 3 5", &mut |_| {}), Heard::Message);
}

#[test]
fn a_stream_is_whole_however_frames_cut_it() {
    let nats: Arc<Dialect> = Arc::new("nats".parse().unwrap());
    let stream = b"MSG bench.0 1 3\r\n[1]\r\nPING\r\nMSG bench.0 1 3\r\n[2]\r\n";
    for size in 1..=stream.len() {
        let mut session = DialectSession::new(Arc::clone(&nats), &[]);
        let mut found = Vec::new();
        for frame in stream.chunks(size) {
            let whole = session.whole(frame);
            found.extend(nats.messages(&whole).map(<[u8]>::to_vec));
        }
        let wanted: Vec<&[u8]> = nats.messages(stream).collect();
        assert_eq!(found, wanted, "in frames of {size}");
    }
}

#[test]
fn centrifugo_numbers_its_commands() {
    let connect = r#"{"id":1,"connect":{"token":""}}"#;
    let connected = r#"{"id":1,"connect":{"client":"c","version":"6.0.0","ping":25,"pong":true}}"#;
    let subscribe = r#"{"id":2,"subscribe":{"channel":"bench:0"}}"#;
    let answers = [subscribe];
    let transcript = &[(connected, &answers[..]), (r#"{"id":2,"subscribe":{}}"#, &[])];
    let mut session = play("centrifugo", &["bench:0"], &[connect], transcript);
    let mut sent = Vec::new();
    assert_eq!(session.hear(b"{}", &mut |text| sent.push(text.to_owned())), Heard::Answered);
    assert_eq!(sent, ["{}"]);
}

#[test]
fn phoenix_joins_and_socket_io_waits_for_its_acknowledgement() {
    let join = r#"["1","1","bench:0","phx_join",{}]"#;
    let joined = r#"["1","1","bench:0","phx_reply",{"status":"ok","response":{}}]"#;
    play("phoenix", &["bench:0"], &[join], &[(joined, &[])]);
    // Each channel is a process of its own: their answers come in any order.
    let (second, other) =
        (join.replace("bench:0", "bench:1"), joined.replace("bench:0", "bench:1"));
    let (second, other) = (second.replace(r#""1""#, r#""2""#), other.replace(r#""1""#, r#""2""#));
    play("phoenix", &["bench:0", "bench:1"], &[join, &second], &[(&other, &[]), (joined, &[])]);
    let opened = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    let transcript: &[Exchange<'_>] = &[
        (opened, &["40"]),
        ("2", &["3"]),
        (r#"40{"sid":"b"}"#, &[r#"423["subscribe","bench:0"]"#]),
        ("433[]", &[]),
    ];
    play("socket.io", &["bench:0"], &[], transcript);
}

/// The signature is the example of Pusher's documentation of authentication.
#[test]
fn pusher_is_shown_a_signature_over_the_socket_and_the_channel() {
    let established = concat!(
        r#"{"event":"pusher:connection_established","#,
        r#""data":"{\"socket_id\":\"1234.1234\",\"activity_timeout\":120}"}"#
    );
    let digest = "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
    let auth = format!("278d425bdf160c739803:{digest}");
    let sent = format!(
        r#"{{"event":"pusher:subscribe","data":{{"channel":"private-foobar","auth":"{auth}"}}}}"#
    );
    let succeeded = r#"{"event":"pusher_internal:subscription_succeeded","data":"{}"}"#;
    let answers = [&*sent];
    play("pusher", &["private-foobar"], &[], &[(established, &answers), (succeeded, &[])]);
}

#[test]
fn a_refusal_before_it_is_ready_is_told() {
    for (name, refusal) in [
        ("nats", "-ERR 'Authorization Violation'"),
        ("centrifugo", r#"{"id":1,"error":{"code":109,"message":"token expired"}}"#),
        ("phoenix", r#"["1","1","bench:0","phx_reply",{"status":"error","response":{}}]"#),
        ("pusher", r#"{"event":"pusher:error","data":{"code":4001}}"#),
    ] {
        let dialect = Arc::new(name.parse::<Dialect>().unwrap());
        let mut session = DialectSession::new(dialect, &["bench:0".into()]);
        session.begin(&mut |_| {});
        let heard = session.hear(refusal.as_bytes(), &mut |_| {});
        assert_eq!(heard, Heard::Refused(refusal.into()), "{name}");
    }
}

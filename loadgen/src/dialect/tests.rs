use super::*;

#[test]
fn every_ready_dialect_is_one_and_fills_in_its_templates() {
    for (name, _) in READY {
        let dialect: Dialect = name.parse().unwrap();
        assert!(!dialect.about.is_empty(), "{name}");
        let channel = dialect.name(Channel(7));
        let text = dialect.publication(dialect.template(), &channel, 5, r#"{"lg":"x"}"#);
        assert!(text.contains(r#"{"lg":"x"}"#), "{name}: {text}");
        for left in ["{channel}", "{id}", "{size}", "{data}", "{number}", "{event}", "{publish}"] {
            assert!(!text.contains(left), "{name}: {text}");
        }
        let path = dialect.path_for(false, &[channel]).unwrap();
        assert!(path.starts_with('/') && !path.contains('{'), "{name}: {path}");
    }
}

#[test]
fn messages_are_published_as_each_server_wants_them() {
    for (name, expected) in [
        ("topics", "bench7\n[1]"),
        ("nats", "PUB bench.7 3\r\n[1]\r\n"),
        ("nchan", "[1]"),
        ("centrifugo", r#"{"id":5,"publish":{"channel":"bench:7","data":[1]}}"#),
        ("phoenix", r#"[null,"5","bench:7","bench",[1]]"#),
        ("socket.io", r#"42["publish","bench:7",[1]]"#),
        ("pusher", r#"{"event":"client-bench","channel":"private-bench-7","data":[1]}"#),
    ] {
        let dialect: Dialect = name.parse().unwrap();
        let channel = dialect.name(Channel(7));
        let template = dialect.template();
        assert_eq!(dialect.publication(template, &channel, 5, "[1]"), expected, "{name}");
    }
    let quoted = Dialect::default();
    assert_eq!(quoted.publication("{text}", "", 0, r#"{"a":1}"#), r#""{\"a\":1}""#);
}

#[test]
fn a_subscriber_publishes_over_its_connection_where_the_protocol_has_it() {
    for (name, expected) in [
        ("topics", Some("P bench7\n[1]")),
        ("nats", Some("PUB bench.7 3\r\n[1]\r\n")),
        ("phoenix", Some(r#"[null,"5","bench:7","bench",[1]]"#)),
        ("nchan", None),
    ] {
        let dialect: Dialect = name.parse().unwrap();
        let channel = dialect.name(Channel(7));
        let text = dialect.client_template();
        let text = text.map(|template| dialect.publication(template, &channel, 5, "[1]"));
        assert_eq!(text.as_deref(), expected, "{name}");
    }
}

#[test]
fn a_dialect_of_a_file_is_checked() {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    let parse = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        file.path().to_str().unwrap().parse::<Dialect>()
    };
    let own = "channel = \"c{number}\"\n[publish]\nsend = \"{data}\"\n[options]\na = \"1\"\n";
    let mut dialect = parse(own).unwrap();
    dialect.set("a=2").unwrap();
    assert_eq!(dialect.fill("{a}{channel}", &[("channel", "{a}")]), "2{a}");
    assert!(dialect.set("b=2").unwrap_err().contains("no option b; it has: a"));
    for (text, part) in [
        ("channel = \"c{number}\"", "neither send nor http-path"),
        ("channel = \"c\"\n[publish]\nsend = \"x\"", "no {number}"),
        ("channel = \"{number}\"\n[publish]\nsend = \"x\"\nhttp-path = \"/\"", "give one"),
        ("nonsense = 1", "nonsense"),
    ] {
        assert!(parse(text).unwrap_err().contains(part), "{text}");
    }
    assert!("telnet".parse::<Dialect>().unwrap_err().contains("centrifugo, mcp-common"));
}

#[test]
fn a_frame_is_cut_into_messages_and_heartbeats_are_known() {
    let nats: Dialect = "nats".parse().unwrap();
    let frame = b"MSG bench.0 1 3\r\n[1]\r\nPING\r\n";
    let messages: Vec<&[u8]> = nats.messages(frame).collect();
    assert_eq!(messages, [&b"MSG bench.0 1 3"[..], b"[1]", b"PING"]);
    assert_eq!((nats.whole(frame), nats.whole(b"[1]\r\nPI"), nats.whole(b"PI")), (28, 5, 0));
    assert_eq!(nats.pulse(b"PING"), Some("PONG\r\n"));
    assert_eq!(
        nats.refusal(b"-ERR 'Permissions Violation'").unwrap(),
        "-ERR 'Permissions Violation'"
    );
    let topics: Dialect = "topics".parse().unwrap();
    assert_eq!(topics.messages(b"a\r\nb").count(), 1);
    assert_eq!(topics.whole(b"a"), 1);
    let nchan: Dialect = "nchan".parse().unwrap();
    let channels = ["bench0".into(), "bench1".into()];
    assert_eq!(nchan.path_for(false, &channels).unwrap(), "/sub/bench0,bench1");
    assert_eq!(topics.refusal(b"anything"), None);
}

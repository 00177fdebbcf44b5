use super::*;
use crate::types::{Epoch, MessageKey, Seq};

const DEPTH: usize = 3;

fn parse(text: &str) -> Result<Request, RequestError> {
    Request::parse(&Inbound::parse(text).expect(text), DEPTH)
}

fn refused(text: &str) -> RequestError {
    parse(text).expect_err(text)
}

fn request(event: &str, data: &str) -> String {
    format!(r#"{{"type":"request","event":"{event}","data":{data}}}"#)
}

fn code_of(event: &str, data: &str) -> ErrorCode {
    refused(&request(event, data)).code()
}

#[test]
fn both_requests_have_four_forms() {
    for verb in ["subscribe", "unsubscribe"] {
        for text in [
            request(verb, r#"{"channel":"a:1"}"#),
            format!(r#"{{"type":"event","event":"{verb}","data":{{"room":"a:1"}}}}"#),
            format!(r#"{{"type":"{verb}","data":{{"channel":"a:1"}}}}"#),
            format!(r#"{{"type":"{verb}","room":"a:1"}}"#),
        ] {
            let channels = match (verb, parse(&text)) {
                ("subscribe", Ok(Request::Subscribe { channels, since, .. }))
                    if since.is_empty() =>
                {
                    channels
                }
                ("unsubscribe", Ok(Request::Unsubscribe { channels })) => channels,
                (_, other) => panic!("{text}: {other:?}"),
            };
            let Channels::One(name) = channels else { panic!("{text}: {channels:?}") };
            assert_eq!(name.as_str(), "a:1");
        }
    }
}

#[test]
fn a_missing_or_impossible_channel_is_refused() {
    for data in
        ["{}", r#"{"channel":""}"#, r#"{"channel":5}"#, r#"{"channel":null}"#, r#"{"channel":[]}"#]
    {
        assert_eq!(refused(&request("subscribe", data)), RequestError::NoChannel, "{data}");
        assert_eq!(code_of("unsubscribe", data), ErrorCode::InvalidChannel);
    }
    let long = format!("{{\"channel\":\"{}\"}}", "x".repeat(201));
    for data in [long.as_str(), r#"{"channel":"a\u0007"}"#, r#"{"channels":"a"}"#] {
        assert_eq!(code_of("subscribe", data), ErrorCode::InvalidChannel, "{data}");
    }
    assert_eq!(refused(r#"{"type":"subscribe"}"#), RequestError::NoChannel);
}

#[test]
fn a_list_keeps_what_is_wrong_with_each_name() {
    let data = format!("{{\"channels\":[\"a\",\"\",\"{}\",\"b\\u0000\"]}}", "é".repeat(150));
    let Ok(Request::Subscribe { channels: Channels::Many(names), .. }) =
        parse(&request("subscribe", &data))
    else {
        panic!("a list was sent");
    };
    assert_eq!(names[0].as_ref().map(ChannelName::as_str), Ok("a"));
    assert_eq!(names[1], Err(BadName { text: String::new(), error: NameError::Empty }));
    let long = BadName { text: "é".repeat(100), error: NameError::TooLong(200) };
    assert_eq!(names[2], Err(long));
    assert_eq!(names[3].as_ref().map_err(|bad| bad.error), Err(NameError::Control));
}

#[test]
fn a_list_is_bounded_and_holds_strings() {
    let list = |n: usize| {
        let names: Vec<String> = (0..n).map(|i| format!("\"c{i}\"")).collect();
        format!("{{\"channels\":[{}]}}", names.join(","))
    };
    assert!(parse(&request("subscribe", &list(MAX_CHANNELS_PER_REQUEST))).is_ok());
    let too_many = request("unsubscribe", &list(MAX_CHANNELS_PER_REQUEST + 1));
    assert_eq!(refused(&too_many), RequestError::TooManyChannels);
    assert_eq!(code_of("subscribe", r#"{"channels":[]}"#), ErrorCode::InvalidChannel);
    assert_eq!(code_of("subscribe", r#"{"channels":["a",5]}"#), ErrorCode::InvalidChannel);
}

#[test]
fn since_says_where_a_client_left_off() {
    let since = |since: &str| match parse(&request(
        "subscribe",
        &format!(r#"{{"channel":"a","since":{since}}}"#),
    )) {
        Ok(Request::Subscribe { since, .. }) => Ok(since.get("a")),
        Err(error) => Err(error),
        other => panic!("{other:?}"),
    };
    let known = Since { epoch: Some(Epoch(0xab)), seq: Seq(7) };
    assert_eq!(since(r#"{"epoch":"00000000000000ab","seq":7}"#), Ok(Some(known)));
    let foreign = Since { epoch: None, seq: Seq(0) };
    assert_eq!(since(r#"{"epoch":"from elsewhere","seq":0}"#), Ok(Some(foreign)));
    assert_eq!(since("null"), Ok(None));
    for bad in
        ["5", "{}", r#"{"epoch":"a"}"#, r#"{"epoch":5,"seq":5}"#, r#"{"epoch":"a","seq":-1}"#]
    {
        assert_eq!(since(bad), Err(RequestError::InvalidSince), "{bad}");
    }
}

#[test]
fn since_of_a_list_is_a_position_for_each_of_its_channels() {
    let since = |channels: &str, since: &str| match parse(&request(
        "subscribe",
        &format!(r#"{{"channels":{channels},"since":{since}}}"#),
    )) {
        Ok(Request::Subscribe { since, .. }) => Ok(since),
        Err(error) => Err(error),
        other => panic!("{other:?}"),
    };
    let at = |seq| format!(r#"{{"epoch":"00000000000000ab","seq":{seq},"oldest":1}}"#);
    let known = |seq| Some(Since { epoch: Some(Epoch(0xab)), seq: Seq(seq) });
    let three = r#"["b","a","c"]"#;
    let two = since(three, &format!(r#"{{"c":{},"b":{}}}"#, at(7), at(8))).unwrap();
    assert_eq!((two.get("a"), two.get("b"), two.get("c")), (None, known(8), known(7)));
    let last = since(three, &format!(r#"{{"a":{},"b":{},"a":{}}}"#, at(1), at(2), at(3))).unwrap();
    assert_eq!((last.len(), last.get("a"), last.get("b")), (2, known(3), known(2)));
    // Names of members of a position are names of channels, too.
    let odd = since(r#"["epoch","seq"]"#, &format!(r#"{{"seq":{}}}"#, at(5))).unwrap();
    assert_eq!((odd.get("epoch"), odd.get("seq")), (None, known(5)));
    assert_eq!(since(three, "{}").map(|none| none.len()), Ok(0));
    let foreign = format!(r#"{{"d":{}}}"#, at(1));
    assert_eq!(since(three, &foreign), Err(RequestError::ForeignSince));
    for bad in ["5", "[]", &at(1), r#"{"a":5}"#, r#"{"a":null}"#, r#"{"a":{"epoch":"a"}}"#] {
        let refused = since(r#"["a","epoch"]"#, bad).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidRequest, "{bad}");
    }
    let many = |n: usize| {
        let all: Vec<String> = (0..n).map(|_| format!(r#""a":{}"#, at(1))).collect();
        since(three, &format!("{{{}}}", all.join(",")))
    };
    assert_eq!(many(MAX_POSITIONS_PER_REQUEST).map(|one| one.len()), Ok(1));
    let too_many = many(MAX_POSITIONS_PER_REQUEST + 1).unwrap_err();
    assert_eq!(too_many.code(), ErrorCode::LimitExceeded);
}

#[test]
fn a_publish_carries_channel_event_and_document() {
    let data = r#"{"channel":"c","event":"e.x","data":{ "a" : 1 }}"#;
    let Ok(Request::Publish { publication, .. }) = parse(&request("publish", data)) else {
        panic!("a publish was sent");
    };
    assert_eq!(publication.channel.as_str(), "c");
    assert_eq!(publication.event.as_str(), "e.x");
    assert_eq!(publication.data.as_str(), r#"{ "a" : 1 }"#);
}

#[test]
fn a_publish_may_have_a_key() {
    for (member, expected) in
        [("", None), (r#","key":null"#, None), (r#","key":"pump-7""#, Some("pump-7"))]
    {
        let data = format!(r#"{{"channel":"c","event":"e","data":{{}}{member}}}"#);
        let Ok(Request::Publish { publication, .. }) = parse(&request("publish", &data)) else {
            panic!("a publish was sent");
        };
        assert_eq!(publication.key.as_ref().map(MessageKey::as_str), expected);
    }
    let long = format!(r#""{}""#, "k".repeat(65));
    for (key, error) in [
        ("5", RequestError::KeyType),
        (r#""""#, RequestError::InvalidKey(NameError::Empty)),
        (&*long, RequestError::InvalidKey(NameError::TooLong(64))),
    ] {
        let data = format!(r#"{{"channel":"c","event":"e","data":{{}},"key":{key}}}"#);
        assert_eq!(refused(&request("publish", &data)), error, "{data}");
    }
}

#[test]
fn a_publish_may_have_an_id() {
    for (member, expected) in [("", None), (r#","id":null"#, None), (r#","id":"m 1""#, Some("m 1"))]
    {
        let data = format!(r#"{{"channel":"c","event":"e","data":{{}}{member}}}"#);
        let Ok(Request::Publish { id, .. }) = parse(&request("publish", &data)) else {
            panic!("a publish was sent");
        };
        assert_eq!(id.as_deref(), expected);
    }
    for (id, error) in
        [("5", RequestError::IdType), (r#""""#, RequestError::InvalidId(NameError::Empty))]
    {
        let data = format!(r#"{{"channel":"c","event":"e","data":{{}},"id":{id}}}"#);
        assert_eq!(refused(&request("publish", &data)), error, "{data}");
    }
}

#[test]
fn an_incomplete_publish_is_refused() {
    for (data, error) in [
        (r#"{"event":"e","data":{}}"#, RequestError::NoChannel),
        (r#"{"channel":"c","data":{}}"#, RequestError::NoEvent),
        (r#"{"channel":"c","event":5,"data":{}}"#, RequestError::NoEvent),
        (r#"{"channel":"c","event":"gap","data":{}}"#, RequestError::ReservedEvent),
        (r#"{"channel":"c","event":"session.x","data":{}}"#, RequestError::ReservedEvent),
        (r#"{"channel":"c","event":"presence.x","data":{}}"#, RequestError::ReservedEvent),
        (r#"{"channel":"c","event":"","data":{}}"#, RequestError::InvalidEvent(NameError::Empty)),
        (r#"{"channel":"c","event":"e"}"#, RequestError::InvalidData),
        (r#"{"channel":"c","event":"e","data":[]}"#, RequestError::InvalidData),
        (
            r#"{"channel":"c","event":"e","data":{"a":[[{}]]}}"#,
            RequestError::DataLimit(JsonLimitError::Depth(DEPTH)),
        ),
    ] {
        assert_eq!(refused(&request("publish", data)), error, "{data}");
    }
}

#[test]
fn a_token_is_read_and_never_shown() {
    let asked = parse(&request("auth", r#"{"token":"SECRET"}"#)).unwrap();
    assert!(!format!("{asked:?}").contains("SECRET"));
    let Request::Auth { token: Some(token) } = asked else { panic!("a token was sent") };
    assert_eq!(token.expose(), "SECRET");
    for data in ["{}", r#"{"token":5}"#, r#"{"token":null}"#] {
        let asked = parse(&request("auth", data));
        assert!(matches!(asked, Ok(Request::Auth { token: None })), "{data}");
    }
}

#[test]
fn answers_are_owed_no_reply() {
    for kind in ["response", "error", "pong", "ack"] {
        let text = format!(r#"{{"type":"{kind}","event":"subscribe"}}"#);
        assert!(matches!(parse(&text), Ok(Request::Ignored)), "{kind}");
    }
    assert!(matches!(parse(r#"{"type":"ping","event":"subscribe"}"#), Ok(Request::Ping)));
}

#[test]
fn anything_else_is_unknown_and_named_safely() {
    assert_eq!(refused(&request("dance", "{}")).to_string(), "Unknown request event: dance");
    assert_eq!(refused(&request("dance", "{}")).code(), ErrorCode::UnknownRequest);
    assert_eq!(refused(r#"{"type":"request"}"#).to_string(), "Unknown request event: null");
    for event in ["publish", "auth", "hello"] {
        let text = format!(r#"{{"type":"event","event":"{event}"}}"#);
        assert_eq!(refused(&text).code(), ErrorCode::UnknownRequest);
    }
    let RequestError::Unknown(name) = refused(&request(&"ä\\n".repeat(500), "{}")) else {
        panic!("nobody answers that");
    };
    assert!(name.len() <= MAX_EVENT_NAME && name.chars().all(|c| c == 'ä'));
}

#[test]
fn a_pattern_is_for_all_names_that_begin_alike_and_stands_alone() {
    for (text, prefix) in [("workflow:*", "workflow:"), ("dash-*", "dash-"), ("a:", "a:")] {
        let data = format!(r#"{{"pattern":"{text}","channel":null}}"#);
        let Ok(Request::SubscribePattern { prefix: found }) = parse(&request("subscribe", &data))
        else {
            panic!("{text}")
        };
        assert_eq!(&*found, prefix);
        let text = format!(r#"{{"type":"unsubscribe","data":{data}}}"#);
        assert!(matches!(parse(&text), Ok(Request::UnsubscribePattern { .. })), "{text}");
    }
    let all = parse(&request("subscribe", r#"{"pattern":"*"}"#));
    assert!(matches!(all, Ok(Request::SubscribePattern { prefix }) if prefix.is_empty()));
    for bad in [r#""workflow""#, r#""a*b""#, r#""a:?*""#, r#""""#, "5", r#"["a:*"]"#] {
        let data = format!(r#"{{"pattern":{bad}}}"#);
        assert_eq!(code_of("subscribe", &data), ErrorCode::InvalidChannel, "{bad}");
    }
    for beside in [
        r#""channel":"a""#,
        r#""channels":["a"]"#,
        r#""room":"a""#,
        r#""since":{"epoch":"0","seq":1}"#,
    ] {
        let data = format!(r#"{{"pattern":"a:*",{beside}}}"#);
        assert_eq!(code_of("subscribe", &data), ErrorCode::InvalidRequest, "{beside}");
    }
}

#[test]
fn history_says_which_part_of_a_log() {
    let history = |data: &str| match parse(&request("history", data)) {
        Ok(Request::History(asked)) => Ok((asked.since, asked.limit, asked.reverse)),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(history(r#"{"channel":"a"}"#), Ok((None, 100, false)));
    let since = Since { epoch: Some(Epoch(0xab)), seq: Seq(7) };
    let whole = r#"{"channel":"a","since":{"epoch":"00000000000000ab","seq":7},"limit":1000,
        "reverse":true}"#;
    assert_eq!(history(whole), Ok((Some(since), 1_000, true)));
    assert_eq!(history("{}"), Err(RequestError::NoChannel));
    for bad in
        [r#""since":7"#, r#""limit":0"#, r#""limit":1001"#, r#""limit":"7""#, r#""reverse":1"#]
    {
        let data = format!(r#"{{"channel":"a",{bad}}}"#);
        assert_eq!(history(&data), Err(RequestError::InvalidRange), "{bad}");
    }
    assert!(refused(r#"{"type":"event","event":"history"}"#).code() == ErrorCode::UnknownRequest);
}

#[test]
fn a_subscription_to_a_single_channel_may_begin_with_its_state() {
    let state = |data: &str| match parse(&request("subscribe", data)) {
        Ok(Request::Subscribe { state, .. }) => Ok(state),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(state(r#"{"channel":"a"}"#), Ok(false));
    assert_eq!(state(r#"{"channel":"a","state":null}"#), Ok(false));
    assert_eq!(state(r#"{"channel":"a","state":true}"#), Ok(true));
    assert_eq!(state(r#"{"channels":["a"],"state":false}"#), Ok(false));
    for bad in [
        r#"{"channel":"a","state":1}"#,
        r#"{"channels":["a"],"state":true}"#,
        r#"{"pattern":"a:*","state":true}"#,
    ] {
        assert_eq!(state(bad), Err(RequestError::InvalidState), "{bad}");
    }
}

#[test]
fn a_subscription_may_begin_with_older_messages_or_want_all_or_nothing() {
    let begin = |more: &str| {
        let parsed = parse(&request("subscribe", &format!(r#"{{"channel":"a"{more}}}"#)));
        parsed.map(|request| match request {
            Request::Subscribe { all_or_nothing, last, .. } => (all_or_nothing, last),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(begin(""), Ok((false, 0)));
    assert_eq!(begin(r#","last":7,"all_or_nothing":true"#), Ok((true, 7)));
    assert_eq!(begin(r#","last":null,"all_or_nothing":null"#), Ok((false, 0)));
    let latest = parse(&request("subscribe", r#"{"channel":"a","replay":"latest"}"#));
    assert!(matches!(latest, Ok(Request::Subscribe { latest: true, .. })));
    for bad in [r#""all""#, "true", "1"] {
        let refused = begin(&format!(r#","replay":{bad}"#));
        assert_eq!(refused, Err(RequestError::InvalidReplay), "{bad}");
    }
    for bad in [r#""7""#, "-1", "1.5", "[]"] {
        assert_eq!(begin(&format!(r#","last":{bad}"#)), Err(RequestError::InvalidLast), "{bad}");
    }
    let refused = begin(r#","all_or_nothing":1"#).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidRequest);
    assert_eq!(refused.to_string(), "All_or_nothing must be true or false");
}

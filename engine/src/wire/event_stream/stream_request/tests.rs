use proptest::prelude::*;

use super::super::positions;
use super::*;
use crate::limits::MAX_CHANNEL_NAME;

fn parse(query: &str, id: Option<&str>) -> Result<StreamRequest, StreamFault> {
    StreamRequest::parse(query, id)
}

fn names(request: &StreamRequest) -> Vec<&str> {
    request.channels.iter().map(ChannelName::as_str).collect()
}

#[test]
fn each_channel_of_the_query_is_taken_once() {
    let request = parse("channel=a&x=1&channel=b%20c&channel=a&token=t", None).unwrap();
    assert_eq!(names(&request), ["a", "b c"]);
    assert!(request.since.is_empty() && request.origin.is_none());
}

#[test]
fn how_it_begins_is_taken_from_the_query() {
    let request = parse("channel=a&last=3&ids=own", None).unwrap();
    assert_eq!((request.last, request.latest, request.own_ids), (3, false, true));
    let request = parse("replay=latest&channel=a", None).unwrap();
    assert_eq!((request.last, request.latest, request.own_ids), (0, true, false));
}

#[test]
fn a_position_comes_by_the_header_or_else_by_the_query() {
    let since = |query: &str, header: Option<&str>| {
        let request = parse(query, header).unwrap();
        let of = |(name, epoch, seq): &(ChannelName, Epoch, Seq)| {
            (name.as_str().to_owned(), epoch.0, seq.0)
        };
        request.since.iter().map(of).collect::<Vec<_>>()
    };
    let id = "00000000000000ab:a=1,b%2C=2;00000000000000cd:c=3,d=4";
    let all = [("a", 0xab, 1), ("b,", 0xab, 2), ("c", 0xcd, 3)];
    let all = all.map(|(name, epoch, seq)| (name.to_owned(), epoch, seq));
    let query = "channel=a&channel=b,&channel=c";
    assert_eq!(since(query, Some(id)), all, "of d there is no channel");
    let both = format!("{query}&last_event_id=00000000000000ab:a=7");
    assert_eq!(since(&both, Some(id)), all, "the header is the newer one");
    assert_eq!(since(&both, None), [("a".to_owned(), 0xab, 7)]);
    assert!(since(query, Some("")).is_empty());
    let twice = "00000000000000ab:a=1,a=5";
    assert_eq!(since("channel=a", Some(twice)), [("a".to_owned(), 0xab, 5)], "the last counts");
}

#[test]
fn what_is_wrong_is_told() {
    let long = "x".repeat(MAX_CHANNEL_NAME + 1);
    let many: String = (0..=100).map(|n| format!("channel=c{n}&")).collect();
    let longs: String = (0..40).map(|n| format!("channel={n:0>180}&")).collect();
    for (query, fault) in [
        ("", StreamFault::NoChannel),
        ("chanel=a", StreamFault::NoChannel),
        ("channel=", StreamFault::Channel),
        ("channel=a%00b", StreamFault::Channel),
        (&format!("channel={long}"), StreamFault::Channel),
        (&many, StreamFault::TooManyChannels),
        (&longs, StreamFault::LongId),
        ("channel=a&pattern=b*", StreamFault::Pattern),
        ("channel=a&last=some", StreamFault::Parameter),
        ("channel=a&last=-1", StreamFault::Parameter),
        ("channel=a&replay=all", StreamFault::Parameter),
        ("channel=a&ids=", StreamFault::Parameter),
    ] {
        assert_eq!(parse(query, None), Err(fault), "{query}");
    }
    for id in [
        "7",
        "x:a=1",
        "00000000000000ab",
        "00000000000000ab:",
        "00000000000000ab:a",
        "00000000000000ab:a=",
        "00000000000000ab:a=+1",
        "00000000000000ab:=1",
        "00000000000000ab:a=1;",
        "00000000000000ab:a=18446744073709551616",
        "00000000000000ab:%ff=1",
    ] {
        assert_eq!(parse("channel=a", Some(id)), Err(StreamFault::Position), "{id}");
    }
}

proptest! {
    #[test]
    fn an_id_is_read_as_it_was_written(
        given in prop::collection::vec(
            ("[a-zA-Z0-9:*ü%=;, +&]{1,30}", 0..3u64, any::<u64>()),
            1..6,
        ),
    ) {
        let mut all: Vec<(ChannelName, Epoch, Seq)> = Vec::new();
        for (name, epoch, seq) in given {
            let name = ChannelName::parse(&name).unwrap();
            if !all.iter().any(|(other, ..)| *other == name) {
                all.push((name, Epoch(epoch), Seq(seq)));
            }
        }
        let at = |(channel, epoch, seq): &(ChannelName, Epoch, Seq)| {
            (channel.clone(), *epoch, *seq)
        };
        let held: Vec<_> = all.iter().map(at).collect();
        let listed: Vec<Position<'_>> = held
            .iter()
            .map(|(channel, epoch, seq)| Position { channel, epoch: *epoch, seq: *seq })
            .collect();
        let mut out = Vec::new();
        positions(&listed, &mut out);
        let text = String::from_utf8(out).unwrap();
        let id = text.split_once("id: ").unwrap().1.split_once('\n').unwrap().0;
        prop_assert!(id.len() <= all.iter().map(|(name, ..)| longest_position(name)).sum());
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, ..) in &all {
            query.append_pair("channel", name.as_str());
        }
        let request = parse(&query.finish(), Some(id)).unwrap();
        prop_assert_eq!(request.since, all);
    }

    #[test]
    fn no_query_and_no_id_makes_the_parser_panic(query in "\\PC{0,80}", id in "\\PC{0,80}") {
        if let Ok(request) = parse(&query, Some(&id)) {
            prop_assert!(!request.channels.is_empty());
        }
        let _ = parse(&format!("channel={query}&last_event_id={id}"), None);
        let _ = parse("channel=a", Some(&format!("00000000000000ab:{id}=1")));
    }
}

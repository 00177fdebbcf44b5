use super::*;

fn parse(message: &Message) -> Option<Message> {
    Message::parse(&message.encode(), |channel| channel.starts_with("_."))
}

fn reports(reports: Vec<Report>) -> Message {
    let (from, session, number, whole) = (NodeId(u64::MAX), 3, 4, Some(u64::MAX));
    Message::Reports(Reports { from, session, number, is_new: true, whole, reports })
}

#[test]
fn what_is_written_is_read() {
    let (id, user) = (Uuid::from_u128(7), Some("\u{1f}é\"".to_owned()));
    let from = NodeId(9);
    let members = vec![
        Present { member: Member::User("ann".into()), connections: 2 },
        Present { member: Member::Connection(id), connections: 1 },
    ];
    let (epoch, seq, count, connections) = (Epoch(u64::MAX), Seq(5), 2, 3);
    let list = PresenceList { epoch, seq, count, connections, members: Some(members) };
    let channel = || "_.a%20b".to_owned();
    let all = [
        Message::Beat { from, view: u64::MAX, lacks: vec![from] },
        Message::Bye { from },
        reports(vec![
            Report::Anew(channel()),
            Report::Entered(channel(), id, user),
            Report::Entered(channel(), id, None),
            Report::Left(channel(), id, true),
            Report::Asked(channel(), 1, 2),
        ]),
        Message::Known { from, session: 1, number: 2 },
        Message::Unknown { from, session: 1 },
        Message::List { from, ask: 1, channel: channel(), list: list.clone().into() },
    ];
    for message in all {
        assert_eq!(parse(&message), Some(message));
    }
    assert_eq!(PresenceList::from(Listed::from(list.clone())), list);
}

#[test]
fn what_no_node_would_send_is_refused() {
    let foreign = reports(vec![Report::Anew("nonsense".into())]);
    let long = Some("a".repeat(MAX_TOKEN + 1));
    let long = reports(vec![Report::Entered("_.a".into(), Uuid::nil(), long)]);
    let many = reports(vec![Report::Anew("_.a".into()); 2 * PRESENCE_BATCH + 1]);
    let lacks = vec![NodeId(1); PRESENCE_NODES + 1];
    let beat = Message::Beat { from: NodeId(1), view: 0, lacks };
    for message in [foreign, long, many, beat] {
        assert_eq!(parse(&message), None);
    }
    for bytes in ["", "{}", "[]", r#"{"bye":{"from":1,"more":2}}"#, r#"{"bye":{"from":-1}}"#] {
        assert_eq!(Message::parse(bytes.as_bytes(), |_| true), None, "{bytes}");
    }
}

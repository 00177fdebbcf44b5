use super::*;

fn publication(event: &str, key: Option<&str>, data: &str) -> Publication {
    Publication {
        channel: ChannelName::parse("a").expect("a name"),
        event: EventName::parse(event).expect("a name"),
        data: JsonObject::parse(data.as_bytes()).expect("an object"),
        key: key.map(|key| MessageKey::parse(key).expect("a key")),
    }
}

#[test]
fn publications_come_back_as_they_were() {
    let all = [
        publication("e", None, "{\"a\":\n 1}"),
        publication("é\"\\", Some("k\"1"), r#"{"b":"x"}"#),
    ];
    let entries: Vec<_> = all.iter().map(|one| entry(one).expect("JSON")).collect();
    for count in 1..=2 {
        let message = join(&entries[..count]);
        let back = read(&all[0].channel, &message, 32).expect("a message of ours");
        assert_eq!(back.len(), count);
        for (back, was) in back.iter().zip(&all) {
            assert_eq!(back.event, was.event);
            assert_eq!(back.key, was.key);
            assert_eq!(back.data.as_str(), was.data.as_str());
        }
    }
}

#[test]
fn what_another_program_has_stored_is_nothing() {
    let channel = ChannelName::parse("a").expect("a name");
    for message in ["", "hello", "{}", r#"{"event":"","data":{}}"#, r#"{"event":"e","data":1}"#] {
        assert!(read(&channel, message.as_bytes(), 32).is_none(), "{message}");
    }
}

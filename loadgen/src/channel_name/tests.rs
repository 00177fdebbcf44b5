use super::*;

fn template(text: &str) -> ChannelName {
    text.parse().expect(text)
}

#[test]
fn a_name_leads_to_its_channel_and_back() {
    for (text, name) in [("bench:{number}", "bench:7"), ("a.{number}.b", "a.7.b")] {
        let template = template(text);
        assert_eq!((template.of(Channel(7)), template.to_string()), (name.into(), text.into()));
        assert_eq!(template.find(name), Some(Channel(7)));
        assert!(template.find("b.7").is_none() && template.find("bench:x").is_none());
    }
    let global = template("global");
    assert!(!global.has_number() && global.of(Channel(0)) == "global");
    assert_eq!((global.find("global"), global.find("globally")), (Some(Channel(0)), None));
    assert_eq!(ChannelName::default(), template("bench:{number}"));
}

#[test]
fn what_is_no_name_is_refused() {
    for text in ["", "a\"b", "a\\b", "a\nb", "{number}.{number}"] {
        assert!(text.parse::<ChannelName>().is_err(), "{text:?}");
    }
}

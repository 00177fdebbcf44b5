use super::*;

#[test]
fn servers_have_a_scheme_and_a_port() {
    let read = [
        ("a", "nats://a:4222"),
        ("10.0.0.1:4223", "nats://10.0.0.1:4223"),
        ("nats://a.b-c:1", "nats://a.b-c:1"),
        ("tls://[::1]", "tls://[::1]:4222"),
        ("[fe80::1]:7", "nats://[fe80::1]:7"),
    ];
    for (text, url) in read {
        assert_eq!(NatsUrl::parse(text), Ok(NatsUrl(url.into())));
    }
    for text in ["", "http://a", "nats://", "a b", "nats://a/b"] {
        assert!(NatsUrl::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_password_is_never_shown() {
    for text in ["nats://me:secret@a", "me:sec@ret@a", "nats://secret@a b"] {
        let url = NatsUrl::parse(text).expect("refused later, without its text");
        assert!(url.has_user());
        assert!(!url.show().expect("text").contains("sec"), "{text}");
    }
}

#[test]
fn a_prefix_is_one_word_of_a_subject() {
    for text in ["", "a.b", "a b", "*", ">", "a/b", &"x".repeat(33)] {
        assert!(SubjectPrefix::parse(text).is_err(), "{text}");
    }
    assert_eq!(SubjectPrefix::parse("live-2_x"), Ok(SubjectPrefix("live-2_x".into())));
}

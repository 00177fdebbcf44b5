use super::*;

#[test]
fn an_older_message_is_not_newer_but_in_another_epoch() {
    let mut source = UpdateSource::default();
    assert!(source.upstream_mut().must_follow() && source.is_listening());
    let token = source.ask(Time(0)).unwrap();
    assert!(source.advance(Seq(9)), "before the answer, too");
    assert!(source.upstream().awaits(token));
    source.answered();
    assert!(source.is_listening() && !source.upstream_mut().must_follow());
    assert_eq!([8, 9, 12].map(|seq| source.advance(Seq(seq))), [false, false, true]);
    source.begin_epoch();
    assert!(!source.is_listening());
    assert!(source.advance(Seq(1)));
}

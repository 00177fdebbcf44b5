use proptest::prelude::*;

use super::*;

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

/// What stands in the chunks of a body.
fn unchunk(mut body: &[u8]) -> String {
    let mut text = Vec::new();
    while !body.is_empty() {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let len = std::str::from_utf8(&body[..end]).unwrap();
        let len = usize::from_str_radix(len, 16).unwrap();
        let begin = end + 2;
        text.extend_from_slice(&body[begin..begin + len]);
        assert_eq!(&body[begin + len..begin + len + 2], b"\r\n");
        body = &body[begin + len + 2..];
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn an_event_is_a_chunk_with_the_envelope_as_one_line() {
    let [channel, other] = ["workflow:1", "a b"].map(name);
    let position = Position { channel: &channel, epoch: Epoch(0xab), seq: Seq(7) };
    let before = positions_before(&[Position { channel: &other, epoch: Epoch(1), seq: Seq(3) }]);
    let mut out = Vec::new();
    event(Some(&Id { others: &before, position }), "{}", &mut out);
    assert_eq!(
        unchunk(&std::mem::take(&mut out)),
        "id: 0000000000000001:a%20b=3;00000000000000ab:workflow:1=7\ndata: {}\n\n"
    );
    assert_eq!(positions_before(&[]), b"");
    event(Some(&Id { others: &[], position }), "{\"a\":\r\n\t1}", &mut out);
    event(None, "{}", &mut out);
    out.extend_from_slice(KEEPALIVE);
    close(1001, "Server is \"shutting\" down", true, &mut out);
    assert_eq!(
        unchunk(&out),
        "id: 00000000000000ab:workflow:1=7\ndata: {\"a\":  \t1}\n\n\
         data: {}\n\n:\n\nevent: close\ndata: \
         {\"code\":1001,\"reason\":\"Server is \\\"shutting\\\" down\",\"reconnect\":true}\n\n"
    );
}

#[test]
fn positions_of_one_epoch_stand_behind_each_other() {
    let [a, b, c] = ["a,b=c;%", "ü x", "z"].map(name);
    let at = |channel, epoch, seq| Position { channel, epoch: Epoch(epoch), seq: Seq(seq) };
    let mut out = Vec::new();
    positions(&[at(&a, 1, 0), at(&b, 1, u64::MAX), at(&c, 2, 9)], &mut out);
    assert_eq!(
        unchunk(&out),
        "id: 0000000000000001:a%2Cb%3Dc%3B%25=0,%C3%BC%20x=18446744073709551615;\
         0000000000000002:z=9\n\n"
    );
}

proptest! {
    #[test]
    fn the_length_of_an_event_is_known_before_it_is_written(
        channel in "[a-zA-Z0-9:*ü%=; ]{1,40}",
        seq: u64,
        text in "[a-z\n\r ü]{0,600}",
        others in 0usize..4,
        whole: bool,
    ) {
        let channel = name(&channel);
        let position = Position { channel: &channel, epoch: Epoch(seq), seq: Seq(seq) };
        let others = positions_before(&vec![position; others]);
        let id = Id { others: &others, position };
        let id = whole.then_some(&id);
        let mut out = vec![7];
        event(id, &text, &mut out);
        prop_assert_eq!(out.len() - 1, event_len(id, &text));
        prop_assert_eq!(unchunk(&out[1..]).lines().count(), 2 + usize::from(whole));
    }
}

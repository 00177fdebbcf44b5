use std::sync::mpsc::channel;

use super::Reply;

#[test]
fn a_reply_answers_once_also_when_it_is_dropped() {
    let (sender, answers) = channel();
    let reply = |n| {
        let sender = sender.clone();
        Reply::new(move |answer| sender.send((n, answer)).unwrap())
    };
    reply(1).answer("yes");
    drop(reply(2));
    assert_eq!(answers.try_iter().collect::<Vec<_>>(), [(1, Some("yes")), (2, None)]);
}

//! Clients that ask for older messages than their engine has.

use serde_json::json;
use uringcast_engine::Seq;

use crate::Cluster;

#[test]
fn what_cannot_be_read_is_not_called_gone() {
    let cluster = Cluster::start();
    for n in 1..=3 {
        assert_eq!(cluster.publish(1, "a", n), Ok(Seq(n)));
    }
    let mut live = cluster.connect(0);
    live.subscribe(json!({"channel": "a"}));
    cluster.stream.lock().unwrap().is_unreadable = true;
    let since = json!({"epoch": "0000000000000007", "seq": 1});
    let since = json!({"channel": "a", "since": since});
    // At either shard.
    let mut clients: Vec<_> = (0..6).map(|_| cluster.connect(0)).collect();
    for client in &mut clients {
        for wanted in [&since, &json!({"channel": "a", "last": 3})] {
            let answer = client.ask(&json!({"type": "subscribe", "data": wanted}));
            assert_eq!(answer["error_code"], "UNAVAILABLE", "{answer}");
        }
    }
    // What is here goes on as before, for those too that ask for nothing older.
    clients[0].subscribe(json!({"channel": "a"}));
    assert_eq!(cluster.publish(0, "a", 4), Ok(Seq(4)));
    assert_eq!((live.next(), clients[0].next()), ((4, None, 4), (4, None, 4)));
    cluster.stream.lock().unwrap().is_unreadable = false;
    for client in &mut clients {
        let confirmed = client.subscribe(since.clone());
        assert_eq!(confirmed["recovered"], true, "{confirmed}");
        let seen = [client.next(), client.next(), client.next()];
        assert_eq!(seen, [(2, None, 2), (3, None, 3), (4, None, 4)]);
    }
}

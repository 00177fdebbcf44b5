//! Channels without subscribers are followed no more.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Cluster;

#[test]
fn a_busy_channel_that_nobody_has_is_followed_no_more() {
    let cluster = Cluster::start();
    let is_followed = || cluster.stream.lock().unwrap().followed[0].contains("a");
    // At either shard, so that one is not the channel's home.
    let mut clients = [cluster.connect(0), cluster.connect(0)];
    clients.iter_mut().for_each(|client| _ = client.subscribe(json!({"channel": "a"})));
    cluster.publish(1, "a", 0).unwrap();
    clients.iter_mut().for_each(|client| assert_eq!(client.next().2, 0));
    assert!(is_followed());
    for client in &mut clients {
        let left = client.ask(&json!({"type": "unsubscribe", "data": {"channel": "a"}}));
        assert_eq!(left["data"]["status"], "unsubscribed", "{left}");
    }
    // Its messages, less than `INTEREST_LINGER` apart, do not keep it.
    let end = Instant::now() + Duration::from_secs(60);
    for n in 1.. {
        cluster.publish(1, "a", n).unwrap();
        if !is_followed() {
            break;
        }
        assert!(Instant::now() < end, "the channel is followed for ever");
        std::thread::sleep(Duration::from_millis(200));
    }
    // Who comes back has all that came meanwhile.
    let confirmed = clients[0].subscribe(json!({"channel": "a", "last": 1}));
    let newest = confirmed["seq"].as_u64().unwrap();
    assert_eq!(clients[0].next().0, newest);
}

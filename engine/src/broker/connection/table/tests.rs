use std::sync::Arc;

use super::*;
use crate::broker::connection::connection_id;
use crate::config::Config;
use crate::types::ShardId;

#[test]
fn a_former_key_finds_nothing() {
    let mut cx = Context::new(Arc::new(Config::default()), ShardId(0), 1, 1);
    let mut table = Connections::new(1, 1);
    let mut admission = Admission::plain(([127, 0, 0, 1], 1).into());
    let key = table.admit(&mut cx, &mut admission).unwrap();
    assert!(table.admit(&mut cx, &mut admission).is_none());
    table[key].become_state(State::AwaitingCompletions);
    table.release(key);
    assert!(table.get(key).is_none());
    let next = table.admit(&mut cx, &mut admission).unwrap();
    assert_eq!(next.index, key.index);
    assert!(table.get(key).is_none());
}

#[test]
fn an_id_names_the_shard() {
    let key = ConnectionKey { index: u32::MAX, generation: 7 };
    for shard in [0, 5, 63] {
        let id = connection_id::of(ShardId(shard), key, u64::MAX).to_string();
        assert_eq!(ShardId::of_connection(&id), Some(ShardId(shard)));
    }
    assert_eq!(ShardId::of_connection("no id"), None);
}

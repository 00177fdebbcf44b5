use super::*;

#[test]
fn what_is_written_is_read() {
    let all = vec![
        (ServiceId(0), "127.0.0.1:0".parse().unwrap()),
        (ServiceId(3), "[::1]:9000".parse().unwrap()),
    ];
    let mut blobs = vec![slots(&[7, 0, 70_000]), listeners(&all)];
    assert_eq!(take_listeners(&mut blobs), Some(all));
    assert_eq!(take_listeners(&mut blobs), None);
    assert_eq!(take_slots(&mut blobs), Some(vec![7, 0, 70_000]));
    let ring = |shard, descriptor, slots| ShardRing { shard: ShardId(shard), descriptor, slots };
    let all = [ring(0, 9, 1_256), ring(1, 300, 1_256)];
    assert_eq!(read_rings(&rings(&all)).as_deref(), Some(&all[..]));
}

#[test]
fn what_cannot_be_is_refused() {
    for text in ["x 127.0.0.1:1\n", "0 localhost\n", "0\n", "999 127.0.0.1:1"] {
        let mut blobs = vec![blob(LISTENERS, text.as_bytes().to_vec())];
        assert_eq!(take_listeners(&mut blobs), None, "{text:?}");
    }
    assert_eq!(take_slots(&mut vec![blob(SLOTS, vec![1, 2, 3])]), None);
    for bytes in [&[][..], &[1; 7], &[0xff; 8]] {
        assert_eq!(read_rings(bytes), None, "{bytes:?}");
    }
}

use super::*;

fn membership() -> Membership {
    let node = "0123456789abcdef".to_owned();
    Membership { prefix: "u".into(), partitions: 2, node }
}

#[test]
fn a_server_goes_on_for_one_with_the_same_streams_only() {
    let refusal = |before: Option<&Membership>, config: Option<&ClusterConfig>| {
        Membership::refusal(before, config).unwrap_or_default()
    };
    let (here, there) = (ClusterConfig::sample(), membership());
    assert_eq!(refusal(Some(&there), Some(&here)), "");
    assert_eq!(refusal(None, None), "");
    assert!(refusal(Some(&there), None).contains("the new one none"));
    assert!(refusal(None, Some(&here)).contains("the old one none"));
    let other = ClusterConfig { partitions: 3, ..ClusterConfig::sample() };
    assert!(refusal(Some(&there), Some(&other)).contains("cluster_partitions 3"));
    let other = ClusterConfig { prefix: "v".into(), ..ClusterConfig::sample() };
    assert!(refusal(Some(&there), Some(&other)).contains("cluster_prefix"));
}

#[test]
fn what_a_node_is_is_read_as_it_was_written() {
    let read = Membership::read(&[blob(MEMBERSHIP, &membership())]);
    assert_eq!(read, Ok(Some(membership())));
    assert_eq!(Membership::read(&[]), Ok(None));
}

#[test]
fn lies_about_a_node_are_refused() {
    let bytes = |text: &str| Blob {
        name: MEMBERSHIP.to_owned(),
        version: 1,
        is_required: true,
        bytes: SecretBytes::new(text.as_bytes().to_vec()),
    };
    for text in [
        "",
        "{}",
        r#"{"prefix":"u","partitions":-1,"node":"0123456789abcdef"}"#,
        r#"{"prefix":"u","partitions":1,"node":"0123456789ABCDEF"}"#,
        r#"{"prefix":"u","partitions":1,"node":"a b"}"#,
    ] {
        assert!(Membership::read(&[bytes(text)]).is_err(), "{text}");
    }
    let later = Blob { version: 2, ..blob(MEMBERSHIP, &membership()) };
    assert!(Membership::read(&[later]).is_err());
}

/// How far a node is in three streams, with large numbers and small ones.
fn positions() -> Positions {
    let stream = |life: u64| StreamPosition {
        life,
        floor: LAST,
        seen: LAST - life % 7,
        verified: 12_345,
        verified_ms_ago: u64::MAX,
        is_unsure: life.is_multiple_of(2),
    };
    let streams = [u64::MAX, 0, 1_764_547_200_123_456_789].map(stream).to_vec();
    Positions { streams, control: SharedPosition { life: 17, read: LAST } }
}

fn epoch(positions: &Positions) -> Epoch {
    epoch_of(positions.streams.iter().map(|stream| stream.life))
}

/// What a successor with three streams, in the epoch of [`positions`], reads of these bytes.
fn read(bytes: &[u8]) -> Result<Positions, String> {
    let bytes = SecretBytes::new(bytes.to_vec());
    let blob = Blob { name: STREAMS.to_owned(), version: 1, is_required: true, bytes };
    Positions::read(&[blob], (3, epoch(&positions())))
}

fn written(positions: &Positions) -> Vec<u8> {
    blob(STREAMS, positions).bytes.expose().to_vec()
}

/// What is read can be, whatever the bytes were.
fn assert_possible(read: &Positions) {
    let Positions { streams, control } = read;
    assert_eq!((streams.len(), epoch(read)), (3, epoch(&positions())), "{read:?}");
    for StreamPosition { floor, seen, verified, .. } in streams {
        assert!(*floor <= LAST && seen <= floor && verified <= floor, "{read:?}");
    }
    assert!(control.read <= LAST, "{read:?}");
}

#[test]
fn how_far_a_node_is_is_read_as_it_was_written() {
    assert_eq!(read(&written(&positions())), Ok(positions()));
    assert!(written(&positions()).len() < 3 * HANDOVER_POSITION, "all fits");
}

#[test]
fn positions_that_are_missing_cut_or_of_another_version_are_refused() {
    let of = (3, epoch(&positions()));
    assert!(Positions::read(&[], of).unwrap_err().contains("lacks"));
    let later = Blob { version: 2, ..blob(STREAMS, &positions()) };
    assert!(Positions::read(&[later], of).is_err());
    let whole = written(&positions());
    for len in 0..whole.len() {
        assert!(read(&whole[..len]).is_err(), "{len} bytes");
    }
    for rest in [&b"{"[..], b"}", b"0", b"\0", &whole] {
        assert!(read(&[&whole, rest].concat()).is_err(), "{rest:?} behind");
    }
}

#[test]
fn of_flipped_bits_nothing_impossible_is_taken() {
    let whole = written(&positions());
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            // A digit may have become another one: the state's checksum finds that.
            read(&bytes).iter().for_each(assert_possible);
        }
    }
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let refused = |change: fn(&mut Positions)| {
        let mut changed = positions();
        change(&mut changed);
        read(&written(&changed)).is_err()
    };
    assert!(!refused(|_| ()));
    assert!(refused(|all| all.streams[1].floor = LAST + 1));
    assert!(refused(|all| all.streams[1].floor = u64::MAX));
    assert!(refused(|all| all.streams[1].seen = all.streams[1].floor + 1));
    assert!(refused(|all| all.streams[2].verified = all.streams[2].floor + 1));
    assert!(refused(|all| all.control.read = LAST + 1));
    assert!(refused(|all| all.control.read = u64::MAX));
    assert!(refused(|all| all.streams.truncate(2)));
    assert!(refused(|all| all.streams.push(all.streams[0].clone())));
    assert!(refused(|all| all.streams.clear()));
    // Each position is of one stream.
    assert!(refused(|all| all.streams.swap(0, 2)));
    assert!(refused(|all| all.streams[0].life -= 1));
    let text = String::from_utf8(written(&positions())).unwrap();
    for (part, other) in [
        ("12345", "-1"),
        ("12345", "1.5"),
        ("12345", "\"12345\""),
        ("12345", "18446744073709551616"),
        ("true", "1"),
        ("\"floor\":", "\"floor\":1,\"floor\":"),
        ("\"seen\":", "\"sen\":"),
        ("\"control\":", "\"other\":"),
    ] {
        let other = text.replacen(part, other, 1);
        assert_ne!(other, text, "{part}");
        assert!(read(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn more_bytes_than_the_streams_need_are_refused_before_they_are_read() {
    let whole = written(&positions());
    let padded = |len: usize| {
        let spaces = vec![b' '; len - whole.len()];
        [&whole[..], &spaces].concat()
    };
    let most = HANDOVER_POSITION * 4;
    assert_eq!(read(&padded(most)), Ok(positions()));
    assert!(read(&padded(most + 1)).is_err());
    let many = [&b"{\"streams\":["[..], &b"[0,0,0,0,0,true],".repeat(1 << 16)].concat();
    assert!(read(&many).is_err());
    let deep = b"[".repeat(most);
    assert!(read(&deep).is_err());
}

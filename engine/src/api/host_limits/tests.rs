use super::*;

fn core(id: usize) -> CoreId {
    CoreId { id }
}

#[test]
fn each_shard_has_a_core_of_its_own_or_none_has() {
    let cores = [core(4), core(7)];
    assert_eq!(assign(&cores, 2, 2), [Some(core(4)), Some(core(7))]);
    assert_eq!(assign(&cores, 2, 1), [Some(core(4))]);
    assert_eq!(assign(&cores, 2, 3), [None; 3]);
    assert_eq!(assign(&cores, 1, 1), [None], "a quota leaves the choice to the kernel");
}

#[test]
fn neither_cores_nor_quota_are_exceeded() {
    let usable = std::thread::available_parallelism().unwrap().get();
    assert_eq!(parallelism(1), 1);
    assert_eq!(parallelism(usize::MAX), usable);
    assert_eq!(parallelism(0), 1);
}

#[test]
fn slots_are_fair_with_slack_and_within_the_file_limit() {
    assert_eq!(slots(1_000, 1, 20_000).unwrap(), 1_000 + MAX_HANDSHAKES);
    assert_eq!(slots(10_000, 2, 20_000).unwrap(), 6_250 + MAX_HANDSHAKES);
    assert_eq!(slots(39_000, 2, 20_000).unwrap(), 20_000);
    assert_eq!(slots(40_000, 2, 20_000).unwrap(), 20_000);
    assert_eq!(slots(1, 64, 20_000).unwrap(), 1 + MAX_HANDSHAKES);
}

#[test]
fn too_many_connections_for_the_file_limit_are_refused_with_a_remedy() {
    let text = slots(50_000, 2, 20_000).unwrap_err().to_string();
    for part in ["max_connections is 50000", "2 shards", "20000", "to 25000", "RLIMIT_NOFILE"] {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
    assert!(slots(usize::MAX, 64, usize::MAX).is_err());
}

#[test]
fn a_file_limit_too_low_to_run_is_refused_with_a_remedy() {
    assert!(check_files(1_024, 2, 2).is_ok());
    let text = check_files(100, 2, 2).unwrap_err().to_string();
    for part in ["RLIMIT_NOFILE", "is 100", "need 132", "ulimit -Hn"] {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[test]
fn handshakes_leave_descriptors_to_the_rest_of_the_process() {
    let need = process_files(2, 3) + 2 * 3;
    assert_eq!(handshakes(need, 2, 3), LEAST_HANDSHAKES);
    assert_eq!(other_connections(need, 2, 3), PROCESS_FILES - RESERVED_FILES);
    assert_eq!(handshakes(need + 40, 2, 3), LEAST_HANDSHAKES + 10);
    assert_eq!(other_connections(need + 40, 2, 3), PROCESS_FILES - RESERVED_FILES + 20);
    assert_eq!(handshakes(200_000, 2, 3), MAX_HANDSHAKES);
    assert_eq!(handshakes(usize::MAX, 64, 16), MAX_HANDSHAKES);
    for files in [150, 200, 1_024, 20_000] {
        let (in_handshakes, others) = (handshakes(files, 1, 1), other_connections(files, 1, 1));
        let shard = SHARD_FILES - LEAST_HANDSHAKES + 2;
        assert!(RESERVED_FILES + shard + in_handshakes + others <= files, "{files}");
    }
}

#[test]
fn the_soft_limit_of_open_files_becomes_the_hard_one() {
    let files = raise_file_limit(1, 1).unwrap();
    let limit = getrlimit(Resource::Nofile);
    assert_eq!(limit.current, limit.maximum);
    assert_eq!(limit.current.map_or(usize::MAX, |n| n as usize), files);
}

#[test]
fn this_machine_can_make_a_ring() {
    probe_ring().unwrap();
}

use super::*;

#[test]
fn a_round_looks_at_everything_once() {
    for len in [0, 1, 7, 20, 21, 1_000] {
        let seen: Vec<u32> = (0..ROUND).flat_map(|n| part(n, len)).collect();
        assert_eq!(seen, (0..len as u32).collect::<Vec<_>>());
    }
}

use super::*;

#[test]
fn what_is_refused_is_not_taken() {
    assert_eq!(taken(300.0, 1_000, 0), 300.0);
    assert_eq!(taken(300.0, 1_000, 560), 132.0);
    assert_eq!(taken(0.0, 0, 0), 0.0);
}

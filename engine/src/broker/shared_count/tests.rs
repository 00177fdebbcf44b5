use super::*;

const ONE: ServiceId = ServiceId(0);
const OTHER: ServiceId = ServiceId(3);

#[test]
fn a_sole_service_has_all() {
    let mut count = SharedCount::new(1);
    assert!(count.fits(ONE, 10, 10) && !count.fits(ONE, 11, 10));
    count.add(ONE, 11);
    assert_eq!(count.passed(ONE, 10), (10, 11));
}

#[test]
fn of_several_each_service_has_its_share_of_what_all_may_have() {
    let mut count = SharedCount::new(4);
    assert!(count.fits(ONE, 5, 10) && !count.fits(ONE, 6, 10));
    count.add(ONE, 5);
    assert!(!count.fits(ONE, 1, 10) && count.fits(OTHER, 5, 10));
    count.add(ONE, 2);
    assert_eq!(count.passed(ONE, 10), (5, 7), "its share");
    count.add(OTHER, 4);
    assert_eq!(count.passed(OTHER, 10), (10, 11), "the bound for all");
    assert!(!count.fits(OTHER, 0, 10));
    count.remove(ONE, 7);
    assert_eq!(count.all(), 4);
    assert!(count.fits(ONE, 5, 10));
}

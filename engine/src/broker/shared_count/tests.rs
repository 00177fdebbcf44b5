use super::*;

const ONE: ServiceId = ServiceId(0);
const OTHER: ServiceId = ServiceId(3);

#[test]
fn a_service_has_its_share_of_what_all_may_have_and_a_sole_one_has_it_all() {
    let mut count = SharedCount::default();
    assert!(count.fits(ONE, 10, 10, 1) && !count.fits(ONE, 11, 10, 1));
    assert!(count.fits(ONE, 5, 10, 4) && !count.fits(ONE, 6, 10, 4));
    count.add(ONE, 5);
    assert!(!count.fits(ONE, 1, 10, 4) && count.fits(OTHER, 5, 10, 4));
    count.add(ONE, 2);
    assert_eq!(count.passed(ONE, 10, 4), (5, 7), "its share");
    count.add(OTHER, 4);
    assert_eq!(count.passed(OTHER, 10, 4), (10, 11), "the bound for all");
    assert!(!count.fits(OTHER, 0, 10, 4));
    count.remove(ONE, 7);
    count.remove(ServiceId(9), 0);
    assert_eq!(count.all(), 4);
    assert!(count.fits(ONE, 5, 10, 4));
}

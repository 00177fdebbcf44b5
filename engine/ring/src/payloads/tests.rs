use super::*;

#[test]
fn payloads_stay_where_they_are_and_come_out_in_order() {
    let mut payloads = Payloads::new();
    let count = 2 * BLOCK + 1;
    let places: Vec<_> = (0..count).map(|i| std::ptr::from_ref(payloads.push([i; 4]))).collect();
    let stored = payloads.full.iter().flatten().chain(&payloads.last);
    assert!(stored.map(std::ptr::from_ref).eq(places));
    let mut drained = Vec::new();
    payloads.drain_into(&mut drained);
    assert!(drained.iter().enumerate().all(|(i, payload)| *payload == [i; 4]));
    assert_eq!((drained.len(), payloads.last()), (count, None));
}

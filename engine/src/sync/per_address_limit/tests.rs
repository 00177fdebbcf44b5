use super::*;

#[test]
fn an_address_has_so_many_places_and_gets_them_back() {
    let limit = Arc::new(PerAddressLimit::default());
    let take = |address: &str| limit.take(address.parse().unwrap(), 2);
    let (first, _second) = (take("10.0.0.1"), take("::ffff:10.0.0.1"));
    assert!(first.is_some() && take("10.0.0.1").is_none());
    assert!(take("10.0.0.2").is_some());
    drop(first);
    let _third = take("10.0.0.1").expect("a place was given back");
    assert!(take("10.0.0.1").is_none());
    let _six = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
    assert!(take("2001:db8::3").is_none() && take("2001:db8:0:1::1").is_some());
}

#[test]
fn an_address_without_connections_is_removed() {
    let limit = Arc::new(PerAddressLimit::default());
    for n in 0..1_000_u32 {
        drop(limit.take(IpAddr::V4(n.into()), 1));
    }
    let known: usize = limit.stripes.iter().map(|s| s.lock().unwrap().len()).sum();
    assert_eq!(known, 0);
}

use super::*;

fn parse(text: &str) -> Result<Vec<String>, String> {
    let addresses: SourceAddresses = text.parse()?;
    Ok(addresses.0.iter().map(ToString::to_string).collect())
}

#[test]
fn addresses_ranges_and_networks_are_listed() {
    assert_eq!(parse("127.0.0.2-127.0.0.4").unwrap(), ["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    assert_eq!(parse("10.0.0.0/30, 10.1.0.9").unwrap(), ["10.0.0.1", "10.0.0.2", "10.1.0.9"]);
    assert_eq!(parse("::1-::2").unwrap(), ["::1", "::2"]);
    for bad in ["", "x", "127.0.0.9-127.0.0.2", "127.0.0.1-::1", "10.0.0.0/33"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert!(parse("::/64").unwrap_err().contains("more than"));
}

fn choose(given: Option<&str>, count: Option<u32>, targets: &[&str]) -> Result<usize, String> {
    let given = given.map(|text| text.parse().unwrap());
    let targets: Vec<SocketAddr> = targets.iter().map(|text| text.parse().unwrap()).collect();
    let chosen = SourceAddresses::choose(given.as_ref(), count, 16_001, &targets);
    chosen.map(|chosen| chosen.map_or(0, |chosen| chosen.count())).map_err(|error| error.0)
}

#[test]
fn many_connections_to_loopback_are_spread_and_others_as_told() {
    let here = "127.0.0.1:1";
    assert_eq!(choose(None, None, &[here]), Ok(3));
    assert_eq!(choose(None, None, &[here, "127.0.0.1:2"]), Ok(2), "two ports have more pairs");
    assert_eq!(choose(None, None, &["192.0.2.1:1"]), Ok(0));
    assert_eq!(choose(None, Some(5), &[here]), Ok(5));
    assert_eq!(choose(Some("127.0.0.2-127.0.0.9"), None, &[here]), Ok(8));
    let message = choose(None, Some(5), &["192.0.2.1:1"]).unwrap_err();
    assert!(message.contains("--source-addresses 5"), "{message}");
    let message = choose(Some("192.0.2.7"), None, &[here]).unwrap_err();
    assert!(message.contains("--source 192.0.2.7") && message.contains("ip address"), "{message}");
    let message = choose(Some("::1"), None, &[here]).unwrap_err();
    assert!(message.contains("one family"), "{message}");
}

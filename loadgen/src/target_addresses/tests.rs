use super::*;

#[test]
fn a_range_of_ports_is_an_address_each() {
    let parse = |text: &str| {
        let parsed: Result<TargetAddresses, _> = text.parse();
        parsed.map(|parsed| parsed.0.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(parse("127.0.0.1:80").unwrap(), ["127.0.0.1:80"]);
    assert_eq!(parse("[::1]:80-82").unwrap(), ["[::1]:80", "[::1]:81", "[::1]:82"]);
    for bad in ["127.0.0.1", "name:80", "127.0.0.1:0", "127.0.0.1:9-8", "127.0.0.1:1-65535", "::1"]
    {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

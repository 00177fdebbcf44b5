use super::*;

fn said(variables: &[(&str, &str)]) -> String {
    let environment: Vec<_> =
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let known = ["URINGCAST_PORT".to_owned()];
    format!("{:?}", misleading(&environment, "ws.example.org", &known))
}

#[test]
fn only_what_stands_in_the_way_is_told() {
    assert!(said(&[]).starts_with("Ok"));
    assert!(said(&[("URINGCAST_PORT", "1"), ("URINGCAST_PROT", "")]).starts_with("Ok"));
    assert!(said(&[("URINGCAST_PROT", "1")]).contains("mean URINGCAST_PORT?"));
    let proxy = ("HTTPS_PROXY", "http://proxy:3128");
    assert!(said(&[proxy]).contains("NO_PROXY"));
    for exempt in ["ws.example.org", ".example.org", "a.b, example.org", "*"] {
        assert!(said(&[proxy, ("no_proxy", exempt)]).starts_with("Ok"), "{exempt}");
    }
    assert!(said(&[proxy, ("no_proxy", "ample.org")]).contains("HTTPS_PROXY"));
}

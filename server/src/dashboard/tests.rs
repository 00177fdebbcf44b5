use super::*;

fn url(address: &str, host: &str) -> String {
    let listen = vec![address.parse().unwrap()];
    super::url(&Service { listen, ..Service::default() }, host)
}

#[test]
fn a_page_finds_the_listener_by_the_name_it_has_for_the_server() {
    for (address, host, expected) in [
        ("127.0.0.1:9", "127.0.0.1:8766", "ws://127.0.0.1:9"),
        ("127.0.0.1:9", "localhost:8766", "ws://localhost:9"),
        ("0.0.0.0:9", "cast.example:8766", "ws://cast.example:9"),
        ("[::]:9", "[fd00::1]:8766", "ws://[fd00::1]:9"),
        ("[::]:9", "cast.example", "ws://cast.example:9"),
        ("10.0.0.5:9", "cast.example:8766", "ws://10.0.0.5:9"),
        ("127.0.0.1:9", "cast.example:8766", "ws://127.0.0.1:9"),
        ("0.0.0.0:9", "a;script-src *", "ws://0.0.0.0:9"),
    ] {
        assert_eq!(url(address, host), expected, "{address} {host}");
    }
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let page = Dashboard::page();
    assert!(!page.contains("/* style */") && !page.contains("/* script */"));
    assert_eq!(page.matches("</script>").count(), 1);
    for loads in ["src=", "@import", "url(", "href=\"http", "style=\"", "onclick="] {
        assert!(!page.contains(loads), "{loads}");
    }
}

use super::*;

#[test]
fn the_line_of_a_listening_server_is_read() {
    let line = "listening wss://127.0.0.1:1 control http://127.0.0.1:2 \
        metrics http://127.0.0.1:3 cert /tmp/a b/cert.pem";
    let ready = Ready::parse(line).unwrap();
    assert_eq!((&*ready.url, &*ready.control), ("wss://127.0.0.1:1", "http://127.0.0.1:2"));
    assert_eq!(ready.certificate, Some("/tmp/a b/cert.pem".into()));
    let ready = Ready::parse("listening ws://h:1 control http://h:2 metrics http://h:3");
    assert_eq!(ready.unwrap().certificate, None);
    for other in ["", "listening", "INFO listening ws://h:1 control http://h:2", "cert x"] {
        assert_eq!(Ready::parse(other), None, "{other}");
    }
}

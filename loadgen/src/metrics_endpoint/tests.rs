use std::net::Ipv4Addr;

use super::*;

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_scrape_has_the_figures_of_the_last_moment() {
    let endpoint = MetricsEndpoint::start(Ipv4Addr::LOCALHOST.into(), 0).unwrap();
    let early = Moment { deliveries: 5, connected: 2, p99: 1.5, ..Moment::default() };
    endpoint.set(&early);
    endpoint.set(&Moment { deliveries: 9, disconnected: 1, ..early });
    let text = get(endpoint.address(), "/metrics");
    for line in [
        "HTTP/1.1 200 OK",
        "loadgen_deliveries_total 9\n",
        "loadgen_disconnects_total 1\n",
        "loadgen_subscribers 2\n",
        "loadgen_latency_seconds{quantile=\"0.99\"} 0.0015\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(get(endpoint.address(), "/").starts_with("HTTP/1.1 404 "));
}

#[test]
fn it_ends_with_the_run_and_a_taken_port_is_named() {
    let endpoint = MetricsEndpoint::start(Ipv4Addr::LOCALHOST.into(), 0).unwrap();
    let address = endpoint.address();
    let error = MetricsEndpoint::start(address.ip(), address.port()).err().unwrap().0;
    assert!(error.contains(&format!("--metrics-port {}", address.port())), "{error}");
    drop(endpoint);
    assert!(TcpStream::connect(address).is_err());
}

//! `WebSocketMetrics` for programs with sockets of their own. That its series are the server's is
//! tested where the server is: server/tests/wire/metrics.rs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use uringcast_engine::limits::{MAX_CLASSES, SCRAPE_HEAD};
use uringcast_engine::telemetry::{ConnectionError, MessageError, MessageType};
use uringcast_engine::{MetricsServerError, WebSocketMetrics};

fn say(to: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).expect("it listens");
    stream.write_all(request).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers and closes");
    answer
}

fn value(text: &str, series: &str) -> f64 {
    let sample = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let sample = sample.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    sample.parse().expect("a number")
}

/// A little of everything, `n` times.
fn work(metrics: &WebSocketMetrics, n: u64) {
    for _ in 0..n {
        metrics.on_connect();
        metrics.on_message_received(MessageType::Subscribe);
        metrics.observe_latency(MessageType::Subscribe, Duration::from_micros(40));
        metrics.on_message_sent(MessageType::Response);
        metrics.on_broadcast("order:7", 250, Duration::from_millis(3));
        metrics.on_message_error(MessageError::DecodeError);
        metrics.on_connection_error(ConnectionError::Timeout);
    }
}

#[test]
fn threads_count_apart_and_are_added_up() {
    let metrics = WebSocketMetrics::new("orders", true);
    let workers: Vec<_> = (1..=8)
        .map(|n| {
            let metrics = metrics.clone();
            thread::spawn(move || work(&metrics, n * 1_000))
        })
        .collect();
    // Concurrent scrapes read counters that only rise.
    let series = "websocket_connections_total{server=\"orders\",tls_mode=\"wss\"}";
    let mut last = 0.0;
    while workers.iter().any(|worker| !worker.is_finished()) {
        let now = value(&metrics.render(), series);
        assert!(now >= last, "{now} after {last}");
        last = now;
    }
    workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
    // Another thread than the one that connected, after all those have ended.
    (0..6_000).for_each(|_| metrics.on_disconnect());

    let text = metrics.render();
    let is = |series: &str, wanted: f64| assert_eq!(value(&text, series), wanted, "{series}");
    is(series, 36_000.0);
    is("websocket_connections_active{server=\"orders\",tls_mode=\"wss\"}", 30_000.0);
    let messages = |kind, direction| {
        let labels = format!("message_type=\"{kind}\",direction=\"{direction}\"");
        format!("websocket_messages_total{{server=\"orders\",{labels}}}")
    };
    is(&messages("subscribe", "received"), 36_000.0);
    is(&messages("response", "sent"), 36_000.0);
    is(&messages("event", "sent"), 250.0 * 36_000.0);
    let order = "server=\"orders\",channel=\"order\"";
    is(&format!("websocket_broadcast_total{{{order}}}"), 36_000.0);
    let duration = "websocket_broadcast_duration_seconds";
    is(&format!("{duration}_bucket{{{order},le=\"0.001\"}}"), 0.0);
    is(&format!("{duration}_bucket{{{order},le=\"0.005\"}}"), 36_000.0);
    is(&format!("{duration}_count{{{order}}}"), 36_000.0);
    is(&format!("{duration}_sum{{{order}}}"), 108.0);
    is("websocket_connection_errors_total{server=\"orders\",error_type=\"timeout\"}", 36_000.0);
    is("websocket_message_errors_total{server=\"orders\",error_type=\"decode_error\"}", 36_000.0);
    let subscribe = "server=\"orders\",message_type=\"subscribe\"";
    is(&format!("websocket_latency_seconds_bucket{{{subscribe},le=\"0.00005\"}}"), 36_000.0);
    is(&format!("websocket_latency_seconds_bucket{{{subscribe},le=\"0.000025\"}}"), 0.0);
}

#[test]
fn a_time_that_equals_a_bound_is_within_it_and_one_beyond_all_is_counted() {
    let metrics = WebSocketMetrics::new("s", false);
    metrics.observe_latency(MessageType::Ping, Duration::from_secs(10));
    metrics.observe_latency(MessageType::Ping, Duration::from_nanos(10_000_000_001));
    metrics.observe_latency(MessageType::Ping, Duration::MAX);
    let text = metrics.render();
    let ping = |le: &str| {
        let labels = format!("server=\"s\",message_type=\"ping\",le=\"{le}\"");
        value(&text, &format!("websocket_latency_seconds_bucket{{{labels}}}"))
    };
    assert_eq!((ping("5"), ping("10"), ping("+Inf")), (0.0, 1.0, 3.0));
}

#[test]
fn classes_are_bounded_over_all_threads_and_the_rest_is_other() {
    let metrics = WebSocketMetrics::new("s", false);
    let broadcast = |name: String| metrics.on_broadcast(&name, 1, Duration::ZERO);
    broadcast("other:1".into());
    thread::scope(|scope| {
        for worker in 0..4 {
            let broadcast = &broadcast;
            scope.spawn(move || (0..60).for_each(|i| broadcast(format!("c{}:x", worker * 60 + i))));
        }
    });
    let text = metrics.render();
    let totals = || text.lines().filter(|line| line.starts_with("websocket_broadcast_total{"));
    assert_eq!(totals().count(), MAX_CLASSES + 1);
    let other = "websocket_broadcast_total{server=\"s\",channel=\"other\"}";
    assert_eq!(value(&text, other), 1.0 + 240.0 - MAX_CLASSES as f64);
}

#[test]
fn metrics_that_are_off_cost_nothing_and_show_nothing() {
    let metrics = WebSocketMetrics::disabled();
    work(&metrics, 3);
    metrics.on_disconnect();
    assert!(!metrics.is_enabled());
    assert_eq!(metrics.render(), "");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let server = metrics.start_metrics_server(port).expect("no port is asked for");
    assert_eq!(server.local_addr(), None);
}

#[test]
fn the_metrics_server_answers_scrapes_on_loopback() {
    let metrics = WebSocketMetrics::new("s", false);
    let server = metrics.start_metrics_server(0).expect("a free port");
    let at = server.local_addr().expect("it listens");
    assert!(at.ip().is_loopback());
    work(&metrics, 2);
    let scrape = say(at, b"GET /metrics?x=1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n");
    let (head, body) = scrape.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    assert_eq!(body, metrics.render());

    // A scraper that sends nothing delays the next one only until its timeout; a malformed request
    // is answered.
    let long = [b"GET /".as_slice(), &[b'a'; SCRAPE_HEAD], b" "].concat();
    for (request, status) in [
        (b"GET / HTTP/1.1\r\n\r\n".as_slice(), "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"GET /metrics HTTP/1.1\r\nHost: evil.example:1\r\n\r\n", "403"),
        (b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", "200"),
        (b"\x16\x03\x01\x00\x00", "400"),
        (&long, "400"),
    ] {
        let answer = say(at, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[test]
fn a_port_in_use_is_an_error_that_says_so() {
    let metrics = WebSocketMetrics::new("s", false);
    let first = metrics.start_metrics_server(0).expect("a free port");
    let port = first.local_addr().expect("it listens").port();
    let error = metrics.start_metrics_server(port).expect_err("it is taken");
    assert!(matches!(error, MetricsServerError::PortInUse(taken) if taken == port), "{error:?}");
    assert!(error.to_string().contains(&format!("port {port} is taken")), "{error}");
    drop(first);
    let again = metrics.start_metrics_server(port).expect("it is free again");
    assert_eq!(again.local_addr().expect("it listens").port(), port);
}

#[test]
fn the_metrics_server_ends_when_its_handle_is_dropped_whoever_is_connected() {
    let metrics = WebSocketMetrics::new("s", false);
    let server = metrics.start_metrics_server(0).expect("a free port");
    let at = server.local_addr().expect("it listens");
    let mut silent = TcpStream::connect(at).expect("it listens");
    silent.write_all(b"GET /met").expect("it reads");
    drop(server);
    // Its thread was joined: it has closed its connections, and the port is free.
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    assert!(TcpStream::connect(at).is_err());
}

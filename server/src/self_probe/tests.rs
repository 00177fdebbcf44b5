use super::*;
use uringcast_engine::{Config, Engine, ProbeKey, Proxies, Service, ServiceId};

fn engine(key: ProbeKey) -> Engine {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    Engine::start(Config {
        shards: Some(2),
        probe: Some(key),
        ..Config::from(Service { listen, ..Service::default() })
    })
    .unwrap()
}

fn probes(engine: &Engine, connector: Connector) -> (SelfProbes, Health, Metrics) {
    let health = Health::new(engine.shards());
    let services = [Service { name: "s".into(), ..Service::default() }].into();
    let metrics = Metrics::new("s", services, engine.shards(), None);
    let probes = SelfProbes::new(
        connector,
        engine.publisher(ServiceId(0)),
        Some(metrics.clone()),
        health.clone(),
    );
    (probes, health, metrics)
}

fn value(metrics: &Metrics, series: &str) -> f64 {
    let text = metrics.render().unwrap();
    let line = text.lines().find(|line| line.starts_with(series));
    line.unwrap_or_else(|| panic!("no {series}")).rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn every_shard_has_a_canary_that_hears_its_probes() {
    let key = ProbeKey::new(7);
    let engine = engine(key);
    let (mut probes, health, metrics) =
        probes(&engine, Connector::new(engine.local_addrs()[0], key, false, Proxies::default()));
    // With so many dials it takes two rounds at most, whatever the kernel chooses.
    for _ in 0..3 {
        probes.round().await;
    }
    assert!(probes.listeners.iter().all(Option::is_some));
    assert_eq!(health.failing(), None);
    for shard in 0..2 {
        let count = format!("canary_latency_seconds_count{{server=\"s\",shard=\"{shard}\"");
        assert!(value(&metrics, &count) >= 1.0);
    }
    drop(probes);
    engine.drain(Duration::ZERO);
}

#[tokio::test]
async fn a_canary_that_cannot_connect_fails_after_some_misses_and_recovers() {
    let key = ProbeKey::new(7);
    let engine = engine(key);
    // A listener that accepts connections and never answers, as a shard that hangs.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut probes, health, metrics) =
        probes(&engine, Connector::new(deaf.local_addr().unwrap(), key, false, Proxies::default()));
    for round in 1..=CANARY_MISSES {
        assert_eq!(health.failing(), None, "before round {round}");
        probes.round().await;
    }
    assert_eq!(health.failing(), Some(0));
    let failures = "canary_failures_total{server=\"s\",shard=\"1\"}";
    assert_eq!(value(&metrics, failures), f64::from(CANARY_MISSES));

    probes.connector = Connector::new(engine.local_addrs()[0], key, false, Proxies::default());
    for _ in 0..3 {
        probes.round().await;
    }
    assert_eq!(health.failing(), None, "all is well again");
    drop(probes);
    engine.drain(Duration::ZERO);
}

#[tokio::test]
async fn a_wrong_key_is_a_client_that_hears_no_probes() {
    let engine = engine(ProbeKey::new(7));
    let connector =
        Connector::new(engine.local_addrs()[0], ProbeKey::new(8), false, Proxies::default());
    let (mut probes, _, metrics) = probes(&engine, connector);
    probes.round().await;
    let failures = "canary_failures_total{server=\"s\",shard=\"0\"}";
    assert_eq!(value(&metrics, failures), 1.0);
    drop(probes);
    engine.drain(Duration::ZERO);
}

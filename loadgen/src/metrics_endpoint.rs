//! `--metrics-port`: a run in progress as Prometheus reads it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus::{Gauge, GaugeVec, IntCounter, IntGauge, Opts, Registry, TextEncoder};

use crate::error::OperatorError;
use crate::moment::Moment;

/// How often the thread looks for a connection; a scrape takes this much longer at most.
const PAUSE: Duration = Duration::from_millis(20);
/// A scraper that is slower is cut.
const PATIENCE: Duration = Duration::from_secs(1);
/// A longer request is none of a scraper.
const MAX_REQUEST: usize = 8 * 1024;

/// The endpoint, until it is dropped.
pub(crate) struct MetricsEndpoint {
    metrics: Metrics,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Metrics {
    connected: IntGauge,
    disconnected: IntCounter,
    published: IntCounter,
    deliveries: IntCounter,
    missing: IntGauge,
    left: Gauge,
    latency: GaugeVec,
}

impl Metrics {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name, help| IntCounter::new(name, help);
        let metrics = Self {
            connected: IntGauge::new("loadgen_subscribers", "Subscribers connected now.")?,
            disconnected: counter("loadgen_disconnects_total", "Subscribers lost.")?,
            published: counter("loadgen_published_total", "Messages sent.")?,
            deliveries: counter("loadgen_deliveries_total", "Deliveries without duplicates.")?,
            missing: IntGauge::new("loadgen_missing", "Messages left out that have not come.")?,
            left: Gauge::new("loadgen_remaining_seconds", "Until the last message is due.")?,
            latency: GaugeVec::new(
                Opts::new(
                    "loadgen_latency_seconds",
                    "From the time a delivery's message was due, since the beginning of the run.",
                ),
                &["quantile"],
            )?,
        };
        registry.register(Box::new(metrics.connected.clone()))?;
        registry.register(Box::new(metrics.disconnected.clone()))?;
        registry.register(Box::new(metrics.published.clone()))?;
        registry.register(Box::new(metrics.deliveries.clone()))?;
        registry.register(Box::new(metrics.missing.clone()))?;
        registry.register(Box::new(metrics.left.clone()))?;
        registry.register(Box::new(metrics.latency.clone()))?;
        Ok(metrics)
    }
}

impl MetricsEndpoint {
    /// Listens; port 0 is any.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub(crate) fn start(host: IpAddr, port: u16) -> Result<Self, OperatorError> {
        let bad = |error: String| {
            OperatorError(format!("--metrics-port {port}: {error}; give a free port"))
        };
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).map_err(|error| bad(error.to_string()))?;
        let listener = TcpListener::bind((host, port)).map_err(|error| bad(error.to_string()))?;
        listener.set_nonblocking(true).map_err(|error| bad(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| bad(error.to_string()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !flag.load(Relaxed) {
                match listener.accept() {
                    // A scraper that goes away is its own matter.
                    Ok((stream, _)) => drop(answer(stream, &registry)),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        });
        Ok(Self { metrics, address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the figures of now.
    pub(crate) fn set(&self, moment: &Moment) {
        let Metrics { connected, disconnected, published, deliveries, missing, left, latency } =
            &self.metrics;
        connected.set(moment.connected as i64);
        missing.set(moment.missing as i64);
        left.set(moment.left.as_secs_f64());
        for (counter, now) in [
            (disconnected, moment.disconnected),
            (published, moment.published),
            (deliveries, moment.deliveries),
        ] {
            counter.inc_by(now.saturating_sub(counter.get()));
        }
        for (quantile, milliseconds) in
            [("0.5", moment.p50), ("0.99", moment.p99), ("0.999", moment.p999)]
        {
            latency.with_label_values(&[quantile]).set(milliseconds / 1e3);
        }
    }
}

impl Drop for MetricsEndpoint {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; if it did, the run has its figures all the same.
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, registry: &Registry) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MAX_REQUEST {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&buffer[..count]),
        }
    }
    let (status, body) = match request.starts_with(b"GET /metrics ") {
        true => {
            let text = TextEncoder::new().encode_to_string(&registry.gather());
            ("200 OK", text.map_err(io::Error::other)?)
        }
        false => ("404 Not Found", "see /metrics\n".into()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        prometheus::TEXT_FORMAT,
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

#[cfg(test)]
mod tests;

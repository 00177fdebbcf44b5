//! The live page: one document, made of the files in `dashboard/`, and the events that it receives
//! over the engine's WebSocket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use uringcast_engine::limits::SNAPSHOT_INTERVAL;
use uringcast_engine::{
    ChannelName, EventName, JsonObject, ProbeKey, Protocol, Publication, Publisher, Service,
};

use crate::limits::LIVE_WATCH;
use crate::settings::value::is_plain;

/// What the page shows, and how the data reaches it.
///
/// The page subscribes as a self-probe does: at a path that only [`Dashboard::describe`] returns,
/// on a channel that no client can name. A caller of `describe` may see the same there.
#[derive(Debug)]
pub struct Dashboard {
    services: Arc<[Service]>,
    /// The service with the listener that the page connects to.
    socket_service: usize,
    key: ProbeKey,
    publisher: Publisher,
    /// Seconds for which a page still counts as open.
    open_seconds: AtomicU64,
}

impl Dashboard {
    /// Publishes through `publisher`, a publisher of the service at place `socket_service`.
    pub fn new(
        services: Arc<[Service]>,
        socket_service: usize,
        key: ProbeKey,
        publisher: Publisher,
    ) -> Dashboard {
        Dashboard { services, socket_service, key, publisher, open_seconds: AtomicU64::new(0) }
    }

    /// The addresses of the services for a page that was requested at `host`. The page counts as
    /// open from now on.
    pub fn describe(&self, host: &str) -> Value {
        self.open_seconds.store(LIVE_WATCH.as_secs(), Ordering::Relaxed);
        let several = self.services.len() > 1;
        let one = |service: &Service| {
            let api = match several {
                true => format!("/v1/services/{}", service.name),
                false => "/v1".into(),
            };
            json!({
                "name": service.name,
                "url": url(service, host) + "/",
                "api": api,
                "publish": format!("{api}/publish"),
                // The protocol of session-buddy: its clients choose no channel.
                "feed": matches!(service.protocol, Protocol::Custom(_)),
            })
        };
        json!({
            "services": self.services.iter().map(one).collect::<Value>(),
            "socket": url(&self.services[self.socket_service], host) + &self.key.path(),
            "again": LIVE_WATCH.as_secs() / 2,
            "interval": SNAPSHOT_INTERVAL.as_secs(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    /// Sends what happens now to the pages, if there are any.
    pub fn publish(&self, now: &Value) {
        let left = self.open_seconds.load(Ordering::Relaxed);
        if left == 0 {
            return;
        }
        self.open_seconds.store(left - 1, Ordering::Relaxed);
        let publication = Publication {
            channel: ChannelName::probe(),
            event: EventName::parse("live.status").expect("a good name"),
            data: JsonObject::parse(now.to_string().as_bytes()).expect("an object"),
            key: None,
        };
        // If the engine refuses it, the page misses a second.
        let _ = self.publisher.try_publish(publication);
    }

    /// The policy under which a browser runs the page requested at `host`: its own script and
    /// style, this port with the client's module and the services' listeners, nothing else.
    pub fn policy(&self, host: &str) -> String {
        let Page { script, style, .. } = &*PAGE;
        // The policy cannot express IPv6 addresses: pages there poll instead.
        let sockets = self.services.iter().map(|service| url(service, host));
        let sockets: Vec<String> = sockets.filter(|url| !url.contains('[')).collect();
        format!(
            "default-src 'none'; script-src 'self' '{script}'; style-src '{style}'; img-src data:; \
             connect-src 'self' {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            sockets.join(" ")
        )
    }

    /// The document.
    pub fn page() -> &'static str {
        &PAGE.html
    }
}

/// A service's listener as a browser reaches it that found this server under `host`, a host with
/// or without a port.
fn url(service: &Service, host: &str) -> String {
    let scheme = if service.tls.is_some() { "wss" } else { "ws" };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    let local = name == "localhost" || name.starts_with("127.") || name == "[::1]";
    let address = service.listen[0];
    let (ip, port) = (address.ip(), address.port());
    // A listener on every address answers on the one the browser knows, and one on loopback
    // by whatever name the browser has for that.
    if is_plain(name, b".-_[]:") && (ip.is_unspecified() || (ip.is_loopback() && local)) {
        return format!("{scheme}://{name}:{port}");
    }
    format!("{scheme}://{address}")
}

/// The document, and the hashes by which a browser identifies its parts.
struct Page {
    html: String,
    script: String,
    style: String,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let style = include_str!("dashboard/page.css");
    let script = concat!(
        "\"use strict\";\n",
        include_str!("dashboard/format.js"),
        include_str!("dashboard/chart.js"),
        include_str!("dashboard/page.js"),
        include_str!("dashboard/find.js"),
        include_str!("dashboard/source.js"),
        include_str!("dashboard/try.js"),
    );
    let html = include_str!("dashboard/page.html")
        .replace("/* style */", style)
        .replace("/* script */", script);
    Page { html, script: hash(script), style: hash(style) }
});

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests;

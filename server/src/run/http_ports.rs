//! The HTTP ports: bound before clients connect, served once the engine runs.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uringcast_engine::ServiceId;

use crate::auth::ApiKeys;
use crate::config::Config;
use crate::http::{self, Control, PublishEndpoint};
use crate::settings::{Problem, Settings};

/// The control ports, and then the metrics ports, each with the services that it shows.
pub(super) struct HttpPorts(Vec<(TcpListener, Option<Vec<ServiceId>>)>);

impl HttpPorts {
    /// Binds all of them.
    ///
    /// # Errors
    /// A [`Problem`] with the setting that names the port or its address.
    pub(super) async fn bind(settings: &Settings, config: &Config) -> Result<HttpPorts, Problem> {
        let control = config.control.iter().map(|address| (address, None));
        let metrics = config.metrics.iter().flat_map(|endpoint| {
            endpoint.addresses.iter().map(|address| (address, Some(endpoint.services.clone())))
        });
        let mut ports = Vec::new();
        for (address, services) in control.chain(metrics) {
            let bound = TcpListener::bind(address).await;
            let problem = |error| problem(settings, name(&services), address, &error);
            ports.push((bound.map_err(problem)?, services));
        }
        Ok(HttpPorts(ports))
    }

    /// Where they listen: ` control http://… metrics http://…`.
    ///
    /// # Errors
    /// The system cannot name an address.
    pub(super) fn listening(&self) -> std::io::Result<String> {
        let (mut text, mut last) = (String::new(), "");
        for (listener, services) in &self.0 {
            let name = name(services);
            if name != last {
                text += " ";
                text += name;
                last = name;
            }
            // Writing to a String cannot fail.
            let _ = write!(text, " http://{}", listener.local_addr()?);
        }
        Ok(text)
    }

    /// Answers on all of them.
    pub(super) fn serve(
        self,
        control: &Arc<Control>,
        api_keys: &ApiKeys,
        stopped: &watch::Receiver<bool>,
    ) -> JoinSet<()> {
        let mut ports = JoinSet::new();
        for (listener, services) in self.0 {
            let control = Arc::clone(control);
            let (keys, stopped) = (api_keys.clone(), stopped.clone());
            match services {
                Some(services) => {
                    let router = http::metrics_router(control, &services);
                    ports.spawn(http::serve(listener, router, stopped))
                }
                None => {
                    let endpoint = PublishEndpoint::new(Arc::clone(&control), keys.clone());
                    let router = http::control_router(control, keys);
                    ports.spawn(http::serve_publishing(listener, router, endpoint, stopped))
                }
            };
        }
        ports
    }
}

fn name(services: &Option<Vec<ServiceId>>) -> &'static str {
    if services.is_some() { "metrics" } else { "control" }
}

fn problem(settings: &Settings, name: &str, address: &SocketAddr, error: &Error) -> Problem {
    let (part, remedy) = match error.kind() {
        ErrorKind::AddrNotAvailable => ("host", "Give an address of this machine."),
        ErrorKind::PermissionDenied => {
            ("port", "Give a port above 1023, or allow CAP_NET_BIND_SERVICE.")
        }
        _ => ("port", "Stop what listens there, or give another port."),
    };
    let reason = format!("cannot listen on {address}: {error}");
    settings.problem(&format!("{name}_{part}"), reason, remedy)
}

//! The HTTP ports: bound before clients connect, served once the engine runs.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uringcast_engine::ServiceId;

use crate::auth::ApiKeys;
use crate::config::Config;
use crate::handover::{HttpSocket, HttpSockets};
use crate::http::{self, Control, Port, PublishEndpoint};
use crate::limits::HTTP_BACKLOG;
use crate::settings::{Problem, Settings};
use crate::systemd::InheritedSockets;

/// The control ports, and then the metrics ports, each with the services that it shows.
pub(super) struct HttpPorts(Vec<HttpPort>);

struct HttpPort {
    /// As in the settings: the port may be 0.
    configured: SocketAddr,
    listener: TcpListener,
    /// The services of a metrics port.
    services: Option<Vec<ServiceId>>,
}

impl HttpPorts {
    /// Binds all of them that neither the service manager nor the server before has handed over.
    ///
    /// # Errors
    /// A [`Problem`] with the setting that names the port or its address.
    pub(super) fn bind(
        settings: &Settings,
        config: &Config,
        inherited: &mut InheritedSockets,
        handed_over: &mut HttpSockets,
    ) -> Result<HttpPorts, Problem> {
        let control = config.control.iter().map(|address| (address, None));
        let metrics = config.metrics.iter().flat_map(|endpoint| {
            endpoint.addresses.iter().map(|address| (address, Some(endpoint.services.clone())))
        });
        let mut ports = Vec::new();
        for (address, services) in control.chain(metrics) {
            let name = name(services.as_ref());
            let problem = |error| problem(settings, name, address, &error);
            let mut given = handed_over.take(name, *address).map_err(problem)?;
            for socket in inherited.of(*address) {
                given.push(adopt(&socket).map_err(problem)?);
            }
            if given.is_empty() {
                given.push(listen(*address).map_err(problem)?);
            }
            ports.extend(given.into_iter().map(|listener| HttpPort {
                configured: *address,
                listener,
                services: services.clone(),
            }));
        }
        Ok(HttpPorts(ports))
    }

    /// The ports of the control port's addresses.
    ///
    /// # Errors
    /// The system cannot name an address.
    pub(super) fn control(&self) -> std::io::Result<Vec<u16>> {
        let control = self.0.iter().filter(|port| port.services.is_none());
        control.map(|port| Ok(port.listener.local_addr()?.port())).collect()
    }

    /// Where they listen: ` control http://… metrics http://…`.
    ///
    /// # Errors
    /// The system cannot name an address.
    pub(super) fn listening(&self) -> std::io::Result<String> {
        let (mut text, mut last) = (String::new(), "");
        for HttpPort { listener, services, .. } in &self.0 {
            let name = name(services.as_ref());
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

    /// Duplicates of the sockets, for the server that takes over.
    ///
    /// # Errors
    /// Without a free descriptor.
    pub(super) fn sockets(&self) -> std::io::Result<HttpSockets> {
        let duplicate = |port: &HttpPort| {
            let listener = port.listener.as_fd().try_clone_to_owned()?.into();
            let name = name(port.services.as_ref()).to_owned();
            Ok(HttpSocket { name, configured: port.configured, listener })
        };
        self.0.iter().map(duplicate).collect::<std::io::Result<_>>().map(HttpSockets)
    }

    /// Answers on all of them, on so many connections together at most, until `stopped`; accepts
    /// until `left`.
    pub(super) fn serve(
        self,
        control: &Arc<Control>,
        api_keys: &ApiKeys,
        connections: usize,
        (stopped, left): (&watch::Receiver<bool>, &watch::Receiver<bool>),
    ) -> JoinSet<()> {
        let share = connections / self.0.len().max(1);
        let mut ports = JoinSet::new();
        for HttpPort { listener, services, .. } in self.0 {
            let control = Arc::clone(control);
            let (keys, stopped, left) = (api_keys.clone(), stopped.clone(), left.clone());
            let given_up = control.metrics.as_ref().map(|metrics| metrics.given_up.clone());
            // A port that other machines reach may be called by any name.
            let is_local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
            match services {
                Some(services) => {
                    let router = http::metrics_router(control, &services, is_local);
                    ports.spawn(Port::new(router, share, given_up).serve(listener, stopped, left))
                }
                None => {
                    let endpoint = PublishEndpoint::new(Arc::clone(&control), keys.clone());
                    let router = http::control_router(control, keys);
                    let port = Port::new(router, share, given_up);
                    ports.spawn(port.publishing(endpoint).serve(listener, stopped, left))
                }
            };
        }
        ports
    }
}

fn adopt(socket: &std::net::TcpListener) -> std::io::Result<TcpListener> {
    let socket = socket.try_clone()?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

/// `[::]` takes IPv4 too, whatever the value of net.ipv6.bindv6only, as for clients.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
    }
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(HTTP_BACKLOG)
}

fn name(services: Option<&Vec<ServiceId>>) -> &'static str {
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

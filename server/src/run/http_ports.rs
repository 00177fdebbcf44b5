//! The HTTP ports: bound before clients connect, served once the engine runs.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use uringcast_engine::ServiceId;

use crate::auth::ApiKeys;
use crate::config::Config;
use crate::handover::{HttpSocket, HttpSockets, PortName, receive_all};
use crate::http::{self, Control, Port, PublishEndpoint};
use crate::limits::{HTTP_BACKLOG, PASSED_QUEUE};
use crate::settings::{Problem, Settings};
use crate::systemd::InheritedSockets;

/// The control ports, and then the metrics ports, each with the services that it shows.
pub(super) struct HttpPorts {
    ports: Vec<HttpPort>,
    /// Where the server before passes its connections on.
    passed: Option<UnixStream>,
}

struct HttpPort {
    name: PortName,
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
            let name = name(services.as_ref(), *address);
            let problem = |error| problem(settings, &name.name, address, &error);
            let mut given = handed_over.take(&name).map_err(problem)?;
            for socket in inherited.of(*address) {
                given.push(adopt(&socket).map_err(problem)?);
            }
            if given.is_empty() {
                given.push(listen(*address).map_err(problem)?);
            }
            ports.extend(given.into_iter().map(|listener| HttpPort {
                name: name.clone(),
                listener,
                services: services.clone(),
            }));
        }
        Ok(HttpPorts { ports, passed: handed_over.passed.take() })
    }

    /// The ports of the control port's addresses.
    ///
    /// # Errors
    /// The system cannot name an address.
    pub(super) fn control(&self) -> std::io::Result<Vec<u16>> {
        let control = self.ports.iter().filter(|port| port.services.is_none());
        control.map(|port| Ok(port.listener.local_addr()?.port())).collect()
    }

    /// Where they listen: ` control http://… metrics http://…`.
    ///
    /// # Errors
    /// The system cannot name an address.
    pub(super) fn listening(&self) -> std::io::Result<String> {
        let (mut text, mut last) = (String::new(), "");
        for HttpPort { listener, name, .. } in &self.ports {
            if name.name != last {
                text += " ";
                text += &name.name;
                last = &name.name;
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
            Ok(HttpSocket { port: port.name.clone(), listener })
        };
        let listening = self.ports.iter().map(duplicate).collect::<std::io::Result<_>>()?;
        Ok(HttpSockets { listening, passed: None })
    }

    /// Answers on all of them, on so many connections together at most, until `stopped`.
    pub(super) fn serve(
        self,
        control: &Arc<Control>,
        api_keys: &ApiKeys,
        connections: usize,
        stopped: &watch::Receiver<bool>,
    ) -> JoinSet<()> {
        let share = connections / self.ports.len().max(1);
        let (mut ports, mut takers) = (JoinSet::new(), Vec::new());
        for HttpPort { listener, services, name } in self.ports {
            let control = Arc::clone(control);
            let (taker, passed) = mpsc::channel(PASSED_QUEUE);
            takers.push((name.clone(), taker));
            let (keys, stopped, passing) =
                (api_keys.clone(), stopped.clone(), control.passing().clone());
            let given_up = control.metrics.as_ref().map(|metrics| metrics.given_up.clone());
            // A port that other machines reach may be called by any name.
            let is_local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
            match services {
                Some(services) => {
                    let router = http::metrics_router(control, &services, is_local);
                    let port = Port::new(router, share, given_up).passing(passing, name);
                    ports.spawn(port.serve(listener, stopped, passed))
                }
                None => {
                    let endpoint = PublishEndpoint::new(Arc::clone(&control), keys.clone());
                    let router = http::control_router(control, keys);
                    let port = Port::new(router, share, given_up).passing(passing, name);
                    ports.spawn(port.publishing(endpoint).serve(listener, stopped, passed))
                }
            };
        }
        if let Some(from) = self.passed {
            tokio::spawn(async move {
                if let Err(error) = receive_all(from, takers).await {
                    tracing::error!("HTTP connections of the server before are lost: {error}");
                }
            });
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

fn name(services: Option<&Vec<ServiceId>>, configured: SocketAddr) -> PortName {
    let name = if services.is_some() { "metrics" } else { "control" };
    PortName { name: name.to_owned(), configured }
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

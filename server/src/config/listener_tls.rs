//! Which TLS the settings mean. PROTOCOL §8.

use std::collections::HashSet;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use uringcast_engine::KernelTls;

use super::ProblemCollector;
use crate::limits::MAX_CERTIFICATES;
use crate::settings::value::CertKey;
use crate::settings::{Settings, TlsVersion};

/// Which certificates are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A self-signed certificate that the server makes.
    Auto {
        /// Where it is kept.
        dir: PathBuf,
        /// The names and addresses it must be valid for, the common name first.
        names: Vec<String>,
    },
    /// The operator's, the default first.
    Files(Vec<Files>),
}

/// One certificate of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The settings that name the two files, for messages.
    pub settings: [&'static str; 2],
    /// The files.
    pub pair: CertKey,
}

/// What client certificates are verified against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// Authorities that must have signed them, PEM.
    pub ca: PathBuf,
    /// Their lists of revoked certificates, PEM.
    pub crl: Option<PathBuf>,
}

/// How wss is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Which certificates.
    pub identity: Identity,
    /// Whether clients need a certificate, and which authorities may sign it.
    pub clients: Option<Clients>,
    /// The oldest version that is accepted.
    pub min_version: TlsVersion,
}

/// Applies the rules: naming a certificate or auto_cert turns TLS on, tls_enabled alone means
/// auto_cert, and whatever would be ignored silently is a problem.
pub(super) fn resolve(
    s: &Settings,
    listen: &[SocketAddr],
    state: Option<&Path>,
    faults: &mut ProblemCollector<'_>,
) -> Option<Tls> {
    let first = s.cert_file.is_some() || s.key_file.is_some();
    let files = first || s.certificate.is_some();
    if s.tls_enabled == Some(false) && (files || s.auto_cert) {
        let reason = "contradicts the certificate that is given";
        faults.add("tls_enabled", reason, "Leave tls_enabled out, or take the certificate away.");
        return None;
    }
    let on = s.tls_enabled == Some(true) || files || s.auto_cert;
    let clients = clients(s, on, faults);
    if s.ktls == KernelTls::On && !on {
        let remedy = "Turn TLS on with tls_enabled or a certificate.";
        faults.add("ktls", "asks for kernel TLS without TLS", remedy);
    }
    if !on {
        return None;
    }
    if files && s.auto_cert {
        let reason =
            if first { "contradicts cert_file and key_file" } else { "contradicts certificate" };
        faults.add("auto_cert", reason, "Leave auto_cert out to serve the certificate you name.");
    }
    let mut pairs = Vec::new();
    match (&s.cert_file, &s.key_file) {
        (Some(cert), Some(key)) => {
            let pair = CertKey { cert: cert.clone(), key: key.clone() };
            pairs.push(Files { settings: ["cert_file", "key_file"], pair });
        }
        (Some(_), None) => {
            let remedy = "Name its private key with key_file; it may be in the same file.";
            faults.add("cert_file", "has no key", remedy);
            return None;
        }
        (None, Some(_)) => {
            faults.add("key_file", "has no certificate", "Name its certificate with cert_file.");
            return None;
        }
        (None, None) => {}
    }
    let further = s.certificate.iter().flatten().cloned();
    pairs.extend(further.map(|pair| Files { settings: ["certificate"; 2], pair }));
    if pairs.len() > MAX_CERTIFICATES {
        let remedy = format!("Name at most {MAX_CERTIFICATES}.");
        faults.add("certificate", format!("makes {} certificates", pairs.len()), &remedy);
    }
    let identity = if pairs.is_empty() {
        Identity::Auto { dir: cert_dir(s, state, faults)?, names: names(s, listen) }
    } else {
        Identity::Files(pairs)
    };
    Some(Tls { identity, clients, min_version: s.tls_min_version })
}

/// Every name and address that an automatic certificate must be valid for.
fn names(settings: &Settings, listen: &[SocketAddr]) -> Vec<String> {
    let hosts = settings.host.iter().map(|host| canonical(&host.0));
    let local = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let addresses = listen.iter().map(|address| address.ip().to_string());
    let mut seen = HashSet::new();
    hosts.chain(local).chain(addresses).filter(|name| seen.insert(name.clone())).collect()
}

/// An address as it is usually written, so that names can be compared as text.
fn canonical(host: &str) -> String {
    host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |ip| ip.to_string())
}

fn clients(settings: &Settings, on: bool, faults: &mut ProblemCollector<'_>) -> Option<Clients> {
    if settings.crl_file.is_some() && settings.ca_file.is_none() {
        let remedy = "Name the authorities that sign client certificates with ca_file.";
        faults.add("crl_file", "revokes certificates that nobody asks for", remedy);
    }
    let name = if settings.ca_file.is_some() { "ca_file" } else { "verify_client" };
    match (&settings.ca_file, settings.verify_client) {
        (None, None | Some(false)) => None,
        (_, Some(true)) | (Some(_), None) if !on => {
            let remedy = "Turn TLS on with tls_enabled or a certificate.";
            faults.add(name, "asks for client certificates without TLS", remedy);
            None
        }
        (None, Some(true)) => {
            let remedy = "Name the authorities that sign client certificates with ca_file.";
            faults.add("verify_client", "has nothing to verify against", remedy);
            None
        }
        (Some(_), Some(false)) => {
            let remedy = "A ca_file demands client certificates: take one of the two away.";
            faults.add("verify_client", "contradicts ca_file", remedy);
            None
        }
        (Some(ca), _) => Some(Clients { ca: ca.clone(), crl: settings.crl_file.clone() }),
    }
}

/// Where a program keeps its state, by the values of `XDG_STATE_HOME` and `HOME`.
pub fn state_dir(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    state.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".local/state")))
}

fn cert_dir(
    settings: &Settings,
    state: Option<&Path>,
    faults: &mut ProblemCollector<'_>,
) -> Option<PathBuf> {
    let default = || state.map(|state| state.join("uringcast"));
    let dir = settings.cert_dir.clone().or_else(default);
    if dir.is_none() {
        let reason = "is not set, and neither is XDG_STATE_HOME or HOME";
        faults.add("cert_dir", reason, "Name a directory for the automatic certificate.");
    }
    dir
}

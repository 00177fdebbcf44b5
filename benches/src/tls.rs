//! TLS as a client that verifies nothing: that would be the client's cost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::NamedGroup;
use rustls::client::{
    ClientConfig, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::{SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::ServerName;
use uringcast_loadgen::insecure::AcceptAnyServerCert;
use uringcast_loadgen::transport::Tls;

/// TLS with this key exchange, which prefers AES-128-GCM as browsers do.
pub fn client(group: &'static dyn SupportedKxGroup, resumption: Resumption) -> Tls {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![group];
    provider.cipher_suites.retain(|suite| *suite != TLS13_AES_128_GCM_SHA256);
    provider.cipher_suites.insert(0, TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAnyServerCert(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = resumption;
    let server = ServerName::try_from("localhost").expect("a name");
    Tls { config: Arc::new(config), server }
}

/// Resumes sessions: every ticket is used once, the oldest first.
pub fn resumption() -> Resumption {
    Resumption::store(Arc::new(Tickets::default()))
}

/// rustls's own store keeps eight tickets of one server.
#[derive(Debug, Default)]
struct Tickets(Mutex<VecDeque<Tls13ClientSessionValue>>);

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

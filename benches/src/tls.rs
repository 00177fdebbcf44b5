//! TLS as a client that verifies nothing: that would be the client's cost.

use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::{SupportedKxGroup, aws_lc_rs};
use uringcast_loadgen::TrustAnything;

/// A client's configuration with these key exchanges.
pub fn client(groups: &[&'static dyn SupportedKxGroup]) -> ClientConfig {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = groups.to_vec();
    let provider = Arc::new(provider);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAnything(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

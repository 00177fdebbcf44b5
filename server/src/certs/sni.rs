//! Which of several certificates a client gets.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::cert_key_pair::CertKeyPair;

/// Chooses by the name in the ClientHello (RFC 6066 3), then by the signatures the client verifies.
#[derive(Debug)]
pub(super) struct SniResolver {
    /// The default first.
    keys: Vec<Arc<CertifiedKey>>,
    /// Places in `keys` by DNS name or `*.` wildcard.
    named: HashMap<String, Vec<usize>>,
}

impl SniResolver {
    pub(super) fn new(pairs: &[CertKeyPair]) -> SniResolver {
        let mut named: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, pair) in pairs.iter().enumerate() {
            for name in &pair.names {
                named.entry(name.clone()).or_default().push(place);
            }
        }
        SniResolver { keys: pairs.iter().map(|pair| Arc::clone(&pair.key)).collect(), named }
    }

    /// The best first: for this very name, for its wildcard, then all in the order given.
    fn candidates(&self, name: Option<&str>) -> impl Iterator<Item = &Arc<CertifiedKey>> {
        let exact = name.map(str::to_ascii_lowercase).unwrap_or_default();
        let wild = exact.split_once('.').map(|(_, rest)| format!("*.{rest}")).unwrap_or_default();
        let places = |name: &String| self.named.get(name).into_iter().flatten();
        let places: Vec<usize> = places(&exact).chain(places(&wild)).copied().collect();
        places.into_iter().map(|place| &self.keys[place]).chain(&self.keys)
    }
}

impl ResolvesServerCert for SniResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let verifiable =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let best = self.candidates(name).find(verifiable);
        best.or_else(|| self.candidates(name).next()).cloned()
    }
}

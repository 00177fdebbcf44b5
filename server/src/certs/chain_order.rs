//! The order of a certificate chain: TLS sends the certificate of the key first, and behind each
//! the one that signed it.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// The chain with the certificate of this key first; `None` if none is the key's.
pub(super) fn sorted(
    mut chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Option<Vec<CertificateDer<'static>>> {
    let is_leaf = |cert: &CertificateDer<'static>| {
        CertifiedKey::from_der(vec![cert.clone()], key.clone_key(), provider).is_ok()
    };
    let leaf = chain.iter().position(is_leaf)?;
    let mut sorted = vec![chain.remove(leaf)];
    while let Some(next) = chain.iter().position(|cert| signed(cert, sorted.last())) {
        sorted.push(chain.remove(next));
    }
    // What signed none of them stays behind, in its order.
    sorted.extend(chain);
    Some(sorted)
}

/// Whether an authority has the name of a certificate's issuer.
fn signed(authority: &CertificateDer<'_>, cert: Option<&CertificateDer<'_>>) -> bool {
    let parse = |cert| x509_parser::parse_x509_certificate(cert).map(|(_, cert)| cert).ok();
    cert.and_then(|cert| Some((parse(authority)?, parse(cert)?)))
        .is_some_and(|(authority, cert)| authority.subject().as_raw() == cert.issuer().as_raw())
}

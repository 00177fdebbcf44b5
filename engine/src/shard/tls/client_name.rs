//! Whose certificate a client has shown.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::limits::MAX_COMMON_NAME;

/// The common name of a client's certificate, the first of a chain that rustls has verified.
pub(super) fn common_name(chain: &[CertificateDer<'_>]) -> Option<Box<str>> {
    let (_, parsed) = X509Certificate::from_der(chain.first()?).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name[..name.floor_char_boundary(MAX_COMMON_NAME)].into())
}

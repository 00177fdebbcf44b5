//! From the certificate that a client has shown to what is kept of it.

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::limits::MAX_PEER_NAME;
use crate::types::{CertificateId, ClientCertificate};

/// What is kept of the first of a client's certificates, which rustls has verified.
///
/// # Errors
/// It cannot be read: then no revocation list could mean the connection.
pub(super) fn of(
    chain: Option<&[CertificateDer<'_>]>,
) -> Result<Option<Box<ClientCertificate>>, Error> {
    let Some(shown) = chain.and_then(|chain| chain.first()) else { return Ok(None) };
    let unreadable = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, parsed) = X509Certificate::from_der(shown).map_err(unreadable)?;
    let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let name = name.unwrap_or_default();
    let name = name[..name.floor_char_boundary(MAX_PEER_NAME)].into();
    let id = CertificateId::new(parsed.issuer().as_raw(), parsed.raw_serial());
    Ok(Some(Box::new(ClientCertificate { name, id })))
}

#[cfg(test)]
mod tests;

use super::*;

#[test]
fn a_certificate_that_cannot_be_read_is_an_error_and_none_is_none() {
    assert_eq!(of(None), Ok(None));
    let unreadable = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
    let error = of(Some(&[unreadable])).unwrap_err();
    assert_eq!(error, Error::InvalidCertificate(CertificateError::BadEncoding));
}

use super::*;

#[test]
fn a_pin_is_read_in_the_forms_that_tools_print() {
    let text = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let pin: SpkiPin = text.parse().unwrap();
    assert_eq!(pin.to_string(), format!("sha256/{text}"));
    for form in ["sha256/", "sha256//"] {
        assert_eq!(format!("{form}{text}").parse(), Ok(pin), "{form}");
    }
    for bad in ["", "sha256/", "AAAA", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF"] {
        assert!(bad.parse::<SpkiPin>().unwrap_err().contains("44 characters"), "{bad}");
    }
}

#[test]
fn a_pin_may_begin_with_a_slash() {
    let text = format!("/{}=", "A".repeat(42));
    let pin: SpkiPin = text.parse().unwrap();
    assert_eq!(pin.to_string(), format!("sha256/{text}"));
    assert_eq!(format!("sha256//{text}").parse(), Ok(pin));
}

#[test]
fn a_certificate_is_known_by_its_key() {
    let key = rcgen::KeyPair::generate().unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let digest = digest(&SHA256, &spki);
    assert_eq!(SpkiPin::of(certificate.der()).unwrap().0, digest.as_ref());
    assert_eq!(SpkiPin::of(&CertificateDer::from_slice(b"no certificate")), None);
}

//! Handshakes of clients: which certificate is sent, which clients are accepted, sessions that
//! are resumed, versions and groups.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use crate::common::file;
use crate::common::pki::{self, Authority, BOTH, Issued, load, shake};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, NamedGroup, ServerConfig};
use uringcast_server::certs::{self, TicketKeys};
use uringcast_server::config::Tls;
use uringcast_server::settings::TlsVersion;

fn common_name(der: &[u8]) -> String {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).unwrap();
    let name = parsed.subject().iter_common_name().next().unwrap();
    name.as_str().unwrap().to_owned()
}

#[test]
fn a_client_gets_the_certificate_for_the_name_it_asks_for() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::new("CA"));
    let names: [&[&str]; 3] = [&["a.example", "localhost"], &["*.b.example"], &["x.b.example"]];
    let pairs = names.iter().enumerate();
    let pairs = pairs.map(|(i, names)| ca.server(names).write(dir.path(), &i.to_string()));
    let loaded = load(&pki::tls(pairs.collect())).unwrap();
    assert_eq!(loaded.served.len(), 3);
    let client = Arc::new(pki::client(&ca.pem(), None, BOTH));
    let got = |name: &str| {
        let client = shake(&loaded.config, &client, name)?;
        Ok::<_, rustls::Error>(common_name(&client.peer_certificates().unwrap()[0]))
    };
    assert_eq!(got("a.example").unwrap(), "a.example");
    assert_eq!(got("A.Example").unwrap(), "a.example");
    assert_eq!(got("y.b.example").unwrap(), "*.b.example");
    assert_eq!(got("x.b.example").unwrap(), "x.b.example", "the name itself beats a wildcard");
    for other in ["deep.y.b.example", "b.example", "other.example", "127.0.0.1"] {
        let said = got(other).unwrap_err().to_string();
        assert!(said.contains("a.example"), "{other} gets the default: {said}");
    }
}

#[test]
fn of_two_certificates_for_a_name_a_client_gets_one_it_can_verify() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::new("CA"));
    let make = |algorithm| ca.server_with(&["localhost"], algorithm, 365);
    let ec = make(&PKCS_ECDSA_P256_SHA256).write(dir.path(), "ec");
    let rsa = make(&PKCS_RSA_SHA256).write(dir.path(), "rsa");
    let loaded = load(&pki::tls(vec![ec, rsa])).unwrap();
    for (suites, key) in
        [("ECDHE_ECDSA", "1.2.840.10045.2.1"), ("ECDHE_RSA", "1.2.840.113549.1.1.1")]
    {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains(suites));
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_root_certificates(roots(&ca))
            .with_no_client_auth();
        let client = shake(&loaded.config, &Arc::new(client), "localhost").unwrap();
        let leaf = &client.peer_certificates().unwrap()[0];
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf).unwrap();
        assert_eq!(parsed.public_key().algorithm.algorithm.to_id_string(), key, "{suites}");
    }
}

/// Makes the handshake of a client. Returns its kind, or why the client failed.
fn enter(
    server: &Arc<ServerConfig>,
    root: &str,
    identity: Option<&Issued>,
) -> Result<HandshakeKind, String> {
    let client = Arc::new(pki::client(root, identity, BOTH));
    let client = shake(server, &client, "localhost").map_err(|error| error.to_string())?;
    Ok(client.handshake_kind().unwrap())
}

#[test]
fn only_clients_with_a_good_certificate_get_in() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, other, root) = (Authority::new("CA"), Authority::new("Other"), Authority::new("Root"));
    let (good, revoked) = (ca.client(1, false), ca.client(2, false));
    let pair = root.server(&["localhost"]).write(dir.path(), "server");
    let ca_file = file(dir.path(), "ca.pem", &ca.pem());
    let crl_file = file(dir.path(), "crl.pem", &ca.revoke(&[2]));
    let load = |crl| {
        let tls = pki::with_clients(pki::tls(vec![pair.clone()]), &ca_file, crl);
        load(&tls).unwrap().config
    };
    let (checked, unchecked) = (load(Some(&*crl_file)), load(None));
    let refused = |who: Option<&Issued>, why: &str| {
        let said = enter(&checked, &root.pem(), who).unwrap_err();
        assert!(said.contains(why), "{why:?} is not in {said:?}");
    };
    assert_eq!(enter(&checked, &root.pem(), Some(&good)), Ok(HandshakeKind::Full));
    refused(None, "no certificates");
    refused(Some(&revoked), "Revoked");
    refused(Some(&ca.client(3, true)), "expired");
    refused(Some(&other.client(1, false)), "UnknownIssuer");
    refused(Some(&ca.server(&["localhost"])), "certificate");
    assert_eq!(enter(&unchecked, &root.pem(), Some(&revoked)), Ok(HandshakeKind::Full));
}

#[test]
fn files_for_client_certificates_that_cannot_be_used_are_the_operator_s_to_mend() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::new("CA"));
    let text = file(dir.path(), "text.pem", "nothing");
    let ca_file = file(dir.path(), "ca.pem", &ca.pem());
    let torn = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let torn = file(dir.path(), "torn.pem", torn);
    for (ca, crl, words) in [
        (&*text, None, "ca_file = "),
        ("/no/such", None, "ca_file = \"/no/such\": cannot be read"),
        (&*ca_file, Some("/no/such"), "crl_file = \"/no/such\": cannot be read"),
        (&*ca_file, Some(&*text), "holds no revocation list"),
        (&*ca_file, Some(&*torn), "crl_file"),
    ] {
        let tls = pki::with_clients(pki::auto(dir.path(), &[]), ca, crl);
        let said = certs::check(&tls).unwrap_err().to_string();
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
}

/// A server loaded twice with the same tickets, as by a reload.
fn loaded_twice(before: &Tls, after: &Tls) -> [Arc<ServerConfig>; 2] {
    let tickets = TicketKeys::default();
    [before, after].map(|tls| certs::load(tls, &tickets).unwrap().config)
}

#[test]
fn sessions_are_taken_up_again_also_after_a_reload() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::new("CA"));
    let tls = |name| pki::tls(vec![ca.server(&["localhost"]).write(dir.path(), name)]);
    let [before, after] = loaded_twice(&tls("old"), &tls("new"));
    for version in [&TLS13, &TLS12] {
        let client = Arc::new(pki::client(&ca.pem(), None, &[version]));
        let kind = |server| shake(server, &client, "localhost").unwrap().handshake_kind().unwrap();
        assert_eq!(kind(&before), HandshakeKind::Full);
        assert_eq!(kind(&before), HandshakeKind::Resumed);
        assert_eq!(kind(&after), HandshakeKind::Resumed);
    }
}

#[test]
fn a_client_revoked_since_cannot_take_up_its_session() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::new("CA"));
    let pair = ca.server(&["localhost"]).write(dir.path(), "server");
    let ca_file = file(dir.path(), "ca.pem", &ca.pem());
    let crl = |name, revoked: &[u64]| file(dir.path(), name, &ca.revoke(revoked));
    let tls = |crl: &str| pki::with_clients(pki::tls(vec![pair.clone()]), &ca_file, Some(crl));
    let [before, after] = loaded_twice(&tls(&crl("old", &[])), &tls(&crl("new", &[7])));
    let client = Arc::new(pki::client(&ca.pem(), Some(&ca.client(7, false)), BOTH));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let shaken = shake(&before, &client, "localhost").unwrap();
        assert_eq!(shaken.handshake_kind(), Some(kind));
    }
    let said = shake(&after, &client, "localhost").unwrap_err().to_string();
    assert!(said.contains("Revoked"), "{said}");
}

#[test]
fn the_oldest_version_is_the_one_that_was_set() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::new("CA"));
    let tls = pki::tls(vec![ca.server(&["localhost"]).write(dir.path(), "server")]);
    let only_13 = Tls { min_version: TlsVersion::Tls13, ..tls.clone() };
    for (tls, version, taken) in [
        (&tls, &TLS12, true),
        (&tls, &TLS13, true),
        (&only_13, &TLS12, false),
        (&only_13, &TLS13, true),
    ] {
        let client = Arc::new(pki::client(&ca.pem(), None, &[version]));
        let server = load(tls).unwrap().config;
        assert_eq!(shake(&server, &client, "localhost").is_ok(), taken, "{version:?}");
    }
}

#[test]
fn a_client_that_prefers_post_quantum_key_exchange_gets_it() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::new("CA"));
    let tls = pki::tls(vec![ca.server(&["localhost"]).write(dir.path(), "server")]);
    let server = load(&tls).unwrap().config;
    let groups = [
        (kx_group::X25519MLKEM768, NamedGroup::X25519MLKEM768),
        (kx_group::X25519, NamedGroup::X25519),
    ];
    for (group, name) in groups {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.kx_groups.insert(0, group);
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(&ca))
            .with_no_client_auth();
        let client = shake(&server, &Arc::new(client), "localhost").unwrap();
        assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), name);
    }
}

fn roots(ca: &Authority) -> Arc<rustls::RootCertStore> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    Arc::new(roots)
}

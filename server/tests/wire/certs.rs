//! Certificates: which are accepted, which are refused and how, and automatic ones.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::common::file;
use crate::common::pki::{self, BOTH, auto, load};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    PKCS_RSA_SHA256,
};
use rustls::ClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use uringcast_server::certs::Loaded;
use uringcast_server::config::Tls;
use uringcast_server::settings::value::CertKey;

fn tls(cert: &str, key: &str) -> Tls {
    pki::tls(vec![CertKey { cert: cert.into(), key: key.into() }])
}

fn pair(key: &KeyPair) -> (String, String) {
    let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    (params.self_signed(key).unwrap().pem(), key.serialize_pem())
}

fn names() -> Vec<String> {
    ["127.0.0.1", "localhost", "::1"].map(String::from).to_vec()
}

/// Makes the handshake of a client that trusts `root` with what is `loaded`, in memory.
fn handshake(
    loaded: &Loaded,
    root: &Path,
    name: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Result<ClientConnection, rustls::Error> {
    let client = pki::client(&fs::read_to_string(root).unwrap(), None, versions);
    pki::shake(&loaded.config, &Arc::new(client), name)
}

#[test]
fn keys_of_every_usual_kind_and_form_are_served() {
    let dir = tempfile::tempdir().unwrap();
    for algorithm in
        [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256]
    {
        let (cert, key) = pair(&KeyPair::generate_for(algorithm).unwrap());
        let (cert, key) = (file(dir.path(), "c.pem", &cert), file(dir.path(), "k.pem", &key));
        let loaded = load(&tls(&cert, &key)).unwrap();
        handshake(&loaded, cert.as_ref(), "localhost", BOTH).unwrap();
        assert!(!loaded.served[0].automatic);
    }
}

/// Made by `openssl ecparam -genkey` and `openssl genrsa -traditional`: the older forms.
#[test]
fn sec1_and_pkcs1_keys_are_read() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, arguments, header) in [
        ("ec", "ecparam -name prime256v1 -genkey -noout", "BEGIN EC PRIVATE KEY"),
        ("rsa", "genrsa -traditional 2048", "BEGIN RSA PRIVATE KEY"),
    ] {
        let (cert, key) = (dir.path().join("c.pem"), dir.path().join(format!("{kind}.pem")));
        let openssl = |arguments: &str| {
            let command = std::process::Command::new("openssl")
                .args(arguments.split_whitespace())
                .arg("-out")
                .arg(if arguments.starts_with("req") { &cert } else { &key })
                .output();
            command.is_ok_and(|output| output.status.success())
        };
        if !openssl(arguments) {
            eprintln!("SKIPPED: openssl is not installed");
            return;
        }
        assert!(fs::read_to_string(&key).unwrap().contains(header));
        assert!(openssl(&format!("req -x509 -key {} -subj /CN=localhost", key.display())));
        load(&tls(cert.to_str().unwrap(), key.to_str().unwrap())).unwrap();
    }
}

#[test]
fn bad_files_are_told_by_setting_file_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = pair(&KeyPair::generate().unwrap());
    let (_, other) = pair(&KeyPair::generate().unwrap());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let good_cert = file(dir.path(), "c.pem", &cert);
    let good_key = file(dir.path(), "k.pem", &key);
    let other = file(dir.path(), "other.pem", &other);
    let encrypted = file(dir.path(), "encrypted.pem", encrypted);
    let text = file(dir.path(), "text.pem", "not PEM at all");
    let torn = file(dir.path(), "torn.pem", &cert[..cert.len() / 2]);
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let garbled = file(dir.path(), "garbled.pem", garbled);
    let folder = dir.path().to_str().unwrap();
    for (cert, key, setting, words) in [
        ("/no/such", &*good_key, "cert_file", "cannot be read"),
        (&*good_cert, "/no/such", "key_file", "Name a file that exists."),
        (folder, &good_key, "cert_file", "Name a file, not a directory."),
        (&good_cert, &other, "key_file", "is not the key of the certificate in"),
        (&good_cert, &encrypted, "key_file", "is encrypted with a passphrase. Decrypt it"),
        (&good_cert, &text, "key_file", "holds no private key"),
        (&good_cert, &good_cert, "key_file", "holds no private key"),
        (&text, &good_key, "cert_file", "holds no certificate"),
        (&torn, &good_key, "cert_file", "is not valid PEM"),
        (&garbled, &good_key, "cert_file", "cannot be used"),
        (&good_key, &good_key, "cert_file", "holds no certificate"),
    ] {
        let problem = load(&tls(cert, key)).expect_err(words);
        let path = if setting == "cert_file" { cert } else { key };
        assert_eq!((&*problem.setting, problem.value), (setting, Some(format!("{path:?}"))));
        let said = format!("{}. {}", problem.reason, problem.remedy);
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
}

#[test]
fn a_chain_with_its_certificate_last_and_files_with_a_byte_order_mark_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let authority = pki::Authority::new("root");
    let issued = authority.server(&["localhost"]);
    let root = file(dir.path(), "root.pem", &authority.pem());
    let other = pki::Authority::new("another").pem();
    let chain = format!("\u{feff}{other}{}{}", authority.pem(), issued.cert);
    let cert = file(dir.path(), "chain.pem", &chain);
    let key = file(dir.path(), "key.pem", &format!("\u{feff}{}", issued.key));
    let loaded = load(&tls(&cert, &key)).unwrap();
    let client = handshake(&loaded, root.as_ref(), "localhost", BOTH).unwrap();
    let sent = client.peer_certificates().unwrap();
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert_eq!(sent, [der(&issued.cert), der(&authority.pem()), der(&other)]);
    assert_eq!(loaded.served[0].name, "localhost");
}

#[test]
fn an_automatic_certificate_verifies_by_name_and_by_address() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = load(&auto(dir.path(), &names())).unwrap();
    let served = &loaded.served[0];
    assert!(served.automatic);
    for name in ["localhost", "127.0.0.1", "::1"] {
        for version in BOTH {
            let client = handshake(&loaded, &served.path, name, &[version]).unwrap();
            assert_eq!(client.alpn_protocol(), Some(&b"http/1.1"[..]));
        }
    }
    handshake(&loaded, &served.path, "example.org", BOTH).unwrap_err();
    let mode = fs::metadata(dir.path().join("auto-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let der = CertificateDer::from_pem_file(&served.path).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let validity = parsed.validity();
    let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
    assert_eq!((days, parsed.subject().to_string().as_str()), (365, "CN=127.0.0.1"));
    let hex = served.fingerprint.split(':').collect::<Vec<_>>();
    assert!(hex.len() == 32 && hex.iter().all(|byte| byte.len() == 2), "{hex:?}");
}

#[test]
fn an_automatic_certificate_is_kept_while_it_is_good() {
    let dir = tempfile::tempdir().unwrap();
    let load =
        |names: &[String]| load(&auto(dir.path(), names)).unwrap().served[0].fingerprint.clone();
    let first = load(&names());
    assert_eq!(load(&names()), first);
    let reordered = load(&["127.0.0.1", "::1", "localhost"].map(String::from));
    assert_eq!(reordered, first, "the order of further names is nothing to clients");

    let mut more = names();
    more.push("example.org".into());
    let second = load(&more);
    assert_ne!(second, first, "made anew for other names");

    let (cert, key) = (dir.path().join("auto-cert.pem"), dir.path().join("auto-key.pem"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let third = load(&more);
    assert_ne!(third, second, "made anew when others may have read the key");
    fs::write(&key, pair(&KeyPair::generate().unwrap()).1).unwrap();
    let fourth = load(&more);
    assert_ne!(fourth, third, "made anew when the key is another's");
    fs::write(&cert, "torn").unwrap();
    assert_ne!(load(&more), fourth, "made anew when it cannot be read");
}

#[test]
fn an_automatic_certificate_is_renewed_before_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("auto-cert.pem"), dir.path().join("auto-key.pem"));
    let first = load(&auto(dir.path(), &names())).unwrap().served[0].fingerprint.clone();
    let own = KeyPair::from_pem(&fs::read_to_string(&key).unwrap()).unwrap();
    let keep = |days: u64| {
        let mut params = CertificateParams::new(names()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "127.0.0.1");
        let end = std::time::SystemTime::now() + std::time::Duration::from_secs(days * 86_400);
        params.not_after = end.into();
        fs::write(&cert, params.self_signed(&own).unwrap().pem()).unwrap();
        let kept = fs::read(&cert).unwrap();
        load(&auto(dir.path(), &names())).unwrap();
        fs::read(&cert).unwrap() == kept
    };
    assert!(keep(40), "still good for a while");
    assert!(!keep(20), "too close to its end");
    assert!(!first.is_empty());
}

#[test]
fn a_directory_that_cannot_hold_the_certificate_is_the_operator_s_to_mend() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = file(dir.path(), "a-file", "");
    let problem = load(&auto(&Path::new(&blocked).join("sub"), &names())).unwrap_err();
    let said = problem.to_string();
    assert!(said.starts_with("cert_dir = ") && said.contains("can write to"), "{said}");
}

#[test]
fn every_suite_is_ephemeral_and_authenticated() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = load(&auto(dir.path(), &names())).unwrap();
    for suite in &loaded.config.crypto_provider().cipher_suites {
        let name = format!("{:?}", suite.suite());
        let ephemeral = name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_");
        assert!(ephemeral && (name.contains("GCM") || name.contains("POLY1305")), "{name}");
    }
}

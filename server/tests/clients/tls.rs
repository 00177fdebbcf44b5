//! TLS clients that others wrote: openssl, curl, Python, Node, rustls; and sslscan's verdict.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use crate::common::file;
use crate::common::pki::{self, Authority, Issued};
use crate::support::tools::{program, run, run_client, run_client_with};
use crate::support::{Server, tls, ws, wss};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::version;

const TLS13: [&str; 3] =
    ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"];
const TLS12: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
];
const REQUEST: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK";

/// A server with an ECDSA and an RSA certificate, and its files.
struct Site {
    dir: tempfile::TempDir,
    ca: Authority,
    server: Server,
}

impl Site {
    fn start(flags: impl FnOnce(&std::path::Path, &Authority) -> String) -> Site {
        let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::new("CA"));
        file(dir.path(), "ca.pem", &ca.pem());
        let mut all = flags(dir.path(), &ca);
        for (name, algorithm) in [("ec", &PKCS_ECDSA_P256_SHA256), ("rsa", &PKCS_RSA_SHA256)] {
            let pair = ca.server_with(&["localhost"], algorithm, 90).write(dir.path(), name);
            all += &format!(" --certificate={}:{}", pair.cert.display(), pair.key.display());
        }
        let mut server = Server::start(&all);
        server.cert = Some(dir.path().join("ca.pem"));
        Site { dir, ca, server }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// What `openssl s_client` prints when it requests the health of the server.
    fn s_client(&self, flags: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &self.server.clients[0].to_string(), "-ign_eof"]);
        command.args(["-servername", "localhost", "-verify_return_error", "-CAfile"]);
        command.arg(self.path("ca.pem")).args(flags.split_whitespace());
        run(command, REQUEST)
    }

    fn curl(&self, flags: &str) -> String {
        let address = self.server.clients[0];
        let (ip, port) = (address.ip(), address.port());
        let mut command = Command::new("curl");
        command.args(["-sSi", "--noproxy", "*", "--max-time", "30", "--cacert"]);
        command.arg(self.path("ca.pem")).args(["--resolve", &format!("localhost:{port}:{ip}")]);
        command.args(flags.split_whitespace()).arg(format!("https://localhost:{port}/health"));
        run(command, "")
    }
}

#[test]
fn openssl_gets_every_good_cipher_and_no_other() {
    let name = "openssl_gets_every_good_cipher_and_no_other";
    let Some(_) = program(name, "openssl") else { return };
    let site = Site::start(|_, _| String::new());
    let good = TLS13.iter().map(|cipher| format!("-tls1_3 -ciphersuites {cipher}"));
    let good = good.chain(TLS12.iter().map(|cipher| format!("-tls1_2 -cipher {cipher}")));
    for flags in good {
        let (said, cipher) = (site.s_client(&flags), flags.rsplit_once(' ').unwrap().1);
        assert!(said.contains(ANSWER) && said.contains(cipher), "{flags}: {said}");
    }
    for flags in [
        "-tls1 -cipher ALL@SECLEVEL=0",
        "-tls1_1 -cipher ALL@SECLEVEL=0",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256",
        "-tls1_2 -cipher ECDHE-RSA-AES256-SHA",
        "-tls1_2 -cipher AES128-GCM-SHA256",
        "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256",
        "-tls1_2 -cipher aNULL@SECLEVEL=0",
        "-tls1_3 -groups ffdhe2048",
    ] {
        let said = site.s_client(flags);
        assert!(said.contains("alert") && !said.contains(ANSWER), "{flags}: {said}");
    }
}

#[test]
fn openssl_takes_its_session_up_again() {
    let Some(_) = program("openssl_takes_its_session_up_again", "openssl") else { return };
    let site = Site::start(|_, _| String::new());
    let session = site.path("session.pem");
    for version in ["-tls1_3", "-tls1_2"] {
        let first = site.s_client(&format!("{version} -sess_out {session}"));
        assert!(first.contains("\nNew, ") && first.contains(ANSWER), "{first}");
        let second = site.s_client(&format!("{version} -sess_in {session}"));
        assert!(second.contains("\nReused, ") && second.contains(ANSWER), "{second}");
    }
    site.server.wait_metric("uringcast_tls_handshakes_resumed_total", "", 2.0);
    site.server.wait_metric("uringcast_tls_handshakes_full_total", "", 2.0);
}

/// A client, its certificate, and texts of which the refusal has one; none if it is accepted.
type Judged = (&'static str, Option<Issued>, &'static str);

/// A server that requires certificates, and its clients. Their files are NAME.pem and NAME.key.
fn demanding() -> (Site, [Judged; 5]) {
    let site = Site::start(|dir, ca| {
        file(dir, "crl.pem", &ca.revoke(&[2]));
        let dir = dir.display();
        format!("--ca-file={dir}/ca.pem --verify-client --crl-file={dir}/crl.pem")
    });
    let stranger = Authority::new("CA").client(1, false);
    let judged: [Judged; 5] = [
        ("good", Some(site.ca.client(1, false)), ""),
        ("missing", None, "certificate required"),
        ("revoked", Some(site.ca.client(2, false)), "certificate revoked"),
        ("expired", Some(site.ca.client(3, true)), "certificate expired"),
        ("stranger", Some(stranger), "decrypt error|unknown ca|bad certificate"),
    ];
    for (who, identity, _) in &judged {
        identity.as_ref().map(|identity| identity.write(site.dir.path(), who));
    }
    (site, judged)
}

#[test]
fn client_certificates_are_judged_for_openssl_and_curl() {
    let name = "client_certificates_are_judged_for_openssl_and_curl";
    let (Some(_), Some(_)) = (program(name, "openssl"), program(name, "curl")) else { return };
    let (site, judged) = demanding();
    for (who, identity, why) in judged {
        let flags = identity.map_or(String::new(), |_| {
            let file = |end: &str| site.path(&format!("{who}.{end}"));
            format!("-cert {} -key {}", file("pem"), file("key"))
        });
        let by_openssl = site.s_client(&flags);
        let by_curl = site.curl(&flags.replace('-', "--").replace("----", "--"));
        for said in [by_openssl, by_curl] {
            assert_eq!(said.contains(ANSWER), why.is_empty(), "{who}: {said}");
            assert!(why.split('|').any(|word| said.contains(word)), "{who}: {said}");
        }
    }
}

#[test]
fn client_certificates_are_judged_for_python_and_node() {
    let name = "client_certificates_are_judged_for_python_and_node";
    let (site, _) = demanding();
    let dir = site.dir.path().to_str().unwrap();
    for script in ["tls_identity.py", "tls_identity.mjs"] {
        run_client_with(name, script, &site.server, &[("IDENTITIES", dir)]);
    }
}

#[test]
fn client_certificates_are_judged_for_rustls() {
    let (site, judged) = demanding();
    for spoken in [&version::TLS12, &version::TLS13] {
        for (who, identity, why) in &judged {
            let config = pki::client(&site.ca.pem(), identity.as_ref(), &[spoken]);
            let said = wss::Client::connect(&site.server, &config.into()).err();
            assert_eq!(said.is_none(), why.is_empty(), "{spoken:?} {who}: {said:?}");
            let said = said.map_or(String::new(), |error| error.to_string().to_lowercase());
            let words = why.replace(' ', "");
            let told = words.split('|').any(|word| said.contains(word));
            assert!(told, "{spoken:?} {who}: {said}");
        }
    }
}

#[test]
fn rustls_gets_every_cipher_of_both_versions() {
    let site = Site::start(|_, _| String::new());
    let suites = default_provider().cipher_suites;
    assert_eq!(suites.len(), TLS13.len() + TLS12.len());
    for suite in suites {
        let version = if suite.tls13().is_some() { &version::TLS13 } else { &version::TLS12 };
        let config = tls::config(&site.server, version, Some(suite));
        let mut client = ws::Client::connect_secure(&site.server, &config);
        assert_eq!(client.tls().negotiated_cipher_suite(), Some(suite));
        client.assert_alive();
    }
}

#[test]
fn curl_speaks_both_versions_and_http_1_1() {
    let Some(_) = program("curl_speaks_both_versions_and_http_1_1", "curl") else { return };
    let site = Site::start(|_, _| String::new());
    for (flags, version) in
        [("--tlsv1.2 --tls-max 1.2", "TLSv1.2 /"), ("--tlsv1.3 --tls-max 1.3", "TLSv1.3 /")]
    {
        let said = site.curl(&format!("-v {flags}"));
        let agreed = said.contains(version) && said.contains("ALPN: server accepted http/1.1");
        assert!(agreed && said.contains(ANSWER), "{said}");
    }
    let said = site.curl("--tlsv1.0 --tls-max 1.1");
    assert!(!said.contains(ANSWER), "{said}");
}

#[test]
fn python_s_ssl_works() {
    let site = Site::start(|_, _| String::new());
    run_client("python_s_ssl_works", "tls_client.py", &site.server);
}

#[test]
fn node_s_tls_works() {
    let site = Site::start(|_, _| String::new());
    run_client("node_s_tls_works", "tls_client.mjs", &site.server);
}

/// What SSL Labs' grade A asks for: no version before 1.2, nothing but forward secrecy with AEAD,
/// no weak group, no Heartbleed, no insecure renegotiation, sound certificates.
#[test]
fn sslscan_finds_nothing_weak() {
    let Some(_) = program("sslscan_finds_nothing_weak", "sslscan") else { return };
    let site = Site::start(|_, _| String::new());
    let mut command = Command::new("sslscan");
    command.args(["--no-colour", "--sni-name=localhost"]);
    command.arg(site.server.clients[0].to_string());
    let said = run(command, "");
    for old in ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"] {
        let mut lines = said.lines().filter(|line| line.starts_with(old));
        assert!(lines.all(|line| line.ends_with(" disabled") || line.contains("not vulnerable")));
        assert!(said.lines().any(|line| line.starts_with(old) && line.contains("disabled")));
    }
    let accepted: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("Preferred") || line.starts_with("Accepted"))
        .filter_map(|line| line.split_whitespace().nth(4))
        .collect();
    let good: Vec<&str> = TLS13.iter().chain(&TLS12).copied().collect();
    assert!(accepted.iter().all(|cipher| good.contains(cipher)), "{said}");
    assert!(good.iter().all(|cipher| accepted.contains(cipher)), "{said}");
    let mut groups: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("TLSv1.3  ")?.split_whitespace().nth(2))
        .collect();
    groups.sort_unstable();
    assert_eq!(groups, ["secp256r1", "secp384r1", "x25519"], "{said}");
    for fine in [
        "Session renegotiation not supported",
        "TLSv1.3 not vulnerable to heartbleed",
        "TLSv1.2 not vulnerable to heartbleed",
        "ECC Curve Name:      prime256v1",
    ] {
        assert!(said.contains(fine), "{fine:?} is not in {said}");
    }
}

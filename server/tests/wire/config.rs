//! What settings mean together: addresses, keys, TLS, and what is refused.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::common::{file, read, settings};
use uringcast_engine::AuthMode;
use uringcast_server::config::{Clients, Config, Files, Identity, Tls, state_dir};
use uringcast_server::print_config;
use uringcast_server::settings::TlsVersion;
use uringcast_server::settings::value::{CertKey, MASK};

fn resolve(flags: &[&str]) -> Result<Config, String> {
    Config::resolve(&settings(flags), Some(Path::new("/state")))
        .map_err(|problems| problems.to_string())
}

/// The rules of TLS as a table: what is given, and what it means or why it is refused.
#[test]
fn tls_rules() {
    let tls = |identity, ca: Option<&str>| {
        let clients = ca.map(|ca| Clients { ca: ca.into(), crl: None });
        Ok(Some(Tls { identity, clients, min_version: TlsVersion::Tls12 }))
    };
    let auto = |ca| {
        let names = ["127.0.0.1", "localhost", "::1"].map(String::from).into();
        tls(Identity::Auto { dir: PathBuf::from("/state/uringcast"), names }, ca)
    };
    let first = |cert: &str, key: &str| {
        let pair = CertKey { cert: cert.into(), key: key.into() };
        Files { settings: ["cert_file", "key_file"], pair }
    };
    let further = |cert, key| Files { settings: ["certificate"; 2], ..first(cert, key) };
    let files = |ca| tls(Identity::Files(vec![first("c.pem", "k.pem")]), ca);
    let two = || tls(Identity::Files(vec![further("a", "b"), further("c:d", "e")]), None);
    let three = vec![first("c.pem", "k.pem"), further("a", "b"), further("c", "d")];
    let pair = "--cert-file=c.pem --key-file=k.pem";
    let table: Vec<(String, Result<Option<Tls>, &str>)> = vec![
        (String::new(), Ok(None)),
        ("--tls-enabled=false".into(), Ok(None)),
        ("--tls-enabled".into(), auto(None)),
        ("--auto-cert".into(), auto(None)),
        ("--tls-enabled --auto-cert".into(), auto(None)),
        (pair.into(), files(None)),
        (format!("--tls-enabled {pair}"), files(None)),
        (format!("--ca-file=ca.pem {pair}"), files(Some("ca.pem"))),
        (format!("--verify-client --ca-file=ca.pem {pair}"), files(Some("ca.pem"))),
        ("--tls-enabled --ca-file=ca.pem".into(), auto(Some("ca.pem"))),
        (format!("--verify-client=false {pair}"), files(None)),
        ("--certificate=a:b,c:d:e".into(), two()),
        (format!("--certificate=a:b --certificate=c:d {pair}"), tls(Identity::Files(three), None)),
        ("--tls-enabled=false --certificate=a:b".into(), Err("contradicts the certificate")),
        ("--auto-cert --certificate=a:b".into(), Err("contradicts certificate")),
        (format!("--crl-file=r.pem {pair}"), Err("revokes certificates that nobody asks for")),
        (format!("--certificate={}", ["a:b"; 65].join(",")), Err("makes 65 certificates")),
        (format!("--tls-enabled=false {pair}"), Err("contradicts the certificate that is given")),
        ("--tls-enabled=false --auto-cert".into(), Err("contradicts the certificate")),
        (
            format!("--auto-cert {pair}"),
            Err("auto_cert = true (--auto-cert): contradicts cert_file"),
        ),
        ("--cert-file=c.pem".into(), Err("cert_file = \"c.pem\" (--cert-file): has no key")),
        ("--key-file=k.pem".into(), Err("key_file = \"k.pem\" (--key-file): has no certificate")),
        ("--ca-file=ca.pem".into(), Err("ca_file = \"ca.pem\" (--ca-file): asks for client cert")),
        ("--verify-client".into(), Err("asks for client certificates without TLS")),
        (format!("--verify-client {pair}"), Err("has nothing to verify against")),
        (format!("--verify-client=false --ca-file=ca.pem {pair}"), Err("contradicts ca_file")),
    ];
    for (flags, expected) in table {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        match (resolve(&flags).map(|config| config.tls.into_iter().next().unwrap()), expected) {
            (Ok(tls), Ok(expected)) => assert_eq!(tls, expected, "{flags:?}"),
            (Err(said), Err(words)) => assert!(said.contains(words), "{flags:?}: {said}"),
            (other, _) => panic!("{flags:?} gave {other:?}"),
        }
    }
}

#[test]
fn the_certificate_s_directory_follows_the_xdg_rules() {
    let dir = |state: Option<&str>, home: Option<&str>, flags: &[&str]| {
        let state = state_dir(state.map(OsString::from), home.map(OsString::from));
        match Config::resolve(&settings(flags), state.as_deref())
            .map(|config| config.tls.into_iter().next().unwrap().unwrap().identity)
        {
            Ok(Identity::Auto { dir, .. }) => dir.to_string_lossy().into_owned(),
            other => format!("{other:?}"),
        }
    };
    let auto = ["--auto-cert", "--cert-dir=/d"];
    assert_eq!(dir(Some("/s"), Some("/h"), &auto), "/d");
    assert_eq!(dir(Some("/s"), Some("/h"), &auto[..1]), "/s/uringcast");
    assert_eq!(dir(Some("not/absolute"), Some("/h"), &auto[..1]), "/h/.local/state/uringcast");
    assert!(dir(None, None, &auto[..1]).contains("Name a directory"));
}

#[test]
fn hosts_are_addresses_or_names_and_each_counts_once() {
    let hosts = ["--host=127.0.0.1", "--host=[::1],localhost", "--host=127.0.0.1"];
    let config = resolve(&[&hosts[..], &["--port=9000", "--auto-cert"]].concat()).unwrap();
    let listen: Vec<String> =
        config.engine.services[0].listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:9000", "[::1]:9000"]);
    let tls = config.tls[0].as_ref().unwrap();
    let Identity::Auto { names, .. } = &tls.identity else { panic!("{tls:?}") };
    assert_eq!(names[..], ["127.0.0.1", "::1", "localhost"]);
    let said = resolve(&["--host=no-such-host.invalid"]).unwrap_err();
    assert!(said.contains("host") && said.contains("stands for no address"), "{said}");
}

#[test]
fn ports_may_not_be_used_twice() {
    for (flags, words) in [
        (vec!["--control-port=8765"], "control_port = 8765 (--control-port): is the clients'"),
        (vec!["--metrics-port=8765"], "metrics_port = 8765 (--metrics-port): is the clients'"),
        (vec!["--metrics-port=8766"], "metrics_port = 8766 (--metrics-port): is the control"),
        (vec!["--host=0.0.0.0", "--control-port=8765"], "is the clients' port too"),
    ] {
        let said = resolve(&flags).unwrap_err();
        assert!(said.contains(words), "{flags:?}: {said}");
    }
    resolve(&["--port=0", "--control-port=0", "--metrics-port=0"]).unwrap();
    resolve(&["--control-host=127.0.0.2", "--control-port=8765"]).unwrap();
    resolve(&["--metrics-port=8765", "--no-metrics"]).unwrap();
}

#[test]
fn publishing_beyond_loopback_needs_a_key() {
    let said = resolve(&["--control-host=0.0.0.0"]).unwrap_err();
    assert!(said.contains("control_host = \"0.0.0.0\"") && said.contains("api_key_file"), "{said}");
    let dir = tempfile::tempdir().unwrap();
    let key = file(dir.path(), "key", "0123456789abcdef\n");
    let config = resolve(&["--control-host=0.0.0.0", "--api-key-file", &key]).unwrap();
    let sole = config.api_keys.find(b"0123456789abcdef").expect("the file's key");
    assert!(&*sole.name == "default" && sole.covers_all());
    let said = resolve(&["--api-key-file", &key, "--api-key=0123456789"]).unwrap_err();
    assert!(said.contains("contradicts api_key"), "{said}");
    let empty = file(dir.path(), "empty", "\n");
    assert!(resolve(&["--api-key-file", &empty]).unwrap_err().contains("its key is shorter"));
    let said = resolve(&["--api-key-file=/no/such/file"]).unwrap_err();
    assert!(said.contains("api_key_file = \"/no/such/file\": cannot be read"), "{said}");
}

#[test]
fn authentication_without_a_key_is_refused() {
    for mode in ["--auth-enabled=true", "--auth-enabled=optional"] {
        let said = resolve(&[mode]).unwrap_err();
        assert!(said.contains("has no key to verify tokens with"), "{said}");
        assert!(said.contains("jwt_secret_file"), "{said}");
    }
    resolve(&["--auth-enabled=false"]).unwrap();
    let mode = |flags: &[&str]| resolve(flags).unwrap().engine.services[0].access.mode;
    let secret = "--jwt-secret=an-old-oak-in-the-meadow-of-1849";
    assert_eq!(mode(&[]), AuthMode::Off);
    assert_eq!(mode(&[secret]), AuthMode::Required, "a key is given to be used");
    assert_eq!(mode(&[secret, "--auth-enabled=optional"]), AuthMode::Optional);
    assert_eq!(mode(&[secret, "--auth-enabled=false"]), AuthMode::Off);
    let dir = tempfile::tempdir().unwrap();
    for (flag, text, words) in [
        ("--jwt-public-key", "no key", "holds no public key in PEM form"),
        ("--jwks-file", "{\"keys\": 7}", "is no JWK Set: line 1"),
        ("--jwks-file", "{\"keys\": []}", "has no key that can verify"),
        ("--jwt-secret-file", "short", "its key is shorter"),
    ] {
        let path = file(dir.path(), "key", text);
        let said = resolve(&["--auth-enabled=true", flag, &path]).unwrap_err();
        assert!(said.contains(words) && said.contains(&path), "{flag}: {said}");
        assert!(!said.contains("no key to verify"), "one fault, told once: {said}");
    }
    let flags = ["--auth-enabled=true", "--jwt-secret=0123456789", "--jwt-algorithms=RS256"];
    assert!(resolve(&flags).unwrap_err().contains("leaves jwt_secret unused"));
}

#[test]
fn a_weak_token_secret_is_refused_beyond_loopback() {
    let strong = "an-old-oak-in-the-meadow-of-1849";
    for (secret, weak) in [
        (strong, false),
        ("dev-secret", true),
        ("mahavishnu-dev-secret-change-in-production", true),
        ("a-string-secret-at-least-256-bits-long", true),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true),
        (&strong[1..], true),
    ] {
        let given = format!("--jwt-secret={secret}");
        let flags = ["--auth-enabled=true", given.as_str(), "--host=0.0.0.0"];
        match resolve(&flags) {
            Ok(_) => assert!(!weak, "{secret} must be refused"),
            Err(said) => {
                assert!(weak && said.contains("is well known, or shorter"), "{said}");
                assert!(!said.contains(secret), "a secret was shown: {said}");
            }
        }
        resolve(&flags[..2]).unwrap();
        let behind = [flags[0], flags[1], "--trusted-proxies=127.0.0.1"];
        assert_eq!(resolve(&behind).is_err(), weak, "{secret}: clients of a proxy are elsewhere");
    }
}

#[test]
fn a_weak_secret_in_a_jwks_file_is_refused_where_clients_are_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    // "dev-secret" and "an-old-oak-in-the-meadow-of-1849" in base64url.
    let secrets = ["ZGV2LXNlY3JldA", "YW4tb2xkLW9hay1pbi10aGUtbWVhZG93LW9mLTE4NDk"];
    for (secret, weak) in secrets.iter().zip([true, false]) {
        let set = format!(r#"{{"keys":[{{"kty":"oct","alg":"HS256","k":"{secret}"}}]}}"#);
        let path = file(dir.path(), "jwks.json", &set);
        resolve(&["--jwks-file", &path]).unwrap();
        for clients in ["--host=0.0.0.0", "--trusted-proxies=127.0.0.1"] {
            match resolve(&["--jwks-file", &path, clients]) {
                Ok(_) => assert!(!weak, "{secret} must be refused with {clients}"),
                Err(said) => {
                    assert!(weak && said.contains("jwks_file") && said.contains(&path), "{said}");
                    assert!(said.contains("is well known, or shorter"), "{said}");
                    assert!(said.contains("openssl rand"), "{said}");
                }
            }
        }
    }
}

#[test]
fn publishers_keys_are_told_apart_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let lines = file(dir.path(), "keys", "# two\nci 0123456789 a:\nops 9876543210\n");
    let keys = resolve(&["--api-keys-file", &lines, "--api-key=hunter2hunter2"]).unwrap().api_keys;
    for (key, name) in [("0123456789", "ci"), ("9876543210", "ops"), ("hunter2hunter2", "default")]
    {
        assert_eq!(&*keys.find(key.as_bytes()).expect("known").name, name);
    }
    let said = resolve(&["--api-keys-file", &lines, "--api-keys=ci abcdefghij"]).unwrap_err();
    assert!(said.contains("two keys named ci"), "{said}");
    let said = resolve(&["--api-keys-file", &lines, "--api-key=0123456789"]).unwrap_err();
    assert!(said.contains("one key with two names, default and ci"), "{said}");
    let said = resolve(&["--api-keys=ci@elsewhere abcdefghij"]).unwrap_err();
    assert!(said.contains("ci@elsewhere, but there is no service elsewhere"), "{said}");
    assert!(said.contains("The services are: uringcast."), "{said}");
    resolve(&["--api-keys=ci@uringcast abcdefghij"]).unwrap();
    let bad = file(dir.path(), "bad", "ci 0123456789\n\nops short\n");
    let said = resolve(&["--api-keys-file", &bad]).unwrap_err();
    assert!(said.contains("line 3 is shorter") && !said.contains("0123456789"), "{said}");
    for none in ["", "# ci 0123456789\n\n"] {
        let none = file(dir.path(), "none", none);
        let said = resolve(&["--api-keys-file", &none]).unwrap_err();
        let flag = "(--api-keys-file): holds no key. Write NAME KEY";
        assert!(said.contains("api_keys_file = ") && said.contains(&none), "{said}");
        assert!(said.contains(flag), "{said}");
    }
}

/// A rule that matches nothing leaves its channels open, and says nothing.
#[test]
fn patterns_mean_what_people_write_or_are_refused() {
    let secret = "--jwt-secret=an-old-oak-in-the-meadow-of-1849";
    for (pattern, channel) in
        [("orders:*", "orders:7"), ("orders:", "orders:7"), ("dash-*", "dash-7")]
    {
        let config = resolve(&[secret, &format!("--subscribe-permission={pattern}=read")]).unwrap();
        let rule = &config.engine.services[0].access.subscribe[0];
        assert!(rule.channels.matches(channel), "{pattern} {channel}");
        let keys = resolve(&[&format!("--api-keys=ci 0123456789 {pattern}")]).unwrap().api_keys;
        assert!(keys.find(b"0123456789").unwrap().covers(channel), "{pattern} {channel}");
    }
    for pattern in ["orders:?", "*:read", "job:{id}", "dash-"] {
        for setting in ["subscribe_permission", "publish_permission"] {
            let flag = format!("--{}={pattern}=read", setting.replace('_', "-"));
            let said = crate::common::refusal(&[&flag], &[]);
            assert!(said.contains(setting) && said.contains(pattern), "{said}");
            assert!(said.contains("has a pattern that"), "{said}");
        }
        let said = crate::common::refusal(&[&format!("--api-keys=ci 0123456789 {pattern}")], &[]);
        assert!(said.contains("api_keys") && said.contains("has a pattern that"), "{said}");
    }
}

#[test]
fn a_permission_that_nothing_checks_is_refused_unless_that_is_said() {
    for setting in ["subscribe_permission", "publish_permission"] {
        let flag = format!("--{}=a:*=read", setting.replace('_', "-"));
        let said = resolve(&[&flag]).unwrap_err();
        assert!(said.contains(setting) && said.contains("protects nothing"), "{said}");
        assert!(said.contains("jwt_secret_file") && said.contains("auth_enabled"), "{said}");
        resolve(&[&flag, "--auth-enabled=false"]).unwrap();
        resolve(&[&flag, "--jwt-secret=an-old-oak-in-the-meadow-of-1849"]).unwrap();
    }
    resolve(&["--preset=mahavishnu"]).unwrap();
}

/// U+FFFD in place of other bytes would make a pattern that matches nothing.
#[test]
fn files_that_are_not_utf_8_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::write(&keys, b"ci 0123456789 gr\xf6\xdfe:*\n").unwrap();
    let said = resolve(&["--api-keys-file", &keys.to_string_lossy()]).unwrap_err();
    assert!(said.contains("api_keys_file") && said.contains("is not UTF-8"), "{said}");
    let config = dir.path().join("u.toml");
    std::fs::write(&config, b"port = 1\nsubscribe_permission = 'gr\xf6\xdfe:*=read'\n").unwrap();
    let said = crate::common::refusal(&["--config", &config.to_string_lossy()], &[]);
    assert!(said.contains("config") && said.contains("line 2 is not UTF-8"), "{said}");
}

#[test]
fn only_plain_text_beyond_loopback_is_worth_a_warning() {
    assert!(!resolve(&[]).unwrap().is_exposed_without_tls());
    assert!(resolve(&["--host=0.0.0.0"]).unwrap().is_exposed_without_tls());
    assert!(!resolve(&["--host=0.0.0.0", "--auto-cert"]).unwrap().is_exposed_without_tls());
}

#[test]
fn defaults_of_the_server_are_defaults_of_the_engine() {
    use uringcast_engine::{Config, Service};
    let ours = resolve(&[]).unwrap().engine;
    let listen = ours.services[0].listen.clone();
    let theirs: Config = Service { listen, ..Service::default() }.into();
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
}

#[test]
fn check_config_prints_what_is_in_force_and_where_it_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(dir.path(), "u.toml", "log_age = '2m'\nhost = ['127.0.0.1', '::1']\n");
    let environment = [("URINGCAST_API_KEY", "hunter2hunter2"), ("URINGCAST_LOG_BYTES", "131072")];
    let (_, given) = read(&["--config", &config, "--message-rate=0"], &environment).unwrap();
    let text = print_config::render(&given).replace(&config, "u.toml");
    assert_eq!(text, include_str!("../golden/check-config.toml"));
    assert!(text.contains(MASK) && !text.contains("hunter2"));

    let again = file(dir.path(), "again.toml", &text);
    let (_, again) = read(&["--config", &again], &environment[..1]).unwrap();
    assert_eq!(again.shown()[..again.shown().len() - 1], given.shown()[..given.shown().len() - 1]);
}

#[test]
fn headers_are_taken_from_named_networks_only() {
    let refused = resolve(&["--proxy-protocol"]).unwrap_err();
    assert!(refused.contains("proxy_protocol") && refused.contains("trusted_proxies"), "{refused}");
    let refused = crate::common::refusal(&["--trusted-proxies=10.0.0.0/8,proxy.local"], &[]);
    assert!(refused.contains("trusted_proxies") && refused.contains("10.0.0.0/8"), "{refused}");
    let proxies = |flags: &[&str]| resolve(flags).unwrap().engine.services[0].proxies.clone();
    let proxies = proxies(&["--proxy-protocol", "--trusted-proxies=10.1.2.3/8,::1"]);
    let trusts = |address: &str| proxies.trusts(address.parse().unwrap());
    assert!(proxies.protocol && trusts("10.200.0.1") && trusts("::ffff:10.0.0.1") && trusts("::1"));
    assert!(!trusts("11.0.0.1") && !trusts("::2"));
}

#[test]
fn a_byte_order_mark_of_utf_8_is_passed_over_and_utf_16_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = file(dir.path(), "c.toml", "\u{feff}port = 1234\n");
    assert_eq!(settings(&["--config", &config]).port, 1234);
    let key = file(dir.path(), "key", "\u{feff}0123456789abcdef\r\n");
    let flags = ["--api-key-file", &key, "--control-host=0.0.0.0"];
    assert!(resolve(&flags).is_ok());
    let secret = file(dir.path(), "secret", "\u{feff}0123456789abcdef0123456789abcdef");
    assert!(resolve(&["--jwt-secret-file", &secret, "--host=0.0.0.0"]).is_ok());
    let wide: Vec<u8> = "\u{feff}abcdefgh".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let path = dir.path().join("wide");
    std::fs::write(&path, wide).expect("written");
    let refusal = resolve(&["--api-key-file", path.to_str().expect("text")]).expect_err("UTF-16");
    assert!(refusal.contains("api_key_file") && refusal.contains("is in UTF-16"), "{refusal}");
    assert!(refusal.contains("Save it as UTF-8"), "{refusal}");
}

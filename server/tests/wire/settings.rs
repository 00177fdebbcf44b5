//! Settings: their sources, which one takes precedence, the errors of bad ones.

use crate::common::{file, read, refusal, settings};
use uringcast_server::args::{Action, ArgsError, command};
use uringcast_server::settings::{Source, TABLE, defaults};

const PORT: (&str, &str) = ("URINGCAST_PORT", "2000");

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(dir.path(), "u.toml", "port = 3000");
    let from = |flags: &[&str], environment: &[(&str, &str)]| {
        let (_, settings) = read(flags, environment).unwrap();
        (settings.port, settings.source("port").to_string())
    };
    let all = ["--config", &config, "--port", "1000"];
    assert_eq!(from(&all, &[PORT]), (1000, "--port".into()));
    assert_eq!(from(&all[..2], &[PORT]), (2000, "URINGCAST_PORT".into()));
    assert_eq!(from(&all[..2], &[]), (3000, config.clone()));
    assert_eq!(from(&[], &[]), (8765, "default".into()));
    assert_eq!(from(&[], &[("URINGCAST_CONFIG", &config)]), (3000, config.clone()));
}

#[test]
fn every_setting_can_be_given_in_all_three_places() {
    let dir = tempfile::tempdir().unwrap();
    for (i, setting) in TABLE.iter().enumerate().filter(|(_, setting)| setting.name != "config") {
        let (toml, text) = match (setting.hint, setting.many) {
            _ if setting.name == "cluster_age" => ("'7m'", "7m"),
            _ if setting.name == "cluster_replicas" => ("5", "5"),
            _ if setting.name == "cluster_channel_messages" => ("70", "70"),
            ("true|false", _) => ("true", "true"),
            ("PORT" | "N", _) => ("7", "7"),
            ("ADDRESS", true) => ("['127.0.0.9', '::1']", "127.0.0.9,::1"),
            ("ADDRESS", false) => ("'::1'", "::1"),
            ("CIDR", _) => ("['10.0.0.0/8', '::1']", "10.0.0.0/8,::1"),
            ("BYTES", _) => ("'2MiB'", "2MiB"),
            ("TIME", _) => ("'7s'", "7s"),
            ("NAME", _) => ("'mahavishnu'", "mahavishnu"),
            ("CERT:KEY", _) => ("['a:b', 'c:d']", "a:b,c:d"),
            ("1.2|1.3", _) => ("1.3", "1.3"),
            ("auto|on|off", _) => ("'on'", "on"),
            ("PREFIX", _) => ("'OTHER_WS'", "OTHER_WS"),
            ("id|echo", _) => ("'echo'", "echo"),
            ("own|family", _) => ("'family'", "family"),
            ("text|json", _) => ("'json'", "json"),
            ("error|warn|info|debug|trace", _) => ("'debug'", "debug"),
            ("exp|iss|aud", _) => ("['exp', 'aud']", "exp,aud"),
            ("true|false|optional", _) => ("'optional'", "optional"),
            ("PATTERN=PERMISSION", _) => ("'a:=b'", "a:=b"),
            ("'PATTERN KEY=VALUE,…'", _) => {
                ("'a:* slow=skip, log-age=7s'", "a:* slow=skip,log-age=7s")
            }
            ("PATTERN=TIME", _) => ("'a:*=5ms'", "a:*=5ms"),
            ("ORIGIN", _) => ("'https://a.example'", "https://a.example"),
            ("'NAME[@SERVICE] KEY [[RIGHTS]] [PATTERN…]'", _) => {
                ("'ci 0123456789'", "ci 0123456789")
            }
            (hint, _) if hint.starts_with("HS256|") => ("'RS256'", "RS256"),
            _ => ("'something'", "something"),
        };
        let config = file(dir.path(), "one.toml", &format!("{} = {toml}", setting.name));
        let flag = format!("--{}={text}", setting.flag());
        let shown = |flags: &[&str], environment: &[(&str, &str)]| {
            let (_, settings) = read(flags, environment).unwrap();
            assert_ne!(settings.source(setting.name), Source::Default, "{}", setting.name);
            settings.shown().swap_remove(i)
        };
        let given = shown(&[&flag], &[]);
        assert_ne!(given, defaults()[i], "{} takes what it is given", setting.name);
        assert_eq!(given, shown(&[], &[(&setting.variable(), text)]), "{}", setting.name);
        assert_eq!(given, shown(&["--config", &config], &[]), "{}", setting.name);
    }
}

#[test]
fn the_family_s_tls_variables_rank_below_ours_and_above_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(dir.path(), "u.toml", "cert_file = 'file.pem'");
    let cert = |environment: &[(&str, &str)]| {
        let (_, settings) = read(&["--config", &config], environment).unwrap();
        settings.cert_file.unwrap().to_string_lossy().into_owned()
    };
    let family = ("WEBSOCKET_CERT_FILE", "family.pem");
    assert_eq!(cert(&[family, ("URINGCAST_CERT_FILE", "ours.pem")]), "ours.pem");
    assert_eq!(cert(&[family, ("WEBSOCKET_OTHER", "is not ours to judge")]), "family.pem");
    assert_eq!(cert(&[("WEBSOCKET_CERT_FILE", "")]), "file.pem");
    let service = ("MAHAVISHNU_WS_CERT_FILE", "service.pem");
    let prefix = ("URINGCAST_TLS_ENV_PREFIX", "MAHAVISHNU_WS");
    assert_eq!(cert(&[service, family]), "family.pem");
    assert_eq!(cert(&[service, family, prefix]), "service.pem");
    assert_eq!(cert(&[family, prefix]), "file.pem");
    let config = file(dir.path(), "p.toml", "tls_env_prefix = 'MAHAVISHNU_WS'\ncert_file = 'f'");
    let (_, settings) = read(&["--config", &config], &[service]).unwrap();
    assert_eq!(settings.source("cert_file").to_string(), "MAHAVISHNU_WS_CERT_FILE");
    assert!(refusal(&["--tls-env-prefix=A-B"], &[]).contains("Write it like MAHAVISHNU_WS"));
}

#[test]
fn a_certificate_is_two_paths_with_a_colon_between_them() {
    for bad in ["chain.pem", ":key.pem", "chain.pem:", ":"] {
        let said = refusal(&["--certificate", bad], &[]);
        assert!(said.contains("Write CERT:KEY, such as chain.pem:key.pem."), "{bad}: {said}");
    }
}

#[test]
fn unknown_names_are_errors_that_suggest_the_nearest() {
    let variable = refusal(&[], &[("URINGCAST_MAX_CONECTIONS", "5")]);
    assert!(variable.contains("Did you mean URINGCAST_MAX_CONNECTIONS?"), "{variable}");
    let flag = refusal(&["--max-conections", "5"], &[]);
    assert!(flag.contains("--max-connections"), "{flag}");
    let dir = tempfile::tempdir().unwrap();
    let config = file(dir.path(), "u.toml", "max-connections = 5\nprot = 1\n[tls]\na = 1\n");
    let keys = refusal(&["--config", &config], &[]);
    assert!(keys.contains("max-connections") && keys.contains("mean max_connections?"), "{keys}");
    assert!(keys.contains("prot") && keys.contains("Did you mean port?"), "{keys}");
    assert!(keys.contains("u.toml"), "{keys}");
    let config = file(dir.path(), "nested.toml", "config = 'other.toml'");
    assert!(refusal(&["--config", &config], &[]).contains("there is no such setting"));
}

/// Without its certificate a service would speak plaintext.
#[test]
fn a_variable_that_is_nearly_one_of_a_preset_is_refused() {
    let preset = ["--preset=mahavishnu"];
    for (variable, meant) in [
        ("MAHAVISHNU_WS_CERTFILE", "MAHAVISHNU_WS_CERT_FILE"),
        ("MAHAVISHNU_CERT_FILE", "MAHAVISHNU_WS_CERT_FILE"),
        ("mahavishnu_ws_cert_file", "MAHAVISHNU_WS_CERT_FILE"),
        ("MAHAVISHNU_WS_CERT_PATH", "MAHAVISHNU_WS_CERT_FILE"),
        ("MAHAVISHNU_WS_TLS", "MAHAVISHNU_WS_"),
        ("MAHAVISHNU_JWT_SECRT", "MAHAVISHNU_JWT_SECRET"),
        ("MAHAVISHNU_AUTH_ENABLE", "MAHAVISHNU_AUTH_ENABLED"),
        ("WEBSOCKET_KEYFILE", "WEBSOCKET_KEY_FILE"),
        ("URINCAST_API_KEY_FILE", "URINGCAST_API_KEY_FILE"),
    ] {
        let said = refusal(&preset, &[(variable, "x")]);
        assert!(said.contains(variable) && said.contains("no such environment"), "{said}");
        assert!(said.contains(&format!("Did you mean {meant}")), "{said}");
        read(&preset, &[(variable, "")]).unwrap();
    }
    // Those of other programs, and of the family's other services.
    for variable in [
        "MAHAVISHNU_WS_PORT",
        "MAHAVISHNU_DATABASE_URL",
        "AKOSHA_WS_CERTFILE",
        "WEBSOCKET_OTHER",
        "SSL_CERT_FILE",
        "PATH",
    ] {
        read(&preset, &[(variable, "x")]).unwrap();
        read(&["--tls-env-prefix=WS"], &[(variable, "x")]).unwrap();
    }
}

#[test]
fn every_bad_value_is_told_at_once_with_setting_value_source_and_remedy() {
    let bad = [("URINGCAST_SHARDS", "65"), ("URINGCAST_LOG_LEVEL", "loud")];
    let flags = ["--port=70000", "--max-message-size=1MB", "--log-age=soon", "--auto-cert=maybe"];
    let said = refusal(&flags, &bad);
    for words in [
        "port = \"70000\" (--port): is not a port. Give a number from 1 to 65535",
        "max_message_size = \"1MB\" (--max-message-size): is not a size. Give a size from",
        "log_age = \"soon\" (--log-age): is not a time",
        "auto_cert = \"maybe\" (--auto-cert): is neither true nor false. Write true or false.",
        "shards = \"65\" (URINGCAST_SHARDS): is out of range. Give 1 to 64.",
        "log_level = \"loud\" (URINGCAST_LOG_LEVEL): is not one of the choices. Choose one of",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    assert_eq!(said.lines().count(), 6, "{said}");
}

#[test]
fn sizes_and_times_take_units() {
    let settings = settings(&["--max-message-size=2MiB", "--log-age=90", "--drain-timeout=1m 30s"]);
    assert_eq!(settings.max_message_size.0, 2 << 20);
    assert_eq!(settings.log_age.0, settings.drain_timeout.0);
    let plain =
        crate::common::settings(&["--max-message-size", "1048576", "--keepalive-interval=1500ms"]);
    assert_eq!(plain.max_message_size.0, 1 << 20);
    assert_eq!(plain.keepalive_interval.0.as_millis(), 1500);
    let huge = refusal(&["--max-message-size=99999999999999999999GiB"], &[]);
    assert!(huge.contains("is not a size"), "{huge}");
}

#[test]
fn a_secret_is_in_no_message() {
    let said = refusal(&["--api-key", "short"], &[]);
    assert!(said.contains("api_key = ********") && !said.contains("short\""), "{said}");
    let dir = tempfile::tempdir().unwrap();
    let config = file(dir.path(), "u.toml", "port = 1\napi_key = \"hunter2hunter2\" oops\n");
    let said = refusal(&["--config", &config], &[]);
    assert!(said.contains("line 2 is not TOML") && !said.contains("hunter2"), "{said}");
    let settings = settings(&["--api-key", "hunter2hunter2"]);
    assert!(!format!("{:?}", settings.api_key).contains("hunter2"));
}

#[test]
fn the_command_line_is_well_formed_and_a_bare_switch_is_true() {
    command().debug_assert();
    let checks = Action::CheckConfig { changed: false, json: false };
    assert_eq!(read(&["check-config"], &[]).unwrap().0, checks);
    assert_eq!(read(&["--tls-enabled"], &[]).unwrap().1.tls_enabled, Some(true));
    let (action, settings) = read(&["--tls-enabled", "check-config"], &[]).unwrap();
    assert_eq!((action, settings.tls_enabled), (checks, Some(true)));
    assert!(matches!(read(&["--help"], &[]), Err(ArgsError::Usage(usage)) if !usage.use_stderr()));
}

#[test]
fn every_group_stands_together_in_the_help() {
    let mut groups: Vec<&str> = TABLE.iter().map(|setting| setting.group).collect();
    groups.dedup();
    let mut distinct = groups.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(groups.len(), distinct.len());
    let mut all = command();
    let serve = all.find_subcommand_mut("serve").unwrap();
    let help = serve.render_long_help().to_string();
    for setting in TABLE {
        assert!(help.contains(&format!("--{}", setting.flag())), "{}", setting.name);
        assert!(help.contains(&setting.variable()), "{}", setting.name);
    }
}

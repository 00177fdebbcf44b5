//! The presets: what they set, what overrides them, and a server of each.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use crate::common::{file, read, refusal};
use crate::support::ws::Client;
use crate::support::{PROGRAM, Server, text};
use serde_json::{Value, json};
use uringcast_engine::{AuthMode, ChannelName, ChannelPattern};
use uringcast_server::args;
use uringcast_server::config::Config;
use uringcast_server::presets;
use uringcast_server::settings::TABLE;

#[test]
fn every_preset_speaks_of_settings_and_channels_that_can_be() {
    assert_eq!(presets::all().len(), 7);
    for preset in presets::all() {
        let sources = args::preset_sources(preset);
        for name in ["port", "metrics_port", "server_name", "welcome_message"] {
            assert!(sources.text(name).is_some(), "{}: {name}", preset.name);
        }
        for name in preset.variables.keys() {
            assert!(TABLE.iter().any(|setting| setting.name == name), "{}: {name}", preset.name);
        }
        for channel in &preset.channels {
            ChannelName::parse(&channel.name).unwrap();
            assert!(!channel.events.is_empty(), "{}", channel.name);
            for event in &channel.events {
                let data: Value = serde_json::from_str(&event.data).unwrap();
                assert!(data.is_object(), "{}: {data}", event.name);
            }
        }
    }
}

#[test]
fn every_setting_in_a_preset_is_known() {
    for preset in presets::all() {
        let text: toml::Table = toml::from_str(preset.text).unwrap();
        for name in text["settings"].as_table().unwrap().keys() {
            assert!(TABLE.iter().any(|setting| setting.name == name), "{}: {name}", preset.name);
        }
    }
}

#[test]
fn a_preset_is_weaker_than_the_file_and_stronger_than_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(dir.path(), "u.toml", "preset = 'fastblocks'\nport = 3000");
    let port = |flags: &[&str], environment: &[(&str, &str)]| {
        let settings = read(flags, environment).unwrap().1;
        (settings.port, settings.source("port").to_string())
    };
    let preset = "--preset=mahavishnu";
    assert_eq!(port(&[preset], &[]), (8690, "preset mahavishnu".into()));
    assert_eq!(port(&["--config", &config], &[]), (3000, config.clone()));
    let environment = [("URINGCAST_PORT", "2000")];
    assert_eq!(port(&["--config", &config], &environment).0, 2000);
    assert_eq!(port(&[preset, "--port=1000"], &environment).0, 1000);
    let flags = ["--config", &config, preset];
    let settings = read(&flags, &[]).unwrap().1;
    assert_eq!((settings.port, settings.max_connections.0), (3000, 1000), "the flag's preset");
    assert_eq!(read(&flags[..2], &[]).unwrap().1.max_connections.0, 100, "the file's preset");
}

#[test]
fn a_preset_s_own_variables_come_before_the_family_s() {
    let cert = |preset: &str, environment: &[(&str, &str)]| {
        let settings = read(&[preset], environment).unwrap().1;
        settings.cert_file.map(|path| path.to_string_lossy().into_owned())
    };
    let own = ("MAHAVISHNU_WS_CERT_FILE", "own.pem");
    let family = ("WEBSOCKET_CERT_FILE", "family.pem");
    let ours = ("URINGCAST_CERT_FILE", "ours.pem");
    let mahavishnu = "--preset=mahavishnu";
    assert_eq!(cert(mahavishnu, &[family, own]).unwrap(), "own.pem");
    assert_eq!(cert(mahavishnu, &[family]).unwrap(), "family.pem");
    assert_eq!(cert(mahavishnu, &[family, own, ours]).unwrap(), "ours.pem");
    assert_eq!(cert("--preset=dhruva", &[own]), None);
    let enabled = [("MAHAVISHNU_WS_TLS_ENABLED", "true")];
    assert_eq!(read(&[mahavishnu], &enabled).unwrap().1.tls_enabled, Some(true));
}

#[test]
fn the_original_s_variables_turn_authentication_on_and_off() {
    let mode = |preset: &str, environment: &[(&str, &str)]| {
        let settings = read(&[&format!("--preset={preset}")], environment).unwrap().1;
        let config = Config::resolve(&settings, None).unwrap();
        config.engine.services[0].access.mode
    };
    const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";
    for preset in presets::all() {
        let first = |setting: &str| preset.variables[setting][0].as_str();
        let (secret, enabled) = (first("jwt_secret"), first("auth_enabled"));
        let name = preset.environment.trim_end_matches("_WS");
        assert_eq!(secret, format!("{name}_JWT_SECRET"));
        assert_eq!(enabled, format!("{name}_AUTH_ENABLED"));
        assert_eq!(mode(&preset.name, &[]), AuthMode::Off, "as the originals start by themselves");
        assert_eq!(mode(&preset.name, &[(secret, SECRET)]), AuthMode::Required);
        for (word, is) in [("true", AuthMode::Required), ("yes", AuthMode::Required)] {
            assert_eq!(mode(&preset.name, &[(secret, SECRET), (enabled, word)]), is, "{word}");
        }
        for word in ["false", "no", "0"] {
            assert_eq!(mode(&preset.name, &[(secret, SECRET), (enabled, word)]), AuthMode::Off);
        }
        let said = read(&[&format!("--preset={}", preset.name)], &[(enabled, "true")]).unwrap().1;
        let said = Config::resolve(&said, None).unwrap_err().to_string();
        assert!(said.contains(enabled) && said.contains("has no key"), "{said}");
    }
    let own = [("BODAI_SHARED_SECRET", "shared-by-all-services-of-the-family"), ("X", "")];
    assert_eq!(mode("crackerjack", &own), AuthMode::Required);
    assert_eq!(mode("akosha", &own), AuthMode::Off);
    let both = [own[0], ("CRACKERJACK_JWT_SECRET", SECRET)];
    let settings = read(&["--preset=crackerjack"], &both).unwrap().1;
    assert_eq!(settings.source("jwt_secret").to_string(), "CRACKERJACK_JWT_SECRET");
    let origins = [("FASTBLOCKS_WS_ALLOWED_ORIGINS", "https://a.example, http://localhost:3000,")];
    let settings = read(&["--preset=fastblocks"], &origins).unwrap().1;
    assert_eq!(settings.allowed_origin.unwrap().len(), 2);
}

#[test]
fn what_a_preset_does_not_name_is_for_administrators() {
    for preset in presets::all().iter().filter(|preset| !preset.admin.is_empty()) {
        let settings = read(&[&format!("--preset={}", preset.name)], &[]).unwrap().1;
        let rules = settings.subscribe_permission.unwrap();
        let all = rules.iter().filter(|rule| rule.0.channels.is_all());
        assert_eq!(all.map(|rule| rule.0.permission.to_string()).collect::<Vec<_>>(), preset.admin);
        for channel in &preset.channels {
            let pattern = ChannelPattern::parse(channel.prefix()).unwrap();
            let own = rules.iter().filter(|rule| rule.0.channels == pattern);
            let own: Vec<String> = own.map(|rule| rule.0.permission.to_string()).collect();
            assert_eq!(own, channel.permissions, "{}", channel.name);
        }
    }
    // The one of the family's envelope that has no permissions, for whatever channel.
    let dhruva = presets::find("dhruva").unwrap();
    let settings = read(&["--preset=dhruva"], &[]).unwrap().1;
    assert!(dhruva.admin.is_empty() && settings.subscribe_permission.is_none());
}

#[test]
fn an_unknown_preset_is_told_with_the_nearest() {
    let said = refusal(&["--preset=mahavisnu"], &[]);
    assert!(said.contains("preset = \"mahavisnu\"") && said.contains("mean mahavishnu?"), "{said}");
}

#[test]
fn the_command_prints_them() {
    let run = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).arg("presets").args(arguments).output().unwrap();
        (output.status.code(), text(&*output.stdout))
    };
    let (code, table) = run(&[]);
    assert_eq!(code, Some(0));
    assert!(presets::all().iter().all(|preset| table.contains(&preset.name)), "{table}");
    assert_eq!(run(&["dhruva"]).1, presets::find("dhruva").unwrap().text);
    let one: Value = serde_json::from_str(&run(&["dhruva", "--json"]).1).unwrap();
    assert_eq!(one, json!(presets::find("dhruva")));
    let all: Value = serde_json::from_str(&run(&["--json"]).1).unwrap();
    assert_eq!(all[0]["settings"]["port"], 8690);
    assert_eq!(all[0]["channels"][1]["request"]["event"], "get_pool_status");
    assert_eq!(run(&["nobody"]).0, Some(2));
}

/// A server of a preset, but on free ports.
fn serve(preset: &str) -> Server {
    Server::start(&format!("--preset={preset} --shards=3"))
}

/// The presets that use the family's envelope.
fn enveloped() -> impl Iterator<Item = &'static presets::Preset> {
    presets::all().iter().filter(|preset| preset.protocol == presets::PresetProtocol::Envelope)
}

#[test]
fn every_preset_welcomes_by_its_name_and_counts_under_it() {
    for preset in enveloped() {
        let server = serve(&preset.name);
        let stream = std::net::TcpStream::connect(server.clients[0]).unwrap();
        let mut client = Client::upgrade(stream);
        let welcome = client.message()["data"].clone();
        assert_eq!(welcome["server"], preset.name);
        assert_eq!(
            welcome["message"],
            args::preset_sources(preset).text("welcome_message").unwrap()
        );
        let rate = (preset.name == "mahavishnu").then_some(100);
        assert_eq!(welcome["rate_limit"], json!(rate));
        let labels = format!("server=\"{}\"", preset.name);
        server.wait_metric("websocket_connections_total", &labels, 1.0);
    }
}

#[test]
fn every_status_request_is_answered_from_its_channel_s_last_event() {
    for preset in enveloped() {
        let server = serve(&preset.name);
        let mut client = Client::connect(&server);
        for channel in preset.channels.iter().filter(|channel| channel.request.is_some()) {
            let request = channel.request.as_ref().unwrap();
            let mut data = json!({});
            if let Some(key) = &request.key {
                data[key] = "x-1".into();
            }
            let ask = json!({"type": "request", "id": "q", "event": request.event, "data": data});
            let answer = client.ask(&ask);
            let mut nothing = data.clone();
            nothing["status"] = "not_found".into();
            assert_eq!((&answer["type"], &answer["data"]), (&json!("response"), &nothing));

            let name =
                channel.prefix().to_owned() + if channel.name.contains('{') { "x-1" } else { "" };
            let mut said = json!({"detail": 7});
            if let Some(key) = &request.key {
                said[key] = "x-1".into();
            }
            server.publish(&name, &said.to_string());
            let answer = client.ask(&ask);
            // The status is the event's name: `publish` calls it test.
            said["status"] = "test".into();
            assert_eq!((&answer["data"], &answer["correlation_id"]), (&said, &json!("q")));
            if request.key.is_some() {
                let answer = client.ask(&json!({"type": "request", "event": request.event}));
                assert_eq!(answer["error_code"], "INVALID_REQUEST", "{answer}");
            }
        }
        let answer = client.ask(&json!({"type": "request", "event": "get_nothing"}));
        assert_eq!(answer["error_code"], "UNKNOWN_REQUEST", "{answer}");
    }
}

#[test]
fn a_preset_s_limits_are_kept() {
    let server = serve("excalidraw");
    let mut client = Client::connect(&server);
    // 60 messages a second with a burst of 90: of 200 at once most are too many.
    for _ in 0..200 {
        client.say(&json!({"type": "ping"}));
    }
    let kinds: Vec<Value> = (0..100).map(|_| client.message()["error_code"].clone()).collect();
    assert!(kinds.contains(&json!("RATE_LIMIT_EXCEEDED")), "{kinds:?}");
    assert!(kinds[..90].iter().all(Value::is_null), "{kinds:?}");
}

//! Classes of channels: what logs keep, who may do what, and what the program says of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{file, settings};
use crate::support::{PROGRAM, Server, http, until};
use serde_json::{Value, json};
use uringcast_server::config::Config;

fn channel(server: &Server, name: &str) -> Value {
    let answer = http::get(server.control, &format!("/v1/channels/{name}"));
    serde_json::from_str(&answer.body).expect("a channel as JSON")
}

/// The class of a channel and the messages that its log holds.
fn kept(server: &Server, name: &str) -> (String, u64) {
    let channel = channel(server, name);
    let class = channel["class"].as_str().expect("a class");
    (class.to_owned(), channel["log"]["messages"].as_u64().expect("a number"))
}

fn resolve(flags: &[&str]) -> Result<Config, String> {
    Config::resolve(&settings(flags), Some(Path::new("/state")))
        .map_err(|problems| problems.to_string())
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(PROGRAM).args(arguments).env_clear().output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

#[test]
fn a_log_keeps_what_its_channel_s_class_says() {
    let classes = "short:* log-frames=2; short:but log-frames=3; big:* log-bytes=64KiB";
    let server = Server::start_in("--shards=2 --log-frames=5", &[("URINGCAST_CLASS", classes)]);
    let large = json!({"pad": "x".repeat(30_000)}).to_string();
    for name in ["short:1", "short:but", "other", "big:1"] {
        let data = if name == "big:1" { &large } else { "{}" };
        for _ in 0..9 {
            server.publish(name, data);
        }
    }
    for (name, class, messages) in
        [("short:1", "short:*", 2), ("short:but", "short:but", 3), ("other", "default", 5)]
    {
        assert_eq!(kept(&server, name), (class.to_owned(), messages), "{name}");
    }
    assert_eq!(kept(&server, "big:1"), ("big:*".to_owned(), 2));
}

#[test]
fn another_class_takes_effect_on_channels_that_there_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = file(dir.path(), "u.toml", "log_frames = 9\n");
    let server = Server::start(&format!("--config={config}"));
    for _ in 0..9 {
        server.publish("a:1", "{}");
    }
    assert_eq!(kept(&server, "a:1"), ("default".to_owned(), 9));
    let new = dir.path().join("new");
    fs::write(&new, "log_frames = 9\nclass = ['a:* log-frames=4']\n").expect("a file");
    fs::rename(&new, &config).expect("a file");
    until("the new class", || (kept(&server, "a:1") == ("a:*".to_owned(), 4)).then_some(()));
    server.logged("class nothing -> [\"a:* log-frames=4\"]");
    for _ in 0..9 {
        server.publish("a:1", "{}");
    }
    assert_eq!(kept(&server, "a:1"), ("a:*".to_owned(), 4));
}

#[test]
fn permissions_of_classes_are_rules_beside_the_older_settings() {
    let class = "--class=a:* subscribe=a:read, publish=a:write; b slow=skip";
    let secret = "--jwt-secret=0123456789abcdef0123456789abcdef";
    let config = resolve(&[class, secret, "--subscribe-permission=b=b:read"]).expect("good");
    let shown = |rules: Vec<uringcast_engine::Rule>| -> Vec<String> {
        rules.iter().map(|rule| format!("{}={}", rule.channels, rule.permission)).collect()
    };
    let service = &config.engine.services[0];
    assert_eq!(shown(service.subscribe_rules()), ["b=b:read", "a:*=a:read"]);
    assert_eq!(shown(service.publish_rules()), ["a:*=a:write"]);
    // What a preset says of a pattern gives way to the class.
    let preset = ["--preset=mahavishnu", secret, "--class=workflow:* subscribe=mine"];
    let config = resolve(&preset).expect("good");
    let rules = shown(config.engine.services[0].subscribe_rules());
    let of_workflow = rules.iter().filter(|rule| rule.starts_with("workflow:*"));
    assert_eq!(of_workflow.collect::<Vec<_>>(), ["workflow:*=mine"]);
}

#[test]
fn what_contradicts_a_class_is_refused_with_a_remedy() {
    let secret = "--jwt-secret=0123456789abcdef0123456789abcdef";
    for (flags, says) in [
        (
            &[secret, "--class=a:* subscribe=x", "--subscribe-permission=a:*=y"][..],
            "names a permission for a:*, and so does subscribe_permission. Leave subscribe out",
        ),
        (
            &[secret, "--class=a:* publish=x", "--publish-permission=a:=y"],
            "names a permission for a:*, and so does publish_permission",
        ),
        (&["--class=a:* history=audit"], "protects nothing with the permission of a:*"),
        (&["--class=a:* subscribe=audit"], "protects nothing with the permission of a:*"),
        (
            &["--class=a:* coalesce=2ms", "--coalesce=a:=3ms"],
            "is the second to say how long a:* waits. Say it once, there or in a class.",
        ),
        (&["--coalesce=a=2ms,a=3ms"], "is the second to say how long a waits"),
    ] {
        let error = resolve(flags).expect_err("a contradiction");
        assert!(error.contains(says), "{flags:?}: {error}");
    }
    assert!(resolve(&["--auth-enabled=false", "--class=a:* subscribe=audit"]).is_ok());
}

#[test]
fn the_command_says_which_class_a_channel_has_and_why() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = "log_age = '2m'\ncoalesce = ['a:*=5ms']\npreset = 'mahavishnu'\n\
                class = ['* slow=skip', 'a:* log-frames=7, slow-age=9s']\n";
    let config = file(dir.path(), "u.toml", text);
    let (code, out, err) = run(&["classes", "--config", &config, "a:1", "workflow:2"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let lines: Vec<String> =
        out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "a:1 at mahavishnu: class a:*".to_owned(),
        format!("log-frames 7 class a:* ({config})"),
        "log-bytes 1MiB log_bytes (default)".to_owned(),
        format!("log-age 2m log_age ({config})"),
        format!("slow skip class * ({config})"),
        "compression off default".to_owned(),
        format!("coalesce 5ms coalesce a:* ({config})"),
        format!("slow-age 9s class a:* ({config})"),
        "history on default".to_owned(),
        "workflow:2 at mahavishnu: class *".to_owned(),
        "subscribe workflow:read subscribe_permission workflow:* (preset mahavishnu)".to_owned(),
        "publish publish default".to_owned(),
    ] {
        assert!(lines.contains(&line), "{line:?} is not in {out}");
    }
    let (code, out, _) = run(&["classes", "--config", &config]);
    let rows: Vec<&str> = out.lines().map(|line| &line[..line.len().min(30)]).collect();
    assert_eq!(code, 0, "{out}");
    assert!(rows[0].starts_with("service     class"), "{out}");
    assert!(rows[1].starts_with("mahavishnu  a:*"), "narrowest first: {out}");
    assert!(rows[2].starts_with("mahavishnu  *"), "{out}");
    let (_, out, _) = run(&["classes", "--json", "--config", &config, "a:1"]);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json[0]["class"], "a:*", "{out}");
    let frames = json!({"value": "7", "setting": "class", "pattern": "a:*", "source": config});
    assert_eq!(json[0]["values"]["log-frames"], frames, "{out}");
    let (code, out, err) = run(&["classes", ""]);
    assert!(code == 2 && out.is_empty() && err.starts_with("error: NAME: "), "{err}");
}

#[test]
fn each_service_of_a_fleet_has_its_own_classes() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = "class = ['* slow=skip']\n[[service]]\nserver_name = 'one'\nport = 9001\n\
                [[service]]\nserver_name = 'two'\nport = 9002\nclass = ['b slow=latest']\n";
    let config = file(dir.path(), "u.toml", text);
    let (code, out, err) = run(&["classes", "--config", &config]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let rows: Vec<Vec<&str>> =
        out.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    let expected = [["service", "class"], ["one", "*"], ["two", "b"], ["two", "default"]];
    assert_eq!(rows[..4], expected, "{out}");
}

use super::*;
use crate::settings::Source;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let mut sources = Sources::default();
    for (name, text) in pairs {
        sources.add(Setting::find(name).unwrap().name, vec![(*text).into()], Source::Default);
    }
    Settings::read(sources).unwrap()
}

#[test]
fn a_live_setting_is_compared_with_what_runs_and_another_with_the_start() {
    let started = settings(&[("port", "1"), ("message_rate", "5"), ("api_key", "one-of-them")]);
    let new = settings(&[("port", "2"), ("message_rate", "7"), ("api_key", "two-of-them")]);
    let running = started.with_live(&new).unwrap();
    assert_eq!((running.port, running.message_rate.0), (1, 7));
    let first = Changes::between(&started, &started, &new);
    assert_eq!(first.live, ["api_key is another", "message_rate 5 -> 7"]);
    assert_eq!(first.needs_restart, ["port 1 -> 2"]);
    let again = Changes::between(&started, &running, &new);
    assert_eq!((again.live.len(), again.needs_restart), (0, vec!["port 1 -> 2".to_owned()]));
    let back = Changes::between(&started, &running, &started);
    assert_eq!((back.live.len(), back.needs_restart.len()), (2, 0));
}

#[test]
fn services_of_a_fleet_are_named_and_their_settings_compared() {
    let fleet = |rate: &str| {
        let mut base = settings(&[("message_rate", rate)]);
        for name in ["a", "b"] {
            let rate = if name == "a" { "1" } else { rate };
            base.fleet.push(settings(&[("server_name", name), ("message_rate", rate)]));
        }
        base
    };
    let (started, new) = (fleet("5"), fleet("7"));
    let changes = Changes::between(&started, &started, &new);
    assert_eq!(changes.live, ["b.message_rate 5 -> 7"]);
    assert_eq!(started.with_live(&new).unwrap().fleet[1].message_rate.0, 7);
}

use std::time::Duration;

use super::*;
use crate::config::{Access, AuthMode, Origins};

fn config(mode: AuthMode, rate: u32) -> Config {
    let access = Access { mode, ..Access::default() };
    let service = Service { access, message_rate: rate, ..Service::default() };
    Config { keepalive: Duration::from_secs(rate.into()), ..Config::from(service) }
}

#[test]
fn what_is_read_where_it_is_used_is_taken_over_and_nothing_else() {
    let (mut running, mut new) = (config(AuthMode::Required, 5), config(AuthMode::Off, 7));
    new.services[0].access.origins = Origins::Any;
    new.services[0].listen = vec!["127.0.0.1:1".parse().unwrap()];
    (new.max_channels, new.metrics) = (1, false);
    running.replace_live(&new).unwrap();
    let service = &running.services[0];
    assert_eq!((service.message_rate, running.keepalive.as_secs()), (7, 7));
    assert_eq!(service.access.origins, Origins::Any);
    assert_eq!(service.access.mode, AuthMode::Required, "verifiers run, or do not");
    assert!(service.listen.is_empty() && running.metrics && running.max_channels > 1);
}

#[test]
fn other_services_are_refused() {
    let mut running = config(AuthMode::Off, 5);
    let mut new = config(AuthMode::Off, 7);
    new.services[0].name = "another".into();
    let error = running.replace_live(&new).unwrap_err().to_string();
    assert!(error.contains("another") && error.contains("start anew"), "{error}");
    assert_eq!(running.services[0].message_rate, 5);
}

//! What contradicts itself in a configuration.

use std::num::NonZero;
use std::time::Duration;

use crate::config::{ClassRule, Config, Service};
use crate::limits::{
    MAX_CHANNEL_CLASSES, MAX_CHANNELS_PER_SHARD, MAX_COALESCING, MAX_PERMISSIONS, MAX_SERVICES,
    MAX_SHARDS,
};
use crate::types::StartError;

/// Checks the settings. Returns the number of shards.
pub(super) fn check(config: &Config, parallelism: usize) -> Result<usize, StartError> {
    let refuse = |text| Err(StartError::Config(text));
    let services = config.services.len();
    if !(1..=MAX_SERVICES).contains(&services) {
        return refuse(format!("services are {services}: have 1 to {MAX_SERVICES}"));
    }
    for (place, service) in config.services.iter().enumerate() {
        let name = &service.name;
        if config.services[..place].iter().any(|other| other.name == *name) {
            return refuse(format!("two services are called {name:?}: give each its own name"));
        }
        check_service(service)?;
    }
    let shards = config.shards.unwrap_or(parallelism.clamp(1, MAX_SHARDS));
    if !(1..=MAX_SHARDS).contains(&shards) {
        return refuse(format!("shards is {shards}: choose 1 to {MAX_SHARDS}"));
    }
    for (name, value) in [
        ("max_channels", config.max_channels),
        ("max_outbox", config.max_outbox),
        ("retention.frames", config.retention.frames),
        ("retention.bytes", config.retention.bytes),
        ("retention.shard_bytes", config.retention.shard_bytes),
    ] {
        if NonZero::new(value).is_none() {
            return refuse(format!("{name} is 0: set it to 1 or more"));
        }
    }
    if config.max_channels > MAX_CHANNELS_PER_SHARD {
        let is = config.max_channels;
        return refuse(format!("max_channels is {is}: choose 1 to {MAX_CHANNELS_PER_SHARD}"));
    }
    // Silence is measured in whole seconds.
    if config.keepalive < Duration::from_secs(1) {
        return refuse(format!("keepalive is {:?}: set it to 1 s or more", config.keepalive));
    }
    Ok(shards)
}

fn check_service(service: &Service) -> Result<(), StartError> {
    let name = &service.name;
    let refuse = |text| Err(StartError::Config(text));
    if service.listen.is_empty() {
        return refuse(format!(
            "listen of {name} is empty: name at least one address, such as 127.0.0.1:8690"
        ));
    }
    let access = &service.access;
    let permissions = service.permissions().len();
    if permissions > MAX_PERMISSIONS {
        return refuse(format!(
            "access of {name} has {permissions} permissions, `publish` included: name \
             {MAX_PERMISSIONS} at most"
        ));
    }
    for (setting, value) in [
        ("max_connections", service.max_connections),
        ("max_message", service.max_message),
        ("max_json_depth", service.max_json_depth),
        ("access.max_subscriptions", access.max_subscriptions),
    ] {
        if value == 0 {
            return refuse(format!("{setting} of {name} is 0: set it to 1 or more"));
        }
    }
    check_classes(service).map_err(StartError::Config)?;
    match Service::WELCOME_KEYS.iter().find(|key| service.welcome_extra.contains_key(**key)) {
        Some(key) => {
            refuse(format!("welcome_extra of {name} has {key}, which is taken: rename it"))
        }
        None => Ok(()),
    }
}

fn check_classes(service: &Service) -> Result<(), String> {
    let Service { name, classes, .. } = service;
    if classes.len() > MAX_CHANNEL_CLASSES {
        let are = classes.len();
        return Err(format!("classes of {name} are {are}: have {MAX_CHANNEL_CLASSES} at most"));
    }
    let access = &service.access;
    for (place, rule) in classes.iter().enumerate() {
        let ClassRule { channels, frames, bytes, coalesce, subscribe, publish, .. } = rule;
        let class = format!("class {channels} of {name}");
        if classes[..place].iter().any(|other| other.channels == *channels) {
            return Err(format!("{class} is there twice: make one of the two"));
        }
        for (field, named, rules) in
            [("subscribe", subscribe, &access.subscribe), ("publish", publish, &access.publish)]
        {
            if named.is_some() && rules.iter().any(|rule| rule.channels == *channels) {
                return Err(format!(
                    "access.{field} and {class} both name a permission: keep one of the two"
                ));
            }
        }
        for (field, value) in [("frames", frames), ("bytes", bytes)] {
            if *value == Some(0) {
                return Err(format!("{field} of {class} is 0: set it to 1 or more"));
            }
        }
        if let Some(long) = coalesce.filter(|time| *time > MAX_COALESCING) {
            let remedy = format!("set it to {MAX_COALESCING:?} at most");
            return Err(format!("coalesce of {class} is {long:?}: {remedy}"));
        }
    }
    Ok(())
}

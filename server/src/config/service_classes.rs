//! The classes of channels: those of `class`, and the short forms beside it.

use uringcast_engine::limits::MAX_CHANNEL_CLASSES;
use uringcast_engine::{Access, AuthMode, ClassRule, HistoryAccess};

use super::{ProblemCollector, access_control};
use crate::settings::{Settings, Source};

/// What clients may do, and the classes: one place for what several settings say.
pub(super) fn resolve(s: &Settings, faults: &mut ProblemCollector<'_>) -> (Access, Vec<ClassRule>) {
    let mut access = access_control::access(s);
    let mut classes: Vec<ClassRule> =
        s.class.iter().flat_map(|classes| &classes.0).map(|class| class.0.clone()).collect();
    join_permissions(s, &classes, &mut access, faults);
    for rule in s.coalesce.iter().flatten().map(|rule| &rule.0) {
        add_window(rule, &mut classes, faults);
    }
    if classes.len() > MAX_CHANNEL_CLASSES {
        let reason = format!("makes {} classes, those of coalesce counted", classes.len());
        faults.add("class", reason, &format!("Have {MAX_CHANNEL_CLASSES} at most."));
    }
    (access, classes)
}

/// What a class says of a permission, the settings in the older form must not say again. What a
/// preset says is weaker than a class that is given.
fn join_permissions(
    s: &Settings,
    classes: &[ClassRule],
    access: &mut Access,
    faults: &mut ProblemCollector<'_>,
) {
    let is_preset = |name: &str| matches!(s.source(name), Source::Preset(_));
    let subscribe = |class: &&ClassRule| class.subscribe.is_some();
    let publish = |class: &&ClassRule| class.publish.is_some();
    let guarded = [
        ("subscribe", "subscribe_permission", classes.iter().filter(subscribe).collect::<Vec<_>>()),
        ("publish", "publish_permission", classes.iter().filter(publish).collect()),
    ];
    let older = [&mut access.subscribe, &mut access.publish];
    for ((key, setting, classes), rules) in guarded.into_iter().zip(older) {
        for class in classes {
            let pattern = &class.channels;
            if is_preset(setting) && !is_preset("class") {
                rules.retain(|rule| rule.channels != *pattern);
            } else if rules.iter().any(|rule| rule.channels == *pattern) {
                let reason = format!("names a permission for {pattern}, and so does {setting}");
                let remedy = format!("Leave {key} out of the class, or {pattern} of {setting}.");
                faults.add("class", reason, &remedy);
            }
        }
    }
    let guards = |class: &&ClassRule| {
        let reads = matches!(class.history, Some(HistoryAccess::Permission(_)));
        class.subscribe.is_some() || class.publish.is_some() || reads
    };
    let is_idle = access.mode == AuthMode::Off && s.auth_enabled.is_none();
    if let Some(class) = classes.iter().find(guards)
        && is_idle
        && !is_preset("class")
    {
        let reason = format!(
            "protects nothing with the permission of {}: clients need no token",
            class.channels
        );
        let remedy = "Give jwt_secret_file, jwt_public_key or jwks_file; or set auth_enabled to \
                      false, if these channels are to be open.";
        faults.add("class", reason, remedy);
    }
}

/// Adds a window of `coalesce` to the class of its channels.
fn add_window(rule: &ClassRule, classes: &mut Vec<ClassRule>, faults: &mut ProblemCollector<'_>) {
    let pattern = &rule.channels;
    match classes.iter_mut().find(|class| class.channels == *pattern) {
        None => classes.push(rule.clone()),
        Some(class) if class.coalesce.is_none() => class.coalesce = rule.coalesce,
        Some(_) => {
            let reason = format!("is the second to say how long {pattern} waits");
            faults.add("coalesce", reason, "Say it once, there or in a class.");
        }
    }
}

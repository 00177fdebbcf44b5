//! `classes`: which class channels have, and which setting each of its values comes from.

use serde_json::{Map, Value, json};
use uringcast_engine::{
    ChannelClass, ChannelName, ChannelPattern, ClassRule, Config, HistoryAccess, Retention, Rule,
    Service,
};

use crate::settings::class_setting::{ClassField, FIELDS};
use crate::settings::{Problem, Problems, Settings, Source};

/// What is promised for some channels.
struct Promise {
    service: String,
    /// The channel that was asked about.
    channel: Option<String>,
    class: String,
    values: Vec<Promised>,
}

/// One value of it.
struct Promised {
    key: &'static str,
    value: String,
    setting: Option<&'static str>,
    pattern: Option<String>,
    source: Source,
}

/// The classes of channels of these names, each with its values and where they come from; without
/// a name the table of all classes.
///
/// # Errors
/// [`Problems`] with what is no name of a channel.
pub fn report(
    settings: &Settings,
    config: &Config,
    names: &[String],
    json: bool,
) -> Result<String, Problems> {
    let refuse = |name: &String| {
        let error = ChannelName::parse(name).err()?;
        let (reason, remedy) = (format!("{name:?} {error}"), "Give names of channels.");
        Some(Problem::new("NAME", Source::Default, reason, remedy))
    };
    let problems: Vec<Problem> = names.iter().filter_map(refuse).collect();
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let mut all = Vec::new();
    for (of_service, service) in settings.services().iter().zip(&config.services) {
        let explainer = Explainer { all: settings, of_service, service, kept: config.retention };
        match names {
            [] => all.extend(explainer.table()),
            names => all.extend(names.iter().map(|name| explainer.named(name))),
        }
    }
    Ok(match (json, names) {
        (true, _) => format!("{:#}\n", all.iter().map(shown_json).collect::<Value>()),
        (false, []) => table(&all),
        (false, _) => all.iter().map(shown).collect(),
    } + if json { "" } else { note(config) })
}

/// What of it is not in force.
fn note(config: &Config) -> &'static str {
    let off = |service: &Service| service.access.mode == uringcast_engine::AuthMode::Off;
    match config.services.iter().any(off) {
        true => "Where clients need no token (auth_enabled), no permission is checked.\n",
        false => "",
    }
}

/// One service, and what its settings say.
struct Explainer<'a> {
    all: &'a Settings,
    of_service: &'a Settings,
    service: &'a Service,
    kept: Retention,
}

impl Explainer<'_> {
    /// Every class, narrowest first.
    fn table(&self) -> Vec<Promise> {
        let rules = self.service.class_rules(|_| true);
        let of = |rule: &&ClassRule| self.promise(None, |wider| wider.covers(&rule.channels));
        let mut all: Vec<Promise> = rules.iter().map(of).collect();
        if !rules.iter().any(|rule| rule.channels.is_all()) {
            all.push(self.promise(None, ChannelPattern::is_all));
        }
        all
    }

    fn named(&self, name: &str) -> Promise {
        self.promise(Some(name), |pattern| pattern.matches(name))
    }

    /// What the rules with patterns about the channels say.
    fn promise(&self, name: Option<&str>, about: impl Fn(&ChannelPattern) -> bool) -> Promise {
        let rules = self.service.class_rules(&about);
        let values = FIELDS.iter().map(|field| match field.key {
            "subscribe" => self.permission(field, self.service.subscribe_rules(), &about),
            "publish" => self.permission(field, self.service.publish_rules(), &about),
            _ => self.value(field, &rules),
        });
        Promise {
            service: self.service.name.clone(),
            channel: name.map(str::to_owned),
            values: values.collect(),
            class: ChannelClass::of(&rules, self.kept).name.into(),
        }
    }

    fn value(&self, field: &ClassField, rules: &[&ClassRule]) -> Promised {
        let said = rules.iter().find_map(|rule| Some((rule, (field.shown)(rule)?)));
        if let Some((rule, value)) = said {
            let setting = self.setting(field, &rule.channels, "coalesce");
            return self.promised(field.key, value, setting, Some(&rule.channels));
        }
        let defaults = filled(&ChannelClass::of(&[], self.kept));
        let setting = match field.key {
            "log-frames" => Some("log_frames"),
            "log-bytes" => Some("log_bytes"),
            "log-age" => Some("log_age"),
            _ => None,
        };
        Promised {
            key: field.key,
            value: (field.shown)(&defaults).unwrap_or("-".to_owned()),
            setting,
            pattern: None,
            source: setting.map(|name| self.all.source(name)).unwrap_or_default(),
        }
    }

    /// The permission that is needed, of those that any setting names.
    fn permission(
        &self,
        field: &ClassField,
        rules: Vec<Rule>,
        about: &impl Fn(&ChannelPattern) -> bool,
    ) -> Promised {
        let matching = rules.iter().filter(|rule| about(&rule.channels));
        let Some(narrowest) = matching.max_by_key(|rule| rule.channels.narrowness()) else {
            let value = if field.key == "publish" { "publish" } else { "-" }.to_owned();
            let (key, source) = (field.key, Source::Default);
            return Promised { key, value, setting: None, pattern: None, source };
        };
        let same = rules.iter().filter(|rule| rule.channels == narrowest.channels);
        let names: Vec<&str> = same.map(|rule| rule.permission.as_str()).collect();
        let older = match field.key {
            "publish" => "publish_permission",
            _ => "subscribe_permission",
        };
        let setting = self.setting(field, &narrowest.channels, older);
        self.promised(field.key, names.join(" or "), setting, Some(&narrowest.channels))
    }

    /// Which setting says it of a pattern: `class`, or the one beside it.
    fn setting(
        &self,
        field: &ClassField,
        pattern: &ChannelPattern,
        beside: &'static str,
    ) -> &'static str {
        let mut classes = self.of_service.class.iter().flat_map(|classes| &classes.0);
        let of_class =
            classes.any(|class| class.0.channels == *pattern && (field.shown)(&class.0).is_some());
        if of_class { "class" } else { beside }
    }

    fn promised(
        &self,
        key: &'static str,
        value: String,
        setting: &'static str,
        pattern: Option<&ChannelPattern>,
    ) -> Promised {
        let source = self.of_service.source(setting);
        let pattern = pattern.map(ToString::to_string);
        Promised { key, value, setting: Some(setting), pattern, source }
    }
}

/// A class as a rule that says everything of it but permissions.
fn filled(class: &ChannelClass) -> ClassRule {
    ClassRule {
        frames: Some(class.retention.frames),
        bytes: Some(class.retention.bytes),
        age: Some(class.retention.age),
        slow: Some(class.slow),
        slow_bytes: class.slow_bytes,
        slow_age: class.slow_age,
        compression: Some(class.compression),
        coalesce: Some(class.coalesce),
        presence: Some(class.presence),
        history: Some(if class.history { HistoryAccess::On } else { HistoryAccess::Off }),
        ..ClassRule::new(ChannelPattern::parse("*").expect("all channels"))
    }
}

/// Where a value comes from, in words.
fn origin(of: &Promised) -> String {
    let from = &of.source;
    match (of.setting, &of.pattern) {
        (Some(setting), Some(pattern)) => format!("{setting} {pattern} ({from})"),
        (Some(setting), None) => format!("{setting} ({from})"),
        (None, _) => from.to_string(),
    }
}

fn shown(promise: &Promise) -> String {
    let channel = promise.channel.as_deref().unwrap_or_default();
    let mut text = format!("{channel} at {}: class {}\n", promise.service, promise.class);
    for value in &promise.values {
        text += &format!("  {:12}{:16}{}\n", value.key, value.value, origin(value));
    }
    text
}

fn shown_json(promise: &Promise) -> Value {
    let value = |of: &Promised| {
        let (setting, pattern) = (of.setting, of.pattern.as_deref());
        let source = of.source.to_string();
        let shown =
            json!({"value": of.value, "setting": setting, "pattern": pattern, "source": source});
        (of.key.to_owned(), shown)
    };
    let values: Map<String, Value> = promise.values.iter().map(value).collect();
    let (service, channel) = (&promise.service, &promise.channel);
    json!({"service": service, "channel": channel, "class": promise.class, "values": values})
}

/// One line a class, in columns.
fn table(all: &[Promise]) -> String {
    let head = ["service", "class"].into_iter().chain(FIELDS.iter().map(|field| field.key));
    let mut lines: Vec<Vec<&str>> = vec![head.collect()];
    for Promise { service, class, values, .. } in all {
        let values = values.iter().map(|value| value.value.as_str());
        lines.push([service.as_str(), class].into_iter().chain(values).collect());
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let line = |cells: &Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        format!("{}\n", padded.collect::<String>().trim_end())
    };
    lines.iter().map(line).collect()
}

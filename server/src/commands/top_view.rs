//! The answer of `GET /debug/live` as text.

use std::time::Duration;

use serde_json::Value;

use crate::limits::TOP_ROWS;

/// Row of the history: connections, deliveries, publications, then µs: p50, p99, p99.9.
const COLUMNS: [&str; 6] = ["connections", "delivered/s", "published/s", "p50", "p99", "p99.9"];
/// The first column that is a time.
const FIRST_TIME: usize = 3;
const OFF: &str = "metrics are off (no_metrics): there is nothing to show";

/// Everything, a line each.
pub(super) fn screen(all: &Value) -> Vec<String> {
    let now = &all["now"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let services: Vec<String> = list(&all["services"]).map(|one| text(&one["name"])).collect();
    let up = Duration::from_secs(now["uptime"].as_u64().unwrap_or_default());
    let (version, up) = (text(&all["version"]), duration(up));
    let mut lines = vec![format!("uringcast {version}, up {up}: {}", services.join(", "))];
    if now.is_null() {
        lines.push(OFF.into());
        return lines;
    }
    let engine = &now["engine"];
    let number = |value: &Value| count(value.as_f64().unwrap_or_default());
    let laggards = engine["laggards"].as_object().into_iter().flatten();
    let laggards: u64 = laggards.filter_map(|(_, lag)| lag.as_u64()).sum();
    lines.push(format!(
        "{} channels, {} subscriptions, {} laggards; {} bytes/s sent, {} bytes of recent messages",
        number(&engine["channels"]),
        number(&engine["subscriptions"]),
        count(laggards as f64),
        number(&engine["bytes_per_second"]),
        number(&engine["log_bytes"]),
    ));
    let names = ["all".to_owned()].into_iter().chain(services);
    let rows = names.zip(list(&now["rows"])).map(|(name, row)| {
        let cell = |(place, value)| cell(place, value);
        [name].into_iter().chain(list(row).enumerate().map(cell)).collect()
    });
    section(&mut lines, &[&["service"], &COLUMNS[..]].concat(), rows.collect());
    let shards = list(&now["shards"]).enumerate().map(|(id, shard)| {
        let busy = shard["busy"].as_f64().unwrap_or_default() * 100.0;
        let busy = if shard["silent"] == true { "silent".into() } else { format!("{busy:.0} %") };
        let rest = ["connections", "deliveries", "mailbox"].map(|name| number(&shard[name]));
        [id.to_string(), busy].into_iter().chain(rest).collect()
    });
    let header = ["shard", "busy", "connections", "delivered/s", "mailbox"];
    section(&mut lines, &header, shards.collect());
    let hottest = list(&now["hottest"])
        .map(|one| vec![text(&one["channel"]), text(&one["service"]), number(&one["per_second"])]);
    section(&mut lines, &["busiest channel", "service", "published/s"], hottest.collect());
    let slowest = list(&now["slowest"]).map(|one| {
        let behind = format!("{:.1} s", one["behind"].as_f64().unwrap_or_default());
        let (id, peer, state) = (&one["connection_id"], &one["peer"], &one["state"]);
        let skipped = number(&one["skipped"]);
        vec![text(id), text(peer), number(&one["owed"]), behind, text(state), skipped]
    });
    let header = ["slowest consumer", "peer", "bytes owed", "behind", "state", "skipped"];
    section(&mut lines, &header, slowest.collect());
    let closes = list(&now["closes"]).map(|one| {
        vec![
            text(&one["reason"]),
            text(&one["code"]),
            number(&one["recent"]),
            number(&one["total"]),
        ]
    });
    section(&mut lines, &["closed", "code", "last minute", "in all"], closes.collect());
    lines.iter().map(|line| plain(line)).collect()
}

/// The present second of all services, in one line.
pub(super) fn line(all: &Value) -> String {
    let now = &all["now"];
    if now.is_null() {
        return OFF.into();
    }
    let row = list(&now["rows"]).next().unwrap_or(&Value::Null);
    let cells = list(row).enumerate().map(|(place, value)| {
        format!("{}={}", COLUMNS.get(place).unwrap_or(&"?"), cell(place, value).replace(' ', ""))
    });
    format!("at={} {}", now["at"], cells.collect::<Vec<_>>().join(" "))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn cell(place: usize, value: &Value) -> String {
    let value = value.as_f64().unwrap_or_default();
    if place < FIRST_TIME { count(value) } else { time(value) }
}

/// A table below its header, where it has rows: the first column to the left, others to the right.
fn section(lines: &mut Vec<String>, header: &[&str], mut rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    rows.truncate(TOP_ROWS.max(1));
    rows.insert(0, header.iter().map(|name| name.to_uppercase()).collect());
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..header.len()).map(|column| width(column).unwrap_or(0)).collect();
    lines.push(String::new());
    for row in &rows {
        let cells =
            row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
        lines.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_owned());
    }
}

/// Names are chosen by others: none may move the terminal's cursor.
fn plain(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// 9999, then 12.3 k.
fn count(n: f64) -> String {
    match n {
        1e10.. => format!("{:.1} G", n / 1e9),
        1e7.. => format!("{:.1} M", n / 1e6),
        1e4.. => format!("{:.1} k", n / 1e3),
        _ if n.fract() == 0.0 => format!("{n:.0}"),
        _ => format!("{n:.1}"),
    }
}

/// A time in µs; 0 stands for none.
fn time(us: f64) -> String {
    match us {
        1e6.. => format!("{:.2} s", us / 1e6),
        1e3.. => format!("{:.2} ms", us / 1e3),
        _ if us > 0.0 => format!("{us:.0} µs"),
        _ => "–".into(),
    }
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (1.., _) => format!("{days} d {hours} h"),
        (0, 1..) => format!("{hours} h {minutes} min"),
        _ => format!("{minutes} min {} s", seconds % 60),
    }
}

#[cfg(test)]
mod tests;

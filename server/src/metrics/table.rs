//! Every metric there is. docs/METRICS.md is the table: TYPE and HELP come from its rows. A test
//! holds it against what a running server exposes and against what the dashboards ask for.

use std::sync::LazyLock;

pub use uringcast_engine::exposition::{Kind, Row};

/// All metrics, in the order of docs/METRICS.md.
pub static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let (mut rows, mut group) = (Vec::new(), "");
    for line in include_str!("../../../docs/METRICS.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            group = heading;
        } else if line.starts_with("| `") {
            rows.push(read(group, line).unwrap_or_else(|| panic!("docs/METRICS.md: {line}")));
        }
    }
    rows
});

fn read(group: &'static str, line: &'static str) -> Option<Row> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let ["", name, kind, labels, help, reason, ""] = cells[..] else { return None };
    let kinds = [Kind::Counter, Kind::Gauge, Kind::Histogram];
    Some(Row {
        group,
        name: name.trim_matches('`'),
        kind: kinds.into_iter().find(|known| known.text() == kind)?,
        // The table is static: its texts are never freed.
        labels: labels.replace(['`', '–'], "").leak(),
        help,
        reason,
    })
}

/// The row of a metric.
pub(super) fn row(name: &str) -> &'static Row {
    TABLE.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name} is not in TABLE"))
}

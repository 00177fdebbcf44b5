//! `--html`: a page about one measurement, for readers who were not there. One file, without
//! scripts and without anything from elsewhere.

mod charts;
mod markup;
mod run_section;

use serde_json::Value;

use crate::report::Report;
use markup::{escaped, table};

const STYLE: &str = include_str!("html_report/page.css");

/// The whole page.
pub(crate) fn page(reports: &[Report], environment: &Value) -> String {
    let failures: Vec<&String> = reports.iter().flat_map(|report| &report.failures).collect();
    let (state, word) = if failures.is_empty() { ("good", "Passed") } else { ("bad", "Failed") };
    let started = reports.first().map_or("", |report| &report.started_at);
    let reasons: String =
        failures.iter().map(|reason| format!("<li>{}</li>", escaped(reason))).collect();
    let sections: String = reports.iter().map(run_section::section).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Broadcast latency, {started}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>Broadcast latency</h1>\n<p>{started}, by loadgen {version}</p>\n\
         <p class=\"verdict {state}\"><b>{word}</b></p>\n</header>\n<main>\n\
         <ul class=\"reasons\">{reasons}</ul>\n{sections}{where_it_ran}{how_to_read}\
         </main>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
        where_it_ran = where_it_ran(environment),
        how_to_read = HOW_TO_READ,
    )
}

/// The machine that the load came from.
fn where_it_ran(environment: &Value) -> String {
    let fields = environment.as_object().into_iter().flatten();
    let rows = fields.filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        vec![name.replace('_', " "), value]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!(
        "<section>\n<h2>Where the load came from</h2>\n{}</section>\n",
        table("The machine and the program", &["", ""], &rows)
    )
}

const HOW_TO_READ: &str = "<section>\n<h2>How to read this</h2>\n\
    <p>A latency counts from the time at which a message was <em>due</em>, not from when it was \
    sent: a server, or a sender, that falls behind cannot hide the wait that it caused. A message \
    that never came counts with the time that passed in vain. “p99” is the time within which 99 of \
    100 deliveries arrived. “Last subscriber” is the time until the last one of all subscribers \
    had a message. “Sent late by” says how late the load generator itself was: where that is not \
    far below the latencies, they are partly its own.</p>\n</section>\n";

#[cfg(test)]
mod tests;

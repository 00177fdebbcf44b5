//! Where the figures go, by the flags.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::comparison::Baseline;
use crate::error::OperatorError;
use crate::metrics_endpoint::MetricsEndpoint;
use crate::report::Report;
use crate::summary::Summary;
use crate::{hdr_files, html_report, report_table};

/// Flags of a run.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Write the numbers as JSON to a file; to standard output, then without the table, where none
    /// or - is named.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub(crate) json: Option<String>,
    /// Write a page about the run: one HTML file without scripts, light and dark.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// An earlier --json: its runs are compared with these, in --json, --html and the table.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the latency's percentiles as HdrHistogram's tools read them, in milliseconds.
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
    /// Write a histogram for each second as HdrHistogram's log, in nanoseconds.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
    /// Serve the figures of the run in progress to Prometheus, at /metrics of this port.
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
    /// Address of that port.
    #[arg(long, value_name = "ADDRESS", requires = "metrics_port", default_value = "127.0.0.1")]
    metrics_host: Option<IpAddr>,
    /// No view of the run in progress and no table.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl Output {
    /// Reads the earlier report, if one is named.
    ///
    /// # Errors
    /// When the file is none.
    pub(crate) fn baseline(&self) -> Result<Option<Baseline>, OperatorError> {
        let Some(path) = &self.baseline else { return Ok(None) };
        let bad = |what: String| {
            let remedy = "name a file that --json of this version wrote";
            OperatorError(format!("--baseline {}: {what}; {remedy}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        Baseline::parse(&text).map(Some).map_err(bad)
    }

    /// Listens for Prometheus, if a port is given.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub(crate) fn metrics_endpoint(&self) -> Result<Option<MetricsEndpoint>, OperatorError> {
        let host = self.metrics_host.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let endpoint = self.metrics_port.map(|port| MetricsEndpoint::start(host, port));
        let endpoint = endpoint.transpose()?;
        if let Some(endpoint) = endpoint.as_ref().filter(|_| !self.quiet) {
            eprintln!("loadgen: metrics at http://{}/metrics", endpoint.address());
        }
        Ok(endpoint)
    }

    /// Writes a JSON document to where `--json` says, if it does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write_json(&self, document: &Value) -> Result<(), OperatorError> {
        let Some(target) = &self.json else { return Ok(()) };
        let text = format!("{document:#}\n");
        if target == "-" { print(&text) } else { write("--json", Path::new(target), &text) }
    }

    /// Prints what is for a person, unless standard output is for a program.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn show(&self, text: &str) -> Result<(), OperatorError> {
        let silent = self.quiet || self.json.as_deref() == Some("-");
        if silent { Ok(()) } else { print(text) }
    }

    /// Writes all that the flags name.
    ///
    /// # Errors
    /// When something cannot be written.
    pub(crate) fn write(
        &self,
        reports: &[Report],
        environment: &Value,
    ) -> Result<(), OperatorError> {
        self.show(&report_table::table(reports))?;
        let failures: Vec<_> = reports.iter().flat_map(|report| &report.failures).collect();
        self.write_json(&json!({
            "passed": failures.is_empty(),
            "failures": failures,
            "environment": environment,
            "runs": reports,
        }))?;
        match &self.html {
            Some(path) => write("--html", path, &html_report::page(reports, environment)),
            None => Ok(()),
        }
    }

    /// Writes a run's histograms. Of several runs each has a file, with its `scheme` in the name.
    ///
    /// # Errors
    /// When something cannot be written.
    pub(crate) fn write_histograms(
        &self,
        summary: &Summary,
        started: SystemTime,
        scheme: Option<&str>,
    ) -> Result<(), OperatorError> {
        if let Some(path) = &self.hgrm {
            let text = hdr_files::percentile_distribution(&summary.total.delivery);
            write("--hgrm", &named(path, scheme), &text)?;
        }
        if let Some(path) = &self.hlog {
            let text = hdr_files::interval_log(summary, started);
            write("--hlog", &named(path, scheme), &text)?;
        }
        Ok(())
    }
}

/// `run.hgrm` of wss is `run.wss.hgrm`.
fn named(path: &Path, scheme: Option<&str>) -> PathBuf {
    let Some(scheme) = scheme else { return path.to_owned() };
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    path.with_extension(if ending.is_empty() {
        scheme.into()
    } else {
        format!("{scheme}.{ending}")
    })
}

fn write(flag: &str, path: &Path, text: &str) -> Result<(), OperatorError> {
    std::fs::write(path, text).map_err(|error| {
        let path = path.display();
        OperatorError(format!("{flag} {path}: {error}; name a file that can be written"))
    })
}

/// Writes to standard output.
///
/// # Errors
/// When it is closed or full.
pub(crate) fn print(text: &str) -> Result<(), OperatorError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| OperatorError(format!("standard output: {error}")))
}

#[cfg(test)]
mod tests;

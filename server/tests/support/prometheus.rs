//! A Prometheus of the test's own.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::http::Answer;
use super::{PATIENCE, Process, Server, tools, until};

/// As the family's dashboard has the variable `interval`.
pub const INTERVALS: [&str; 7] = ["5m", "10m", "30m", "1h", "6h", "12h", "1d"];

/// A running Prometheus, as the job `uringcast` of dashboards/prometheus scrapes, but more often.
pub struct Prometheus {
    _process: Process,
    _home: tempfile::TempDir,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts one with the rules of dashboards/prometheus; `None` if there is none to start.
    pub fn start(test: &str, servers: &[&Server]) -> Option<Prometheus> {
        let program = tools::program(test, "prometheus")?;
        let home = tempfile::tempdir().expect("a temporary directory");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = address.expect("a free port");
        let config = home.path().join("prometheus.yml");
        fs::write(&config, configuration(servers)).expect("written");
        let log = fs::File::create(home.path().join("log")).expect("a log file");
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", home.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Prometheus starts");
        let started = Prometheus { _process: Process(child), _home: home, address };
        until("Prometheus to be ready", || {
            TcpStream::connect(address).ok()?;
            (started.get("/-/ready").status == 200).then_some(())
        });
        Some(started)
    }

    /// An expression with a choice of the variable `server` and a time for intervals in it, as
    /// Grafana puts them there: `instance` is All, which is what its query finds.
    pub fn filled(&self, expression: &str, server: &str, interval: &str) -> String {
        let mut filled = expression.replace("$server", server).replace("$shard", ".*");
        for variable in ["$interval", "$__rate_interval", "$__range"] {
            filled = filled.replace(variable, interval);
        }
        if filled.contains("$instance") {
            filled = filled.replace("$instance", &self.instances(server));
        }
        filled
    }

    /// All of the variable `instance`, as a pattern.
    fn instances(&self, server: &str) -> String {
        let variables = &dashboard("engine.json")["templating"]["list"];
        let query = variables[2]["query"]["query"].as_str().expect("a query");
        let (selector, label) = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')')?.rsplit_once(", "))
            .expect("label_values");
        let selector = escaped(&selector.replace("$server", server));
        let found = self.api(&format!("label/{label}/values?match[]={selector}"));
        let found = found.as_array().expect("a list").iter().filter_map(Value::as_str);
        let pattern = |value: &str| value.replace('.', r"\\.");
        format!("({})", found.map(pattern).collect::<Vec<_>>().join("|"))
    }

    /// GETs from its API what must be there.
    pub fn api(&self, path: &str) -> Value {
        let answer = self.get(&format!("/api/v1/{path}"));
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        assert!(body["status"] == "success", "{path}: {} {}", answer.status, answer.body);
        body["data"].clone()
    }

    /// The values of an instant query, by series.
    pub fn query(&self, expression: &str) -> Vec<f64> {
        let found = self.api(&format!("query?query={}", escaped(expression)));
        let value = |series: &Value| number(&series["value"][1]);
        found["result"].as_array().expect("a vector").iter().map(value).collect()
    }

    /// The labels of an instant query's series.
    pub fn series(&self, expression: &str) -> Vec<Value> {
        let found = self.api(&format!("query?query={}", escaped(expression)));
        let found = found["result"].as_array().expect("a vector").iter();
        found.map(|series| series["metric"].clone()).collect()
    }

    /// All values of a range query over the last `seconds`.
    pub fn query_range(&self, expression: &str, seconds: u32) -> Vec<f64> {
        let now = jiff::Timestamp::now().as_second();
        let (start, query) = (now - i64::from(seconds), escaped(expression));
        let found = self.api(&format!("query_range?query={query}&start={start}&end={now}&step=3"));
        let series = found["result"].as_array().expect("a matrix").iter();
        let points = series.flat_map(|series| series["values"].as_array().expect("points"));
        points.map(|point| number(&point[1])).collect()
    }

    /// HTTP/1.0, which is not answered in chunks.
    fn get(&self, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        Answer::parse(&answer)
    }
}

fn configuration(servers: &[&Server]) -> String {
    let rules = |name| tools::root().join("dashboards/prometheus").join(name);
    let mut text = format!(
        "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 2s }}\n\
         rule_files: [{:?}, {:?}]\n\
         scrape_configs:\n  - job_name: uringcast\n    static_configs:\n",
        rules("recording.yml"),
        rules("alerts.yml")
    );
    for scraped in servers.iter().flat_map(|server| &server.scraped) {
        writeln!(text, "      - targets: [\"{scraped}\"]").expect("a String takes it");
    }
    text
}

/// A query of a panel.
pub struct Target {
    /// The dashboard's and the panel's.
    pub title: String,
    /// The query.
    pub expr: String,
    /// How its series are named.
    pub legend: String,
}

/// A dashboard's JSON.
pub fn dashboard(name: &str) -> Value {
    let path = tools::root().join("dashboards").join(name);
    let text = fs::read_to_string(path).expect("a dashboard");
    serde_json::from_str(&text).expect("JSON")
}

/// All targets of a dashboard.
pub fn targets(name: &str) -> Vec<Target> {
    let dashboard = dashboard(name);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let panels = panels.filter(|panel| panel["type"] != "row");
    let of = |panel: &Value| {
        let title = format!("{name}: {}", text(&panel["title"]));
        let target = |target: &Value| Target {
            title: title.clone(),
            expr: text(&target["expr"]),
            legend: text(&target["legendFormat"]),
        };
        panel["targets"].as_array().expect("targets").iter().map(target).collect::<Vec<_>>()
    };
    panels.flat_map(of).collect()
}

fn number(value: &Value) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).expect("a number in a string")
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Runs promtool on files, in which it must find no fault.
pub fn promtool(test: &str, arguments: &[&str], file: &Path) {
    let Some(promtool) = tools::program(test, "promtool") else { return };
    let mut command = Command::new(promtool);
    let output = command.args(arguments).arg(file).stdin(Stdio::null()).output();
    let output = output.expect("promtool runs");
    assert!(output.status.success(), "{arguments:?} {}: {output:?}", file.display());
}

/// Runs promtool on what a server exposes; it must print nothing at all.
pub fn check_metrics(test: &str, page: &str) {
    let Some(promtool) = tools::program(test, "promtool") else { return };
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(page.as_bytes()).expect("written");
    file.rewind().expect("a beginning");
    let output = Command::new(promtool).args(["check", "metrics"]).stdin(file).output();
    let output = output.expect("promtool runs");
    let silent = output.stdout.is_empty() && output.stderr.is_empty();
    assert!(output.status.success() && silent, "{output:?}");
}

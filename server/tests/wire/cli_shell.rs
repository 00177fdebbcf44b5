//! `completions` and `man` have every command and flag, and the programs that read them accept
//! them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::support::PROGRAM;
use crate::support::tools::program;
use uringcast_server::args::command;
use uringcast_server::settings::TABLE;

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(PROGRAM).env_clear().args(arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn reads(mut reader: Command, text: &str) -> Output {
    let pipes = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn completions_have_every_command_and_flag() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        for command in command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            for flag in command.get_arguments().filter_map(|argument| argument.get_long()) {
                let known = script.contains(&format!("--{flag}"))
                    || shell == "fish" && script.contains(&format!("-l {flag}"));
                assert!(known, "{shell}: {} --{flag}", command.get_name());
            }
        }
    }
    let mut bash = Command::new("bash");
    bash.arg("-n");
    let checked = reads(bash, &printed(&["completions", "bash"]));
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    // What a press of Tab would offer.
    let ask = "source /dev/stdin; COMP_WORDS=(uringcast-server verify --con); COMP_CWORD=2\n\
               _uringcast__server uringcast-server --con verify; echo \"${COMPREPLY[*]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", ask]);
    let offered = reads(bash, &printed(&["completions", "bash"]));
    let offered = String::from_utf8(offered.stdout).unwrap();
    assert_eq!(offered.trim(), "--config --control-port", "{offered}");
}

#[test]
fn the_manual_has_every_command_setting_and_flag() {
    let plain = |page: String| page.replace('\\', "");
    let page = plain(printed(&["man"]));
    for command in command().get_subcommands() {
        assert!(page.contains(command.get_name()), "{}", command.get_name());
        let own = plain(printed(&["man", command.get_name()]));
        for flag in command.get_arguments().filter_map(|argument| argument.get_long()) {
            assert!(own.contains(&format!("--{flag}")), "{} --{flag}", command.get_name());
        }
    }
    for setting in TABLE {
        assert!(page.contains(&format!("--{}", setting.flag())), "{}", setting.name);
    }
    let nobody = Command::new(PROGRAM).args(["man", "nobody"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(2));

    let Some(groff) = program("the_manual_has_every_command_setting_and_flag", "groff") else {
        return;
    };
    for page in [printed(&["man"]), printed(&["man", "sub"])] {
        let mut groff = Command::new(&groff);
        groff.args(["-man", "-Tutf8", "-ww", "-k", "-P-bou"]);
        let set = reads(groff, &page);
        let said = String::from_utf8_lossy(&set.stderr).into_owned();
        assert!(set.status.success() && said.is_empty(), "{said}");
        let set = String::from_utf8_lossy(&set.stdout).into_owned();
        assert!(set.contains("SYNOPSIS") && set.contains("OPTIONS"), "{set}");
    }
}

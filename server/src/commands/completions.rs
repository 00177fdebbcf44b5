//! `completions` and `man`: what a shell and a reader of manuals need, made from the command line.

use clap::Parser;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Failure, print};
use crate::args;

/// The program's name.
const PROGRAM: &str = "uringcast-server";

/// How the script for bash calls the program where it offers the flags of commands.
const BASH_WRONG: &str = "uringcast__subcmd__server__subcmd__";
/// How it calls it everywhere else.
const BASH_RIGHT: &str = "uringcast__server__subcmd__";

/// The flags of `completions`.
#[derive(Clone, Debug, Parser)]
#[command(name = "uringcast-server completions", version, max_term_width = 100)]
#[command(about = "Prints a script that completes commands and flags in a shell")]
#[command(after_help = "\
Write it to a file that the shell looks for, such as
  bash  ~/.local/share/bash-completion/completions/uringcast-server
  zsh   _uringcast-server in a directory of $fpath
  fish  ~/.config/fish/completions/uringcast-server.fish")]
pub struct CompletionsOptions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// The flags of `man`.
#[derive(Clone, Debug, Parser)]
#[command(name = "uringcast-server man", version, max_term_width = 100)]
#[command(about = "Prints the manual page of the program, or of a command")]
#[command(after_help = "To read it: uringcast-server man sub | man -l -")]
pub struct ManOptions {
    /// The command; without it the program, with all settings
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(super) fn completions(options: &CompletionsOptions) -> i32 {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut args::command(), PROGRAM, &mut text);
    // clap_complete 4.6.12 writes a hyphen of the program's name in two ways, and bash then
    // completes no flag of a command.
    let text = String::from_utf8_lossy(&text).replace(BASH_WRONG, BASH_RIGHT);
    print(&text);
    0
}

pub(super) fn man(options: &ManOptions) -> Result<i32, Failure> {
    let mut program = args::command();
    program.build();
    let page = match &options.command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            let remedy = format!("{PROGRAM} --help lists all commands.");
            Failure::new(format!("COMMAND: there is no command {name}"), &remedy)
        })?,
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text)?;
    print(&String::from_utf8_lossy(&text));
    Ok(0)
}

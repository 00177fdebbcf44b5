use super::*;
use clap::ValueEnum;

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn cpu_lists_are_read_as_taskset_does() {
    assert_eq!(cpus("0-2,6"), Ok(Cpus(vec![0, 1, 2, 6])));
    assert!(cpus("2-1").is_err() && cpus("").is_err() && cpus("a").is_err());
}

#[test]
fn a_target_is_needed_and_only_one() {
    let parse = |args: &[&str]| Args::try_parse_from([&["loadgen"], args].concat()).is_ok();
    assert!(parse(&["--self-host"]) && parse(&["--url", "ws://localhost"]));
    assert!(!parse(&[]) && !parse(&["--self-host", "--url", "ws://localhost"]));
    for bad in ["--rate=0", "--rate=NaN", "--duration=-1", "--connections=0", "--publishers=0"] {
        assert!(!parse(&["--self-host", bad]), "{bad}");
    }
}

/// The page has the flags of the code; `UPDATE_DOCS=1` writes them.
#[test]
fn every_flag_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/LOADGEN.md");
    let written = std::fs::read_to_string(path).unwrap();
    let head = written.split("\n## Flags").next().unwrap();
    let mut page = format!("{head}\n## Flags\n");
    let command = Args::command();
    let mut sections: Vec<(String, String)> = Vec::new();
    for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
        let heading = argument.get_help_heading().unwrap();
        if !sections.iter().any(|(title, _)| title == heading) {
            sections.push((heading.to_owned(), String::new()));
        }
        let (_, rows) = sections.iter_mut().find(|(title, _)| title == heading).unwrap();
        let names = argument.get_value_names().unwrap_or_default();
        let takes = argument.get_action().takes_values();
        let value = names.first().filter(|_| takes).map(|name| format!(" {name}"));
        let choices: Vec<_> = argument.get_possible_values();
        let choices: Vec<_> =
            choices.iter().map(|choice| format!("`{}`", choice.get_name())).collect();
        let choices = if takes && !choices.is_empty() {
            format!(": {}", choices.join(", "))
        } else {
            String::new()
        };
        let help = argument.get_help().unwrap().to_string();
        let flag = argument.get_long().unwrap();
        *rows += &format!("| `--{flag}{}` | {help}{choices} |\n", value.unwrap_or_default());
    }
    for (title, rows) in sections {
        page += &format!("\n### {title}\n\n| flag | meaning |\n|---|---|\n{rows}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    } else {
        assert!(written == page, "run UPDATE_DOCS=1 cargo test --workspace --lib every_flag");
    }
}

/// The example of the page is a plan, and every scenario is on it.
#[test]
fn the_page_has_a_plan_that_is_one_and_every_scenario() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/LOADGEN.md");
    let page = std::fs::read_to_string(path).unwrap();
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let input: PlanInput = toml::from_str(example).unwrap();
    assert_eq!(input.phases.len(), 2);
    for scenario in crate::plan_input::Scenario::value_variants() {
        assert!(page.contains(&format!("| `{scenario}` |")), "{scenario}");
    }
}

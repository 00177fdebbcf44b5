use super::*;
use clap::CommandFactory;

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

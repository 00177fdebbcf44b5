use super::*;
use clap::Parser;

fn load(args: &[&str]) -> Result<Config, OperatorError> {
    let args = Args::parse_from([&["loadgen", "--url", "ws://127.0.0.1:1"], args].concat());
    resolve(&args, "ws://127.0.0.1:1/?token=x")
}

fn resolve(args: &Args, url: &str) -> Result<Config, OperatorError> {
    let plan = LoadPlan::resolve(args.input.clone())?;
    Config::resolve(args, plan, url, None, args.control_url.as_deref())
}

#[test]
fn every_connection_belongs_to_exactly_one_thread() {
    let config = load(&["--connections", "1003", "--threads", "7"]).unwrap();
    let all: Vec<u32> = (0..7).flat_map(|thread| config.share(thread)).collect();
    assert_eq!(all, (0..1003).collect::<Vec<_>>());
}

#[test]
fn connections_come_from_and_go_to_the_addresses_that_are_named() {
    let count = |args: &[&str]| load(args).unwrap().source_addresses.map_or(0, |all| all.count());
    assert_eq!(count(&["--connections", "8000"]), 0);
    assert_eq!(count(&["--connections", "8001"]), 2);
    assert_eq!(count(&["--source-addresses", "3"]), 3);
    assert_eq!(count(&["--source", "127.0.0.2-127.0.0.5"]), 4);
    let addresses = load(&["--address=127.0.0.1:7-8", "--address=127.0.0.2:9"]).unwrap();
    let addresses: Vec<_> = addresses.endpoint.addresses.iter().map(|to| to.port()).collect();
    assert_eq!(addresses, [7, 8, 9]);
}

#[test]
fn a_bad_flag_is_named_with_its_remedy() {
    let message = |args: &[&str]| load(args).unwrap_err().0;
    assert!(message(&["--payload", "61"]).contains("--payload 61"));
    assert!(message(&["--publish", "http"]).contains("--control-url"));
    let args = Args::parse_from(["loadgen", "--self-host"]);
    for url in ["ftp://x", "127.0.0.1:1", "ws://", "::"] {
        let error = resolve(&args, url).unwrap_err().0;
        assert!(error.contains(&format!("--url {url}")), "{error}");
    }
    let path = load(&[]).unwrap().endpoint.path;
    assert_eq!(path, "/?token=x");
}

#[test]
fn too_many_connections_are_refused_before_the_first() {
    let config = load(&["--connections", "4000000000", "--source-addresses", "1"]).unwrap();
    let error = config.check_file_limit().unwrap_err().0;
    assert!(error.contains("--connections 4000000000") && error.contains("limit"), "{error}");
}

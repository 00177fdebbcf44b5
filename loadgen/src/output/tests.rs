use super::*;

#[test]
fn the_files_of_two_runs_have_two_names() {
    assert_eq!(named(Path::new("a/run.hgrm"), Some("wss")), Path::new("a/run.wss.hgrm"));
    assert_eq!(named(Path::new("run"), Some("ws")), Path::new("run.ws"));
    assert_eq!(named(Path::new("run.hgrm"), None), Path::new("run.hgrm"));
}

#[test]
fn a_file_that_cannot_be_read_or_written_is_named_with_its_flag() {
    let output = Output { baseline: Some("/none".into()), ..Output::default() };
    assert!(output.baseline().unwrap_err().0.contains("--baseline /none"));
    let output = Output { html: Some("/no/such/x".into()), quiet: true, ..Output::default() };
    assert!(output.write(&[], &Value::Null).unwrap_err().0.contains("--html /no/such/x"));
    assert!(Output::default().baseline().unwrap().is_none());
}

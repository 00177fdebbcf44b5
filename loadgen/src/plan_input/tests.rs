use super::*;

fn read(text: &str) -> Result<PlanInput, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.toml");
    std::fs::write(&path, text).unwrap();
    PlanInput::read(&path).map_err(|error| error.0)
}

#[test]
fn a_file_has_the_names_of_the_flags() {
    let plan = read(
        "scenario = 'ramp'\nconnections = 5\nrate = 2\nwarmup = 0.5\nassert = ['p99<5ms']\n\
         [[phase]]\nname = 'calm'\nrate = 0\n[[phase]]\nto-rate = 9.5\nmeasured = false\n",
    );
    let plan = plan.unwrap();
    assert_eq!((plan.scenario, plan.connections), (Some(Scenario::Ramp), Some(5)));
    assert_eq!((plan.rate, plan.warmup, plan.assertions.len()), (Some(2.0), Some(0.5), 1));
    assert_eq!((plan.phases[0].rate, plan.phases[1].to_rate), (Some(0.0), Some(9.5)));
}

#[test]
fn a_bad_line_is_named_with_its_field_and_what_it_may_be() {
    for (text, expected) in [
        ("rat = 1", ["rat = 1", "unknown field `rat`", "`rate`"]),
        ("rate = 0", ["rate = 0", "more than 0", "line 1"]),
        ("rate = 'fast'", ["rate = 'fast'", "expected f64", "line 1"]),
        ("channels = 2000000", ["channels = 2000000", "1 to 1000000", "line 1"]),
        ("scenario = 'stedy'", ["scenario = 'stedy'", "unknown variant", "`steady`"]),
        ("assert = ['p98<1ms']", ["p98", "expected METRIC", "line 1"]),
        ("[[phase]]\nlength = 1", ["length = 1", "unknown field `length`", "`duration`"]),
    ] {
        let error = read(text).unwrap_err();
        for part in expected.into_iter().chain(["--plan", "plan.toml", "LOADGEN.md"]) {
            assert!(error.contains(part), "{part} in: {error}");
        }
    }
    let error = PlanInput::read(Path::new("/no/such/plan.toml")).unwrap_err().0;
    assert!(error.contains("--plan /no/such/plan.toml"), "{error}");
}

#[test]
fn a_flag_goes_before_the_file() {
    let file = read("rate = 5\nconnections = 7\nassert = ['loss==0']").unwrap();
    let assertions = vec!["p99<5ms".parse().unwrap()];
    let flags = PlanInput { rate: Some(9.0), assertions, ..PlanInput::default() };
    let plan = flags.or(file);
    assert_eq!((plan.rate, plan.connections, plan.assertions.len()), (Some(9.0), Some(7), 2));
}

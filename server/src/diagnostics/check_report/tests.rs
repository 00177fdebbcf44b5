use super::*;

const KINDS: &[Kind] = &[
    Kind { name: "door", required: true, meaning: "It opens." },
    Kind { name: "paint", required: false, meaning: "It is fresh." },
];

fn report(door: Outcome, paint: Outcome) -> Report {
    let mut report = Report::new("a house".into(), KINDS);
    report.add("door", door);
    report.add("paint", paint);
    report
}

#[test]
fn only_a_failed_required_check_means_down() {
    let good = || Ok("good".to_owned());
    assert_eq!(report(good(), good()).exit_code(), HEALTHY);
    assert_eq!(report(note("locked", ""), good()).exit_code(), HEALTHY);
    assert_eq!(report(good(), warn("dull", "paint it")).exit_code(), DEGRADED);
    assert_eq!(report(warn("creaks", "oil it"), good()).exit_code(), DEGRADED);
    assert_eq!(report(good(), fail("none", "paint it")).exit_code(), DEGRADED);
    assert_eq!(report(fail("stuck", "plane it"), good()).exit_code(), DOWN);
}

#[test]
fn people_and_machines_are_told_the_same() {
    let report = report(fail("stuck", "plane it"), Ok("fresh".into()));
    let text = report.to_string();
    assert_eq!(text.lines().nth(1), Some("  FAIL  door   stuck"));
    assert_eq!(text.lines().nth(2), Some("               > plane it"));
    assert!(text.ends_with("\ndown\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
    let door = serde_json::json!(
        {"name": "door", "verdict": "fail", "found": "stuck", "remedy": "plane it"}
    );
    assert_eq!(json["checks"][0], door);
    assert_eq!((&json["status"], &json["exit_code"]), (&"down".into(), &DOWN.into()));
    assert!(json["checks"][1].get("remedy").is_none());
}

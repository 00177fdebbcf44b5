use super::*;
use crate::plan_input::PhaseInput;

fn resolve(input: PlanInput) -> Result<LoadPlan, String> {
    LoadPlan::resolve(input).map_err(|error| error.0)
}

#[test]
fn silence_means_the_defaults() {
    let plan = resolve(PlanInput::default()).unwrap();
    let phases = plan.timeline().phases();
    assert_eq!(phases, [Phase::steady("steady", Duration::from_secs(10), 100.0)]);
    assert_eq!((plan.connections, plan.publishers, plan.payload), (1_000, 1, 128));
}

#[test]
fn a_warm_up_comes_first_and_is_not_measured() {
    let input = PlanInput { warmup: Some(2.0), rate: Some(50.0), ..PlanInput::default() };
    let plan = resolve(input).unwrap();
    let phases = plan.timeline().phases();
    assert_eq!(phases.iter().map(|phase| &*phase.name).collect::<Vec<_>>(), ["warm-up", "steady"]);
    assert_eq!((phases[0].measured, phases[0].rate), (false, (50.0, 50.0)));
}

#[test]
fn a_phase_takes_from_the_plan_what_it_does_not_say() {
    let quiet = PhaseInput { rate: Some(0.0), duration: Some(3.0), ..PhaseInput::default() };
    let rise = PhaseInput { to_rate: Some(200.0), ..PhaseInput::default() };
    let input = PlanInput { phases: vec![quiet, rise], ..PlanInput::default() };
    let plan = resolve(input).unwrap();
    let phases = plan.timeline().phases();
    assert_eq!((&*phases[0].name, phases[0].rate), ("phase 1", (0.0, 0.0)));
    assert_eq!((phases[1].length, phases[1].rate), (Duration::from_secs(10), (100.0, 200.0)));
}

#[test]
fn a_search_has_an_objective_and_another_rate_the_same_phases() {
    let scenario = Some(Scenario::FindMax);
    let plan = resolve(PlanInput { scenario, ..PlanInput::default() }).unwrap();
    assert_eq!(plan.assertions[0].written(), format!("--assert {USUAL_OBJECTIVE}"));
    assert_eq!(plan.max_rate, Some(1e9));
    let other = plan.at_rate(7.0);
    let phases = |plan: &LoadPlan| plan.timeline().phases().to_vec();
    assert_eq!((phases(&plan).len(), phases(&other).len()), (2, 2));
    assert!(phases(&other).iter().all(|phase| phase.rate == (7.0, 7.0)));
    let phases = vec![PhaseInput::default()];
    let error = resolve(PlanInput { scenario, phases, ..PlanInput::default() }).unwrap_err();
    assert!(error.contains("find-max"), "{error}");
}

#[test]
fn what_cannot_be_is_named_with_its_value_and_the_remedy() {
    let small = PlanInput { payload: Some(MIN_PAYLOAD - 1), ..PlanInput::default() };
    assert!(resolve(small).unwrap_err().contains("--payload 61: the document needs 62"));
    let many = PlanInput { channels_per_client: Some(2), ..PlanInput::default() };
    assert!(resolve(many).unwrap_err().contains("--channels-per-client 2"));
    let assertions = vec!["phase.calm.p99<5ms".parse().unwrap()];
    let calm = PlanInput { assertions, ..PlanInput::default() };
    let error = resolve(calm).unwrap_err();
    assert!(error.contains("--assert phase.calm.p99<5ms") && error.contains("steady"), "{error}");
    let plan = "rate = 5\nassert = [\n  'loss==0',\n  'phase.calm.p99<5ms',\n]";
    let error = LoadPlan::resolve(PlanInput::parse(plan).unwrap()).unwrap_err().0;
    assert!(error.starts_with("--plan, line 4: assert phase.calm.p99<5ms: "), "{error}");
    let name = Some("global".parse().unwrap());
    let global = PlanInput { channel_name: name, channels: Some(2), ..PlanInput::default() };
    assert!(resolve(global).unwrap_err().contains("--channel-name global: 2 channels"));
    let unmeasured = PhaseInput { measured: Some(false), ..PhaseInput::default() };
    let nothing = PlanInput { phases: vec![unmeasured], ..PlanInput::default() };
    assert!(resolve(nothing).unwrap_err().contains("measured"));
}

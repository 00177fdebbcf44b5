use super::*;

fn phases_of(scenario: Scenario, input: &PlanInput) -> Vec<Phase> {
    phases(scenario, input, 1_000).unwrap()
}

fn names(phases: &[Phase]) -> Vec<&str> {
    phases.iter().map(|phase| &*phase.name).collect()
}

#[test]
fn the_parts_of_a_scenario_last_as_long_as_the_duration() {
    let input = PlanInput { duration: Some(8.0), ..PlanInput::default() };
    for scenario in [Scenario::Steady, Scenario::Ramp, Scenario::Storm, Scenario::Recovery] {
        let length: Duration = phases_of(scenario, &input).iter().map(|phase| phase.length).sum();
        assert_eq!(length, Duration::from_secs(8), "{scenario}");
    }
}

#[test]
fn a_storm_drops_all_and_a_recovery_half_for_a_while() {
    let input = PlanInput { duration: Some(8.0), ..PlanInput::default() };
    let storm = phases_of(Scenario::Storm, &input);
    assert_eq!(names(&storm), ["before", "storm", "after"]);
    let all = Absence { share: 1.0, away: Duration::ZERO, spread: Duration::ZERO };
    assert_eq!(
        storm.iter().map(|phase| phase.absence).collect::<Vec<_>>(),
        [None, Some(all), None]
    );
    let second = Duration::from_secs(1);
    let half = Absence { share: 0.5, away: second, spread: second };
    assert_eq!(phases_of(Scenario::Recovery, &input)[1].absence, Some(half));
    let spread = PlanInput { spread: Some(3.0), drop: Some(0.2), ..input };
    let some = phases_of(Scenario::Storm, &spread)[1].absence.unwrap();
    assert_eq!((some.share, some.spread), (0.2, 3 * second));
}

#[test]
fn churn_replaces_a_twentieth_a_second_and_idle_publishes_nothing() {
    let input = PlanInput::default();
    assert_eq!(phases_of(Scenario::Churn, &input)[0].churn, 50.0);
    assert_eq!(phases_of(Scenario::Idle, &input)[0].rate, (0.0, 0.0));
    assert_eq!(phases_of(Scenario::Soak, &input)[0].length, Duration::from_secs(3_600));
}

#[test]
fn a_phase_of_a_file_takes_absences_of_its_own() {
    let drop = PhaseInput { drop: Some(0.5), away: Some(2.0), ..PhaseInput::default() };
    let input = PlanInput { phases: vec![PhaseInput::default(), drop], ..PlanInput::default() };
    let found = phases_of(Scenario::Steady, &input);
    let away = Duration::from_secs(2);
    let absence = Absence { share: 0.5, away, spread: Duration::ZERO };
    assert_eq!((found[0].absence, found[1].absence), (None, Some(absence)));
}

//! Traces of alerts and controls, with an invented time.

use proptest::prelude::*;

use super::*;
use crate::{
    alert::{Failure, Origin, Target, test_alert},
    notify::Matcher,
};

const START: SystemTime = SystemTime::UNIX_EPOCH;

fn at(second: u64) -> SystemTime {
    START + Duration::from_secs(second)
}

fn rule(name: &str) -> Matcher {
    Matcher::new().rule(name)
}

fn silence(name: &str, seconds: u64) -> Silence {
    let silence = Silence::new(rule(name), Duration::from_secs(seconds));
    silence.by("anna").because("deploy")
}

fn of_rule(name: &str) -> Alert {
    test_alert(name, AlertStatus::Firing)
}

fn report(count: u64, total: u64) -> Alert {
    let failure = Failure {
        causes: vec!["no broker".to_owned()],
        call_site: "src/events.rs:42".to_owned(),
        count,
        total,
        ..Failure::default()
    };
    let origin = Origin { service: "orders".to_owned(), ..Origin::default() };
    Alert::of_failure(&"Lost".into(), Severity::Critical, failure, START, &origin.into())
}

/// The state with the alerts that fire.
#[derive(Default)]
struct Trace {
    state: State,
    firing: Vec<Alert>,
}

impl Trace {
    /// Applies these changes, and returns the sent ones.
    fn apply(&mut self, second: u64, changes: Vec<Alert>) -> Vec<Alert> {
        for change in &changes {
            self.firing.retain(|alert| alert.identity() != change.identity());
            if change.status == AlertStatus::Firing {
                self.firing.push(change.clone());
            }
        }
        if self.state.is_idle() {
            return changes;
        }
        self.state.filter(changes, &self.firing, at(second))
    }

    fn titles(&mut self, second: u64, changes: Vec<Alert>) -> Vec<String> {
        let sent = self.apply(second, changes);
        let title = |alert: &Alert| {
            let status = if alert.status == AlertStatus::Firing { "+" } else { "-" };
            format!("{status}{}", alert.name)
        };
        sent.iter().map(title).collect()
    }

    fn fires(&mut self, second: u64, name: &str) -> Vec<String> {
        self.titles(second, vec![of_rule(name)])
    }

    fn resolves(&mut self, second: u64, name: &str) -> Vec<String> {
        let resolved = of_rule(name).resolved_at(at(second));
        self.titles(second, vec![resolved])
    }

    fn ticks(&mut self, second: u64) -> Vec<String> {
        self.titles(second, Vec::new())
    }

    fn silence(&mut self, second: u64, silence: Silence) -> u64 {
        self.state.silence(silence, Source::Handle, at(second)).unwrap()
    }

    fn inhibit(&mut self, inhibitions: &[(&str, &str)]) {
        let inhibitions = inhibitions
            .iter()
            .map(|(source, target)| Inhibition::new(rule(source), rule(target)))
            .collect();
        self.state.configure(Source::Builder, Vec::new(), inhibitions, START).unwrap();
    }

    fn suppressed(&self, kind: SuppressionKind) -> u64 {
        let position = SuppressionKind::ALL.iter().position(|known| *known == kind).unwrap();
        self.state.suppressed[position]
    }

    #[cfg(feature = "state")]
    fn restart(&mut self, second: u64) {
        let text = serde_json::to_string(&self.state.saved()).unwrap();
        let mut state = State::default();
        state.restore(serde_json::from_str(&text).unwrap(), at(second));
        self.state = state;
    }
}

const NONE: [&str; 0] = [];

#[test]
fn an_alert_that_still_fires_at_the_end_of_a_silence_is_sent_then_with_a_note() {
    let mut trace = Trace::default();
    trace.silence(0, silence("A", 60));
    assert_eq!(trace.fires(10, "A"), NONE);
    assert_eq!(trace.fires(11, "B"), ["+B"]);
    assert_eq!(trace.ticks(59), NONE);
    let sent = trace.apply(60, Vec::new());
    let [alert] = &sent[..] else { panic!("{sent:?}") };
    let note = "Silenced by anna from 1970-01-01T00:00:10Z to 1970-01-01T00:01:00Z: deploy.";
    assert_eq!(alert.suppressed.as_ref().unwrap().to_string(), note);
    assert_eq!(trace.ticks(61), NONE);
    assert_eq!(trace.resolves(70, "A"), ["-A"]);
    assert_eq!(trace.suppressed(SuppressionKind::Silence), 1);
    assert!(trace.ticks(71).is_empty() && trace.state.is_idle());
}

#[test]
fn a_resolve_is_sent_only_if_the_alert_was_sent() {
    let mut trace = Trace::default();
    assert_eq!(trace.fires(0, "A"), ["+A"]);
    trace.silence(1, silence("A", 60));
    assert_eq!(trace.ticks(2), NONE);
    let resolved = trace.apply(3, vec![of_rule("A").resolved_at(at(3))]);
    let note = resolved[0].suppressed.as_ref().unwrap();
    assert_eq!((note.since, note.ended_at), (at(2), Some(at(3))));
    assert_eq!(trace.fires(4, "A"), NONE);
    assert_eq!(trace.resolves(5, "A"), NONE);
    assert_eq!(trace.suppressed(SuppressionKind::Silence), 2, "the start and the resolve");
}

#[test]
fn an_alert_that_was_sent_before_the_silence_is_sent_again_after_it() {
    let mut trace = Trace::default();
    trace.fires(0, "A");
    trace.silence(1, silence("A", 60));
    assert_eq!(trace.ticks(1), NONE);
    assert_eq!(trace.state.muted().len(), 1);
    assert_eq!(trace.ticks(61), ["+A"]);
    assert!(trace.state.muted().is_empty());
}

#[test]
fn overlapping_silences_are_one_period_and_an_early_end_sends_at_the_next_tick() {
    let mut trace = Trace::default();
    trace.silence(0, silence("A", 60));
    let other = trace.silence(0, silence("A", 120));
    assert_eq!(trace.fires(10, "A"), NONE);
    assert_eq!(trace.ticks(60), NONE);
    trace.state.end_silence(other, "ben").unwrap();
    let sent = trace.apply(70, Vec::new());
    assert_eq!(sent[0].suppressed.as_ref().unwrap().since, at(10));
    let error = trace.state.end_silence(other, "ben").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no silence 2: it has ended, or take the id of one in status().silences"
    );
    let error = trace.state.end_silence(1, "").unwrap_err().to_string();
    assert_eq!(error, "by: \"\" is empty: set the person, such as \"anna\"");
}

#[test]
fn a_silence_until_resolved_ends_when_no_matching_alert_fires() {
    let mut trace = Trace::default();
    trace.fires(0, "A");
    trace.silence(1, Silence::until_resolved(rule("A")).by("anna").because("known"));
    assert_eq!(trace.ticks(2), NONE);
    assert_eq!(trace.resolves(1_000, "A"), ["-A"]);
    assert!(trace.state.silences.is_empty());
    assert_eq!(trace.fires(1_001, "A"), ["+A"], "a new incident");
}

#[test]
fn a_maintenance_window_suppresses_every_alert_from_its_start_to_its_end() {
    let mut trace = Trace::default();
    trace.silence(0, Silence::maintenance(at(100), at(200)).by("ops").because("upgrade"));
    assert_eq!(trace.fires(99, "A"), ["+A"]);
    assert_eq!(trace.fires(100, "B"), NONE);
    assert_eq!(trace.ticks(199), NONE);
    assert_eq!(trace.ticks(200), ["+A", "+B"]);
    assert_eq!(trace.suppressed(SuppressionKind::Maintenance), 1);
}

#[test]
fn the_quiet_time_mutes_rules_and_not_reports() {
    let mut trace = Trace::default();
    trace.state.quiet(at(0), Duration::from_secs(120));
    assert_eq!(trace.fires(10, "A"), NONE);
    assert_eq!(trace.titles(11, vec![report(1, 1)]), ["+Lost"]);
    assert_eq!(trace.fires(12, "B"), NONE);
    assert_eq!(trace.resolves(20, "B"), NONE);
    assert_eq!(trace.ticks(120), ["+A"]);
    assert_eq!(trace.fires(121, "C"), ["+C"]);
}

#[test]
fn an_inhibited_alert_is_sent_ten_seconds_after_its_source_last_fired() {
    let mut trace = Trace::default();
    trace.inhibit(&[("A", "B")]);
    assert_eq!(trace.titles(0, vec![of_rule("B"), of_rule("A")]), ["+A"], "in one tick");
    assert_eq!(trace.ticks(59), NONE);
    assert_eq!(trace.resolves(60, "A"), ["-A"]);
    assert_eq!(trace.ticks(68), NONE);
    let sent = trace.apply(69, Vec::new());
    let note =
        "Inhibited from 1970-01-01T00:00:00Z to 1970-01-01T00:01:09Z by [FIRING] A · orders.";
    assert_eq!(sent[0].suppressed.as_ref().unwrap().to_string(), note);
}

#[test]
fn an_alert_that_was_sent_before_its_source_is_not_sent_again() {
    let mut trace = Trace::default();
    trace.inhibit(&[("A", "B")]);
    assert_eq!(trace.fires(0, "B"), ["+B"]);
    assert_eq!(trace.fires(1, "A"), ["+A"]);
    assert_eq!(trace.resolves(2, "A"), ["-A"]);
    assert_eq!(trace.ticks(100), NONE);
    assert_eq!(trace.resolves(101, "B"), ["-B"]);
}

#[test]
fn one_alert_of_an_inhibition_cycle_is_sent() {
    let mut trace = Trace::default();
    trace.inhibit(&[("A", "B"), ("B", "A")]);
    assert_eq!(trace.titles(0, vec![of_rule("B"), of_rule("A")]).len(), 1);
}

#[test]
fn an_acknowledged_alert_has_no_repeats_and_its_resolve_names_the_person() {
    let mut trace = Trace::default();
    trace.fires(0, "A");
    let alert = of_rule("A");
    trace.state.acknowledge(&alert, "anna", "looking", at(1)).unwrap();
    assert!(trace.state.muted().contains(&alert.fingerprint()));
    assert_eq!(trace.ticks(2), NONE);
    let resolved = trace.apply(3, vec![of_rule("A").resolved_at(at(3))]);
    let note = resolved[0].acknowledged.as_ref().unwrap().to_string();
    assert_eq!(note, "Acknowledged by anna at 1970-01-01T00:00:01Z: looking.");
    assert_eq!(trace.fires(4, "A"), ["+A"]);
    assert!(trace.state.muted().is_empty(), "a new incident");
    let error = trace.state.acknowledge(&alert, "anna", "", at(5)).unwrap_err().to_string();
    assert_eq!(error, "because: \"\" is empty: set a reason, such as \"looking\"");
}

#[test]
fn further_reports_of_an_acknowledged_failure_are_sent_with_the_resolve_unless_it_gets_worse() {
    let mut trace = Trace::default();
    let mut first = report(1, 1);
    first.severity = Severity::Warning;
    trace.apply(0, vec![first.clone()]);
    trace.state.acknowledge(&first, "anna", "looking", at(1)).unwrap();
    let further = |severity, count, total| Alert { severity, ..report(count, total) };
    assert_eq!(trace.titles(60, vec![further(Severity::Warning, 7, 8)]), NONE);
    assert_eq!(trace.ticks(61), NONE);
    assert_eq!(trace.titles(120, vec![further(Severity::Critical, 2, 10)]), ["+Lost"]);
    assert_eq!(trace.suppressed(SuppressionKind::Acknowledgement), 1);
    assert_eq!(trace.titles(420, vec![report(0, 10).resolved_at(at(420))]), ["-Lost"]);
}

#[test]
fn reports_during_a_silence_are_merged_into_one_message() {
    let mut trace = Trace::default();
    trace.silence(0, silence("Lost", 600));
    for minute in 1..5 {
        assert_eq!(trace.titles(60 * minute, vec![report(3, 3 * minute)]), NONE);
    }
    let sent = trace.apply(600, Vec::new());
    assert_eq!(sent[0].failure().unwrap().count, 12);
}

#[test]
fn an_alert_whose_evaluation_was_lost_is_forgotten() {
    let mut trace = Trace::default();
    trace.silence(0, silence("A", 60));
    trace.fires(1, "A");
    trace.firing.clear();
    assert_eq!(trace.ticks(2), NONE);
    assert!(trace.state.alerts.is_empty());
}

#[test]
fn the_number_of_silences_is_bounded() {
    let mut trace = Trace::default();
    for _ in 0..MAX_SILENCES {
        trace.silence(0, silence("A", 60));
    }
    let error = trace.state.silence(silence("A", 60), Source::Handle, START).unwrap_err();
    assert_eq!(error.to_string(), "silence: 1000 silences are active, the maximum: end some");
}

#[test]
fn a_new_configuration_replaces_the_silences_of_the_same_source() {
    let mut state = State::default();
    let configure = |state: &mut State, source, count| {
        let silences = (0..count).map(|_| silence("A", 60)).collect();
        state.configure(source, silences, Vec::new(), START).unwrap();
    };
    configure(&mut state, Source::Builder, 1);
    configure(&mut state, Source::File, 2);
    configure(&mut state, Source::File, 3);
    assert_eq!(state.silences.len(), 4);
}

#[cfg(feature = "state")]
#[test]
fn silences_acknowledgements_and_unsent_alerts_survive_a_restart() {
    let mut trace = Trace::default();
    let id = trace.silence(0, silence("A", 60));
    trace.silence(0, silence("C", 10));
    assert_eq!(trace.fires(1, "B"), ["+B"]);
    trace.state.acknowledge(&of_rule("B"), "anna", "looking", at(2)).unwrap();
    assert_eq!(trace.fires(3, "A"), NONE);
    assert_eq!(trace.fires(4, "C"), NONE);
    let before = trace.state.silences[0].status.clone();
    trace.restart(20);
    assert_eq!(trace.state.silences.len(), 1, "the silence of C has ended");
    assert_eq!(trace.state.silences[0].status, before);
    assert_eq!(trace.state.muted().len(), 3);
    assert_eq!(trace.ticks(21), ["+C"]);
    assert!(trace.silence(22, silence("D", 5)) > id + 1, "ids are not used twice");
    trace.restart(30);
    assert_eq!(trace.ticks(60), ["+A"]);
    let resolved = trace.apply(61, vec![of_rule("B").resolved_at(at(61))]);
    assert_eq!(resolved[0].acknowledged.as_ref().unwrap().by, "anna");
}

#[cfg(feature = "state")]
#[test]
fn an_alert_that_resolves_during_a_restart_is_not_sent_if_it_was_suppressed() {
    let mut trace = Trace::default();
    trace.silence(0, silence("A", 60));
    trace.fires(1, "A");
    trace.restart(2);
    assert_eq!(trace.resolves(3, "A"), NONE);
}

#[derive(Clone, Debug)]
enum Step {
    Fire(u8),
    Resolve(u8),
    Silence(u8, u64),
    UntilResolved(u8),
    Acknowledge(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8).prop_map(Step::Fire),
        3 => (0..4_u8).prop_map(Step::Resolve),
        2 => (0..4_u8, 1..40_u64).prop_map(|(rule, seconds)| Step::Silence(rule, seconds)),
        1 => (0..4_u8).prop_map(Step::UntilResolved),
        1 => (0..4_u8).prop_map(Step::Acknowledge),
        4 => (1..15_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Each firing and each resolve is sent or counted, no resolve is sent without its alert, and
    /// once no control is left, each firing alert has been sent.
    #[test]
    fn no_alert_is_lost(
        steps in prop::collection::vec(step(), 1..60),
        edges in prop::collection::vec((0..4_u8, 0..4_u8), 0..4),
        quiet in 0..30_u64,
    ) {
        let name = |rule: u8| format!("R{rule}");
        let mut trace = Trace::default();
        let edges: Vec<_> = edges.iter().map(|(one, other)| (name(*one), name(*other))).collect();
        let edges: Vec<_> = edges.iter().map(|(one, other)| (&**one, &**other)).collect();
        trace.inhibit(&edges);
        trace.state.quiet(at(0), Duration::from_secs(quiet));
        let (mut second, mut sent_firing, mut changed) = (0, HashSet::new(), 0);
        let (mut sent_new, mut resent) = (0, 0);
        let mut check = |sent: Vec<Alert>| -> Result<(), TestCaseError> {
            for alert in sent {
                let key = alert.fingerprint();
                match alert.status {
                    AlertStatus::Firing if sent_firing.insert(key) => sent_new += 1,
                    AlertStatus::Firing => resent += 1,
                    AlertStatus::Resolved => {
                        prop_assert!(sent_firing.remove(&key), "{alert} was never sent");
                        sent_new += 1;
                    }
                }
            }
            Ok(())
        };
        for step in steps {
            let fires = |rule, trace: &Trace| trace.firing.iter().any(|alert| *alert.name == *name(rule));
            let mut changes = Vec::new();
            match step {
                Step::Fire(rule) if !fires(rule, &trace) => changes.push(of_rule(&name(rule))),
                Step::Resolve(rule) if fires(rule, &trace) => {
                    changes.push(of_rule(&name(rule)).resolved_at(at(second)));
                }
                Step::Silence(rule, seconds) => {
                    trace.silence(second, silence(&name(rule), seconds));
                }
                Step::UntilResolved(rule_) => {
                    let silence = Silence::until_resolved(rule(&name(rule_)));
                    trace.silence(second, silence.by("a").because("b"));
                }
                Step::Acknowledge(rule) if fires(rule, &trace) => {
                    trace.state.acknowledge(&of_rule(&name(rule)), "a", "b", at(second)).unwrap();
                }
                Step::Wait(seconds) => second += seconds,
                _ => {}
            }
            changed += changes.len() as u64;
            let sent = trace.apply(second, changes);
            check(sent)?;
        }
        // Silences until resolved end with their alerts; the others and the inhibitions end here.
        trace.inhibit(&[]);
        trace.state.silences.clear();
        let sent = trace.apply(second + 100, Vec::new());
        check(sent)?;
        for alert in &trace.firing {
            prop_assert!(sent_firing.contains(&alert.fingerprint()), "{alert} was not sent");
        }
        let suppressed: u64 = trace.state.suppressed.iter().sum();
        prop_assert!(sent_new + suppressed >= changed);
    }

    /// Alerts of different targets do not affect each other.
    #[test]
    fn a_silence_of_a_route_suppresses_that_route_alone(route in "[a-z]{1,3}", other in "[a-z]{1,3}") {
        let mut trace = Trace::default();
        let matcher = Matcher::new().label("route", format!("/{route}"));
        let minute = Duration::from_secs(60);
        trace.silence(0, Silence::new(matcher, minute).by("anna").because("deploy"));
        let mut alert = of_rule("A");
        alert.target = Target::Route(format!("/{other}"));
        prop_assert_eq!(trace.apply(1, vec![alert]).is_empty(), route == other);
    }
}

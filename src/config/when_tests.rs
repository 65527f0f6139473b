//! Tests of a notifier's `when` and `repeat_every`.

use std::time::Duration;

use tower::ServiceExt;

use super::*;
use crate::{
    alert::{AlertStatus, test_alert},
    notify::{Matcher, Notification},
    rule::Severity,
};

fn load(notifier: &str) -> Result<Notifier, ConfigError> {
    let text = format!("[[notifier]]\nkind = 'log'\n{notifier}");
    Ok(Source::Text(text).load(&[])?.notifiers.remove(0))
}

fn any() -> Matcher {
    Matcher::new()
}

#[test]
fn an_alert_must_match_each_key_of_when_and_any_value_of_a_list() {
    let team = |team: &str| any().label("team", team);
    for (when, matcher) in [
        ("{}", any()),
        ("{ severity = 'critical' }", any().severity(Severity::Critical)),
        (
            "{ severity = ['info', 'warning'] }",
            any().severity(Severity::Info).or(any().severity(Severity::Warning)),
        ),
        ("{ min_severity = 'warning' }", any().min_severity(Severity::Warning)),
        ("{ rule = 'A' }", any().rule("A")),
        ("{ rule = ['A', 'B'] }", any().rule("A").or(any().rule("B"))),
        ("{ labels = { team = 'shop' } }", team("shop")),
        (
            "{ rule = 'A', labels = { team = ['shop', ''], tier = '1' } }",
            any().rule("A").and(team("shop").or(team(""))).label("tier", "1"),
        ),
        ("{ reported = true }", any().reported()),
        ("{ reported = false }", !any().reported()),
        ("{ not = { rule = 'A', severity = 'info' } }", !any().severity(Severity::Info).rule("A")),
    ] {
        let loaded = load(&format!("when = {when}")).unwrap().matcher;
        assert_eq!(loaded, Some(matcher), "{when}");
    }
    assert_eq!(load("").unwrap().matcher, None);
}

#[test]
fn a_problem_in_when_names_its_line_and_key() {
    for (text, expected) in [
        ("when = 'critical'", "3: notifier.when: \"critical\" is not a table: write { … }"),
        (
            "when = { severity = 'crit' }",
            "3: notifier.when.severity: \"crit\" is unknown: use one of info, warning, critical",
        ),
        (
            "[notifier.when]\nmin_severty = 'info'",
            "4: notifier.when.min_severty: unknown key: did you mean min_severity?",
        ),
        (
            "when = { not = { rules = 'A' } }",
            "3: notifier.when.not.rules: unknown key: did you mean rule?",
        ),
        (
            "when = { rule = [] }",
            "3: notifier.when.rule: is an empty list: add a value, or remove the key",
        ),
        (
            "when = { labels = { team = 1 } }",
            "3: notifier.when.labels: team: 1 is not a string: put it in quotes",
        ),
        (
            "repeat_every = 4",
            "3: notifier.repeat_every: 4 has no unit: use a duration such as \"4s\"",
        ),
        (
            "or_else = 'b'\n[[notifier]]\nkind = 'log'\nname = 'b'\nrepeat_every = '4h'",
            "7: notifier.repeat_every: has no effect on a notifier that is only the or_else of \
             others: remove it, or add a when",
        ),
    ] {
        assert_eq!(load(text).unwrap_err().to_string(), format!("config:{expected}"), "{text}");
    }
}

#[test]
fn a_fallback_with_a_when_also_gets_the_matching_alerts() {
    let text = "
        notifier = [
            { kind = 'log', name = 'a', or_else = 'b' },
            { kind = 'log', name = 'b', when = { severity = 'info' }, repeat_every = '4h' },
        ]";
    let notifiers = Source::Text(text.to_owned()).load(&[]).unwrap().notifiers;
    let matchers: Vec<_> = notifiers.into_iter().map(|notifier| notifier.matcher).collect();
    assert_eq!(matchers, [None, Some(any().severity(Severity::Info))]);
}

#[tokio::test]
async fn repeat_every_repeats_firing_alerts() {
    for (text, every) in [("", None), ("repeat_every = '4h'", Some(4 * 60 * 60))] {
        let alerts = vec![test_alert("A", AlertStatus::Firing)];
        let notification = Notification::new(alerts);
        let delivered = load(text).unwrap().service.oneshot(notification).await.unwrap();
        let expected = every.map_or("None".to_owned(), |s| format!("{:?}", Duration::from_secs(s)));
        assert!(format!("{delivered:?}").contains(&expected), "{delivered:?}");
    }
}

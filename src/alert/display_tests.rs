//! Nothing in a route, a name or an error reaches a terminal or a log but as text of one line.

use super::*;
use crate::{
    operation::{MethodLabel, Operation},
    text::is_control,
};

/// What clears a terminal, forges a log line, rings a bell or reverses the text after it.
const ATTACK: &str =
    "/a\u{1b}[2J\r\n2026-01-01 INFO paid\u{7}\u{7f}\u{9b}1m\u{202e}gpj.exe\u{2028}";

fn check(text: &str) {
    assert!(!text.contains(is_control), "{text:?}");
    assert!(text.contains(r"\u{1b}[2J\r\n"), "the attack stays visible: {text}");
}

fn of_failure() -> Alert {
    let failure = Failure {
        causes: vec![ATTACK.to_owned()],
        error_type: ATTACK.into(),
        call_site: ATTACK.to_owned(),
        fields: vec![(ATTACK.into(), ATTACK.to_owned())],
        count: 1,
        total: 1,
        ..Failure::default()
    };
    let alert = test_alert("R", AlertStatus::Firing);
    Alert::of_failure(&ATTACK.into(), alert.severity, failure, alert.starts_at, &alert.origin)
}

#[test]
fn the_line_of_an_alert_has_no_control_character() {
    for status in [AlertStatus::Firing, AlertStatus::Resolved] {
        for target in [
            Target::Operation(Operation::of_server(MethodLabel::Get, ATTACK)),
            Target::Route(ATTACK.to_owned()),
            Target::Dependency(ATTACK.to_owned()),
        ] {
            let alert = Alert { target, ..test_alert(ATTACK, status) };
            check(&alert.to_string());
            check(&alert.title());
        }
        let mut alert = Alert { status, ..of_failure() };
        check(&alert.to_string());
        check(&alert.title());
        alert.origin = Arc::new(Origin { service: ATTACK.to_owned(), ..Origin::default() });
        check(&alert.title());
    }
}

#[test]
fn the_other_lines_about_an_alert_have_none() {
    let operation = Operation::of_server(MethodLabel::Get, ATTACK);
    check(&operation.to_string());
    let top = Contribution { operation, share: 1.0, detail: ATTACK.to_owned() };
    check(&top.to_string());
}

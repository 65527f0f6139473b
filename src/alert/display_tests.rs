//! Routes, names and errors cannot inject control characters into a terminal or a log.

use super::*;
use crate::{
    operation::{MethodLabel, Operation},
    text::is_control,
};

/// Clears a terminal, forges a log line, rings the bell, and reverses the text after it.
const ATTACK: &str =
    "/a\u{1b}[2J\r\n2026-01-01 INFO paid\u{7}\u{7f}\u{9b}1m\u{202e}gpj.exe\u{2028}";

fn check(text: &str) {
    assert!(!text.contains(is_control), "{text:?}");
    assert!(text.contains(r"\u{1b}[2J\r\n"), "the escaped attack is visible: {text}");
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
fn the_lines_of_operations_have_no_control_character() {
    let operation = Operation::of_server(MethodLabel::Get, ATTACK);
    check(&operation.to_string());
    let top = Contribution { operation, share: 1.0, detail: ATTACK.to_owned() };
    check(&top.to_string());
}

//! Silences, maintenance windows, inhibitions and the quiet time of a file.

use super::*;
use crate::config::Source;

fn read(text: &str) -> Controls {
    Source::Text(text.to_owned()).load(&[]).unwrap().controls
}

fn rejection(text: &str) -> String {
    Source::Text(text.to_owned()).load(&[]).unwrap_err().to_string()
}

fn time(text: &str) -> SystemTime {
    humantime::parse_rfc3339(text).unwrap()
}

fn rule(name: &str) -> Matcher {
    Matcher::new().rule(name)
}

#[test]
fn a_file_has_silences_windows_inhibitions_and_a_quiet_time() {
    let controls = read(
        "quiet_after_start = '2m'\n\
         [[silence]]\nwhen = { rule = 'A' }\nfrom = 2999-01-01T00:00:00Z\n\
         until = 2999-01-01T12:00:00+09:00\nby = 'anna'\nreason = 'slow disk'\n\
         [[maintenance]]\nfrom = 2999-01-01T00:00:00Z\nuntil = 2999-01-01T01:00:00Z\n\
         by = 'ops'\nreason = 'upgrade'\n\
         [[maintenance]]\nfrom = 2999-01-01T00:00:00Z\nuntil = 2999-01-01T01:00:00Z\n\
         by = 'ops'\nreason = 'upgrade'\nwhen = { labels = { dependency = 'db' } }\n\
         [[inhibit]]\nsource = { rule = 'A' }\ntarget = { rule = 'B' }\nequal = ['service']\n",
    );
    let [start, end] = ["2999-01-01T00:00:00Z", "2999-01-01T03:00:00Z"].map(time);
    let silence = Silence::until(rule("A"), Some(start), end).by("anna").because("slow disk");
    let window = Silence::maintenance(start, time("2999-01-01T01:00:00Z"));
    let window = window.by("ops").because("upgrade");
    let db = Matcher::new().and(Matcher::new().label("dependency", "db"));
    assert_eq!(controls.silences, [silence, window.clone(), window.matching(db)]);
    let inhibition = Inhibition::new(rule("A"), rule("B")).equal(["service"]);
    assert_eq!(controls.inhibitions, [inhibition]);
    assert_eq!(controls.quiet_after_start, Some(Duration::from_secs(120)));
}

#[test]
fn a_silence_that_has_ended_is_no_error() {
    let text = "[[silence]]\nwhen = { rule = 'A' }\nuntil = 2001-01-01T00:00:00Z\n\
                by = 'anna'\nreason = 'old'\n";
    assert_eq!(read(text).silences.len(), 1);
}

#[test]
fn a_problem_names_the_line_the_key_and_the_fix() {
    let silence = "[[silence]]\nby = 'anna'\nreason = 'deploy'\nwhen = { rule = 'A' }\n";
    let window = "[[maintenance]]\nby = 'anna'\nreason = 'deploy'\n";
    for (text, problem) in [
        ("quiet_after_start = 120", "config:1: quiet_after_start: 120 has no unit: use a duration"),
        ("quiet_after_start = '-2m'", "config:1: quiet_after_start: \"-2m\" is not a duration"),
        ("quiet_after_start = '2h'", "config:1: quiet_after_start: \"2h\" is longer than 1h: set"),
        ("quiet_after_strat = '2m'", "quiet_after_strat: unknown key: did you mean"),
        ("silence = 1", "config:1: silence: write it as [[silence]]"),
        (silence, "config:1: silence: has no until: set a time such as 2026-12-01T02:00:00Z"),
        (&format!("{silence}until = '1h'"), "silence.until: \"1h\" is not a time: set one such as"),
        (
            &format!("{silence}until = 2026-12-01"),
            "silence.until: 2026-12-01 has no time and offset",
        ),
        (
            &format!("{silence}until = 2999-01-01T00:00:00Z"),
            "config:5: silence.until: is more than 7 days after the start: set an earlier time",
        ),
        (
            &format!("{silence}until = 2999-01-01T00:00:00Z\nform = 1"),
            "config:6: silence.form: unknown key: did you mean from?",
        ),
        (
            "[[silence]]\nby = 'anna'\nreason = 'x'\nuntil = 2999-01-01T00:00:00Z",
            "config:1: silence: has no when: set one such as { rule = \"HighErrorRatio\" }",
        ),
        ("[[silence]]\nwhen = { rule = 'A' }", "config:1: silence: has no by: set the person"),
        (
            "[[silence]]\nwhen = {}\nby = 'anna'\nreason = 'x'\nuntil = 2999-01-01T00:00:00Z",
            "config:2: silence.when: has no condition, and would silence every alert",
        ),
        (
            &format!("{window}from = 2999-01-02T00:00:00Z\nuntil = 2999-01-01T00:00:00Z"),
            "config:5: maintenance.until: is not after the start: set a later time",
        ),
        (
            &format!("{window}until = 2999-01-01T00:00:00Z"),
            "config:1: maintenance: has no from: set",
        ),
        ("[[inhibit]]\nsource = { rule = 'A' }", "config:1: inhibit: has no target: set one"),
        (
            "[[inhibit]]\nsource = { rule = 'A' }\ntarget = { }",
            "config:3: inhibit.target: has no condition, and would match every alert",
        ),
        (
            "[[inhibit]]\nsource = { rule = 'A' }\ntarget = { rule = 'B' }\nequals = ['a']",
            "config:4: inhibit.equals: unknown key: did you mean equal?",
        ),
    ] {
        let error = rejection(text);
        assert!(error.contains(problem), "{text}\n{error}");
    }
}

#[test]
fn the_number_of_controls_is_bounded() {
    let one = "[[inhibit]]\nsource = { rule = 'A' }\ntarget = { rule = 'B' }\n";
    assert_eq!(read(&one.repeat(200)).inhibitions.len(), 200);
    let error = rejection(&one.repeat(201));
    assert_eq!(error, "config:601: inhibit: is one of more than 200: remove some");
}

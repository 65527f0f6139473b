//! The number of errors that a ratio needs to be significant.

use super::{super::*, *};

#[test]
fn fewer_errors_than_min_errors_do_not_breach_and_resolve_a_firing_alert() {
    let ratio = || Rule::error_ratio().above(0.01).over(secs(10)).min_requests(1);
    let slow =
        Rule::slow_ratio(Duration::from_millis(200)).above(0.01).over(secs(10)).min_requests(1);
    let mut play = Play::new([ratio().min_errors(3), ratio().named("Any"), slow.min_errors(3)]);
    play.requests("/a", 48, MS, Ending::Complete);
    play.requests("/a", 2, 300 * MS, Ending::Panicked);
    let titles = |alerts: Vec<Alert>| alerts.iter().map(Alert::title).collect::<Vec<_>>();
    assert_eq!(titles(play.tick()), ["[FIRING] Any · orders"]);
    play.requests("/a", 1, 300 * MS, Ending::Panicked);
    assert_eq!(
        titles(play.tick()),
        ["[FIRING] HighErrorRatio · orders", "[FIRING] HighSlowRatio · orders"]
    );
    // The first two leave the window. One failure of one request remains, which is a verdict.
    let changes = play.play(9, |_| {});
    let resolved: Vec<_> = changes.iter().map(|(second, alert)| (*second, &*alert.name)).collect();
    assert_eq!(resolved, [(11, "HighErrorRatio"), (11, "HighSlowRatio")]);
}

#[test]
fn confidence_requires_a_ratio_beyond_chance() {
    let rules = [
        Rule::error_ratio().above(0.01).over(secs(10)).confidence(0.95),
        Rule::slo(0.999).min_errors(0).confidence(0.95).named("Slo"),
        Rule::error_ratio().below(0.05).over(secs(10)).confidence(0.95).named("Below"),
    ];
    let fired = |failed, complete| {
        let mut play = Play::new(rules.clone());
        play.requests("/a", failed, MS, Ending::Panicked);
        play.requests("/a", complete, MS, Ending::Complete);
        play.tick().iter().map(|alert| alert.name.to_string()).collect::<Vec<_>>()
    };
    assert!(fired(2, 98).is_empty(), "1% with confidence needs 3 failures of 100");
    assert_eq!(fired(3, 97), ["HighErrorRatio"], "and 1.44% needs 4");
    assert_eq!(fired(4, 96), ["HighErrorRatio", "Slo"]);
    assert_eq!(fired(0, 100), ["Below"]);
    assert!(fired(0, 25).is_empty(), "no failure of 25 is consistent with 5%");
}

#[test]
fn a_quiet_service_with_few_errors_is_evaluated_over_a_longer_window() {
    let ratio = || Rule::error_ratio().above(0.01).min_errors(3);
    let rules = [ratio(), ratio().over(secs(10)).named("TenSeconds")];
    let mut play = Play::new(rules);
    // One of 20 requests in 10 s fails: 5%, but three failures need 30 s.
    let mut fired = Vec::new();
    for second in 0..60 {
        let failed = u64::from(second % 10 == 9);
        play.requests("/a", failed, MS, Ending::Panicked);
        play.requests("/a", 2 - failed, MS, Ending::Complete);
        fired.extend(play.tick().into_iter().map(|alert| (second + 1, alert)));
    }
    let [(second, alert)] = &fired[..] else { panic!("{fired:?}") };
    assert_eq!((*second, &*alert.name), (30, "HighErrorRatio"));
    let (length, requests) = alert.breach().unwrap().window.unwrap();
    assert_eq!(
        (length.as_secs(), requests),
        (21, 42),
        "the shortest window with all three failures"
    );
    // It resolves as soon as the shortest window has recovered.
    let ended = play.play(20, |play| play.requests("/a", 2, MS, Ending::Complete));
    let ended: Vec<_> = ended.iter().map(|(second, alert)| (*second, &*alert.name)).collect();
    assert_eq!(ended, [(70, "HighErrorRatio")]);
}

#[test]
fn a_ratio_without_confidence_neither_fires_nor_resolves() {
    let rule = Rule::error_ratio().above(0.01).over(secs(1)).confidence(0.95);
    let mut play = Play::new([rule]);
    let mut second = |failed, complete| {
        play.requests("/a", failed, MS, Ending::Panicked);
        play.requests("/a", complete, MS, Ending::Complete);
        play.tick().iter().map(|alert| alert.status.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(second(2, 98), [""; 0], "2 of 100 are consistent with 1%");
    assert_eq!(second(20, 980), ["FIRING"]);
    assert_eq!(second(2, 98), [""; 0], "it stays at 2%");
    assert_eq!(second(2, 98), [""; 0]);
    assert_eq!(second(1, 99), ["RESOLVED"], "not above 1%");
}

#[test]
fn at_half_the_threshold_confidence_removes_most_false_alarms() {
    let ratio = || Rule::error_ratio().above(0.01).over(secs(1));
    let mut play = Play::new([ratio().named("Plain"), ratio().confidence(0.95).named("Sure")]);
    let mut chance = fastrand::Rng::with_seed(4_711);
    let seconds = 4_000;
    let mut false_alarms = HashMap::new();
    for _ in 0..seconds {
        let failed = (0..100).filter(|_| chance.f64() < 0.005).count() as u64;
        play.requests("/a", failed, MS, Ending::Panicked);
        play.requests("/a", 100 - failed, MS, Ending::Complete);
        for alert in play.tick() {
            // A window is one second long: each breach is one second of an alert.
            let lasted = alert.ends_at.map_or(0, |_| (alert.lasted(alert.starts_at)).as_secs());
            *false_alarms.entry(alert.name.to_string()).or_insert(0) += lasted;
        }
    }
    let share = |rule| f64::from(false_alarms[rule] as u32) / f64::from(seconds);
    assert!(share("Plain") > 0.07, "2 of 100 happen by chance: {}", share("Plain"));
    assert!(share("Sure") < 0.05, "fewer than the confidence allows: {}", share("Sure"));
}

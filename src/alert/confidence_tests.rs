//! How many errors it takes to believe a ratio.

use super::{super::*, *};

#[test]
fn fewer_errors_than_asked_for_breach_nothing_and_end_what_fires() {
    let ratio = || Rule::error_ratio().above(0.01).over(secs(10)).min_requests(1);
    let slow =
        Rule::slow_ratio(Duration::from_millis(200)).above(0.01).over(secs(10)).min_requests(1);
    let mut play = Play::new([ratio().min_errors(3), ratio().named("Any"), slow.min_errors(3)]);
    play.requests("/a", 48, MS, Ending::Complete);
    play.requests("/a", 2, 300 * MS, Ending::Panicked);
    let told = |alerts: Vec<Alert>| alerts.iter().map(Alert::title).collect::<Vec<_>>();
    assert_eq!(told(play.tick()), ["[FIRING] Any · orders"]);
    play.requests("/a", 1, 300 * MS, Ending::Panicked);
    assert_eq!(
        told(play.tick()),
        ["[FIRING] HighErrorRatio · orders", "[FIRING] HighSlowRatio · orders"]
    );
    // The first two leave the window: one of one request is left, which is no unknown verdict.
    let changes = play.play(9, |_| {});
    let titles: Vec<_> = changes.iter().map(|(second, alert)| (*second, &*alert.name)).collect();
    assert_eq!(titles, [(11, "HighErrorRatio"), (11, "HighSlowRatio")]);
}

#[test]
fn with_confidence_a_ratio_must_be_more_than_chance() {
    let rules = [
        Rule::error_ratio().above(0.01).over(secs(10)).confidence(0.95),
        Rule::slo(0.999).min_errors(0).confidence(0.95).named("Slo"),
        Rule::error_ratio().below(0.05).over(secs(10)).confidence(0.95).named("Below"),
    ];
    let told = |failed, complete| {
        let mut play = Play::new(rules.clone());
        play.requests("/a", failed, MS, Ending::Panicked);
        play.requests("/a", complete, MS, Ending::Complete);
        play.tick().iter().map(|alert| alert.name.to_string()).collect::<Vec<_>>()
    };
    assert!(told(2, 98).is_empty(), "of 100 it takes 3 to be sure of 1 %");
    assert_eq!(told(3, 97), ["HighErrorRatio"], "and 4 to be sure of 1.44 %");
    assert_eq!(told(4, 96), ["HighErrorRatio", "Slo"]);
    assert_eq!(told(0, 100), ["Below"]);
    assert!(told(0, 25).is_empty(), "none of 25 may well be 5 %");
}

#[test]
fn a_quiet_service_that_is_not_surely_failing_is_judged_by_a_longer_window() {
    let ratio = || Rule::error_ratio().above(0.01).min_errors(3);
    let rules = [ratio(), ratio().over(secs(10)).named("TenSeconds")];
    let mut play = Play::new(rules);
    // 20 requests in 10 s, of which one fails: 5 %, but it takes 30 s to see three failures.
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
    assert_eq!((length.as_secs(), requests), (21, 42), "the shortest that holds all three");
    // It ends as soon as the shortest window is well again.
    let ended = play.play(20, |play| play.requests("/a", 2, MS, Ending::Complete));
    let ended: Vec<_> = ended.iter().map(|(second, alert)| (*second, &*alert.name)).collect();
    assert_eq!(ended, [(70, "HighErrorRatio")]);
}

#[test]
fn doubt_raises_no_alert_and_ends_none() {
    let rule = Rule::error_ratio().above(0.01).over(secs(1)).confidence(0.95);
    let mut play = Play::new([rule]);
    let mut second = |failed, complete| {
        play.requests("/a", failed, MS, Ending::Panicked);
        play.requests("/a", complete, MS, Ending::Complete);
        play.tick().iter().map(|alert| alert.status.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(second(2, 98), [""; 0], "2 of 100 may be 1 %");
    assert_eq!(second(20, 980), ["FIRING"]);
    assert_eq!(second(2, 98), [""; 0], "2 % all the time");
    assert_eq!(second(2, 98), [""; 0]);
    assert_eq!(second(1, 99), ["RESOLVED"], "no more than 1 %");
}

#[test]
fn at_half_the_threshold_confidence_leaves_few_of_the_false_alarms() {
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
            // A window is a second long: each breach is a second of an alert.
            let lasted = alert.ends_at.map_or(0, |_| (alert.lasted(alert.starts_at)).as_secs());
            *false_alarms.entry(alert.name.to_string()).or_insert(0) += lasted;
        }
    }
    let share = |rule| f64::from(false_alarms[rule] as u32) / f64::from(seconds);
    assert!(share("Plain") > 0.07, "2 of 100 come by chance: {}", share("Plain"));
    assert!(share("Sure") < 0.05, "rarer than the confidence leaves: {}", share("Sure"));
}

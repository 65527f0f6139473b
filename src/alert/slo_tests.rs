//! Alerts on error budgets.

use super::{super::*, *};
use crate::rule::BurnRate;

const HOUR: u64 = 3_600;

/// Ten requests per second, of which the first `failed` fail.
fn ten_of_which(failed: u64) -> impl Fn(&Play) {
    move |play| {
        play.requests("/a", failed, MS, Ending::Panicked);
        play.requests("/a", 10 - failed, MS, Ending::Complete);
    }
}

#[test]
fn a_total_outage_fires_on_the_fastest_burn_rate_and_resolves_soon_after_the_errors() {
    let mut play = Play::new([Rule::slo(0.999)]);
    assert!(play.play(HOUR, ten_of_which(0)).is_empty());
    let mut changes = play.play(40, ten_of_which(10));
    changes.extend(play.play(600, ten_of_which(0)));
    let [(fired_at, fired), (resolved_at, resolved)] = &changes[..] else {
        panic!("two changes: {:?}", titles(&changes))
    };
    // 1% of the budget: 28.8 · 0.1% of 900 s, or of up to 960 s since old seconds merge to minutes.
    assert!((HOUR + 26..=HOUR + 28).contains(fired_at), "at {fired_at}");
    assert_eq!(fired.title(), "[FIRING] ErrorBudgetBurn · orders");
    assert_eq!(fired.condition(), "threshold: above 28.8");
    let (over, requests) = fired.breach().unwrap().window.unwrap();
    assert!((secs(900)..=secs(960)).contains(&over), "{over:?}");
    assert_eq!(requests, over.as_secs() * 10);
    let top = fired.top()[0].to_string();
    assert!(top.starts_with("GET /a: ") && top.ends_with(", 100% of all failures"), "{top}");
    // The short window of 75 s, or up to 135 s of whole minutes, and one minute of keep_firing_for.
    assert!((HOUR + 40 + 130..=HOUR + 40 + 195).contains(resolved_at), "at {resolved_at}");
    // The burn rate over the hour, which is below the threshold of the slower rate.
    assert_eq!(resolved.measured(), "burn rate 11.1");
    assert_eq!(resolved.condition(), "threshold: above 14.4");
    assert_eq!(resolved.breach().unwrap().errors, 400);
}

#[test]
fn a_low_error_ratio_fires_after_it_has_spent_2_percent_of_the_budget() {
    let mut play = Play::new([Rule::slo(0.999)]);
    assert!(play.play(HOUR, ten_of_which(0)).is_empty());
    let changes = play.play(HOUR, |play| ten_of_which(u64::from(play.second % 5 == 0))(play));
    // 2% fail, so the hour's ratio reaches 1.44% after 72% of the hour. It then swings around the
    // threshold with each error, but the alert fires once.
    let [(at, fired)] = &changes[..] else { panic!("one change: {:?}", titles(&changes)) };
    assert!((HOUR + 2_592..=HOUR + 2_650).contains(at), "at {at}");
    assert_eq!(
        fired.to_string(),
        "[FIRING] ErrorBudgetBurn · orders: burn rate 14.4, which spends the 30-day error \
         budget of the 99.9% objective in 2.1 days (threshold: above 14.4)"
    );
}

#[test]
fn a_burn_rate_below_the_threshold_does_not_fire() {
    let mut play = Play::new([Rule::slo(0.999)]);
    assert!(play.play(HOUR, ten_of_which(0)).is_empty());
    // 1.4%: 14 times the allowed error ratio.
    let changes = play.play(HOUR, |play| ten_of_which(u64::from(play.second % 50 < 7))(play));
    assert!(changes.is_empty(), "{:?}", titles(&changes));
}

#[test]
fn the_long_window_alone_does_not_fire_after_the_errors_have_ended() {
    // The long window holds nine seconds of errors for ten minutes, the short one for ten seconds.
    let rate = BurnRate::new(14.4, secs(600)).short(secs(10));
    let held = |seconds| Rule::slo(0.999).burn_rates([rate]).hold_for(secs(seconds));
    let mut play = Play::new([held(17).named("Held"), held(18).named("HeldTooLong")]);
    let mut changes = play.play(9, ten_of_which(10));
    changes.extend(play.play(600, ten_of_which(0)));
    assert_eq!(
        titles(&changes),
        [(18, "[FIRING] Held · orders".to_owned()), (78, "[RESOLVED] Held · orders".to_owned()),]
    );
}

#[test]
fn a_process_that_fails_from_its_start_fires_at_the_fifth_error() {
    let mut play = Play::new([Rule::slo(0.999)]);
    let changes = play.play(5, |play| play.requests("/a", 1, MS, Ending::Panicked));
    let [(5, fired)] = &changes[..] else { panic!("one change: {:?}", titles(&changes)) };
    assert_eq!(
        (fired.breach().unwrap().value, fired.breach().unwrap().window),
        (Some(1_000.0), Some((secs(5), 5)))
    );
    assert_eq!(
        fired.measured(),
        "burn rate 1000, which spends the 30-day error budget of the 99.9% objective in 43 minutes"
    );
}

#[test]
fn a_pause_in_the_traffic_resolves_a_budget_alert_after_minutes_and_not_after_an_hour() {
    let mut play = Play::new([Rule::slo(0.999)]);
    assert_eq!(play.play(300, ten_of_which(10)).len(), 1);
    let changes = play.play(HOUR, |_| {});
    let [(at, resolved)] = &changes[..] else { panic!("one change: {:?}", titles(&changes)) };
    // The short window of five minutes, or six whole minutes, and as long without a verdict.
    assert!((300 + 599..=300 + 660).contains(at), "at {at}");
    assert_eq!(resolved.measured(), "burn rate unknown: too few requests to confirm the recovery");
}

#[test]
fn a_low_burn_rate_does_not_resolve_an_alert_while_another_rate_is_unknown() {
    let rates =
        [(0.02, HOUR), (0.005, 300)].map(|(share, over)| BurnRate::of_budget(share, secs(over)));
    let mut play = Play::new([Rule::slo(0.999).burn_rates(rates).keep_firing_for(secs(0))]);
    play.play(HOUR, ten_of_which(0));
    let changes = play.play(25, ten_of_which(10));
    let [(_, fired)] = &changes[..] else { panic!("one change: {:?}", titles(&changes)) };
    assert_eq!(fired.condition(), "threshold: above 43.2");
    assert!(play.play(100, |_| {}).is_empty(), "a pause in the traffic is no recovery");
    assert_eq!(play.play(30, ten_of_which(0)).len(), 1);
}

#[test]
fn an_objective_for_each_route_is_evaluated_per_route() {
    let mut play = Play::new([Rule::slo(0.99).each_route()]);
    let changes = play.play(3, |play| {
        play.requests("/a", 50, MS, Ending::Complete);
        play.requests("/b", 5, MS, Ending::Panicked);
    });
    assert_eq!(titles(&changes), [(1, "[FIRING] ErrorBudgetBurnPerRoute · GET /b".to_owned())]);
}

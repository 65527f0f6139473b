//! Alerts on error budgets.

use super::{super::*, *};
use crate::rule::BurnRate;

const HOUR: u64 = 3_600;

/// Ten requests a second, of which the first so many fail.
fn ten_of_which(failed: u64) -> impl Fn(&Play) {
    move |play| {
        play.requests("/a", failed, MS, Ending::Panicked);
        play.requests("/a", 10 - failed, MS, Ending::Complete);
    }
}

#[test]
fn a_total_outage_is_told_by_the_faster_burn_rate_and_ends_soon_after_the_errors() {
    let mut play = Play::new([Rule::slo(0.999)]);
    assert!(play.play(HOUR, ten_of_which(0)).is_empty());
    let mut changes = play.play(40, ten_of_which(10));
    changes.extend(play.play(600, ten_of_which(0)));
    let [(fired_at, fired), (resolved_at, resolved)] = &changes[..] else {
        panic!("two changes: {:?}", titles(&changes))
    };
    // 1 % of the budget: 28.8 · 0.1 % of 900 s, and of up to 960 s as the minutes lie.
    assert!((HOUR + 26..=HOUR + 28).contains(fired_at), "at {fired_at}");
    assert_eq!(fired.title(), "[FIRING] ErrorBudgetBurn · orders");
    assert_eq!(fired.condition(), "threshold: above 28.8");
    let (over, requests) = fired.breach().unwrap().window.unwrap();
    assert!((secs(900)..=secs(960)).contains(&over), "{over:?}");
    assert_eq!(requests, over.as_secs() * 10);
    let top = fired.top()[0].to_string();
    assert!(top.starts_with("GET /a: ") && top.ends_with(", 100 % of all failures"), "{top}");
    // The short window of 75 s, up to 135 s as the minutes lie, and the minute for which it is kept.
    assert!((HOUR + 40 + 130..=HOUR + 40 + 195).contains(resolved_at), "at {resolved_at}");
    // What the hour has of it, which is not enough for the slower burn rate.
    assert_eq!(resolved.measured(), "burn rate 11.1");
    assert_eq!(resolved.condition(), "threshold: above 14.4");
    assert_eq!(resolved.breach().unwrap().errors, 400);
}

#[test]
fn what_fails_a_little_is_told_when_it_has_cost_2_percent_of_the_budget() {
    let mut play = Play::new([Rule::slo(0.999)]);
    assert!(play.play(HOUR, ten_of_which(0)).is_empty());
    let changes = play.play(HOUR, |play| ten_of_which(u64::from(play.second % 5 == 0))(play));
    // 2 % fail, so an hour has 1.44 % after 72 % of it; that it swings about the threshold then, from
    // one error to the next, is told once.
    let [(at, fired)] = &changes[..] else { panic!("one change: {:?}", titles(&changes)) };
    assert!((HOUR + 2_592..=HOUR + 2_650).contains(at), "at {at}");
    assert_eq!(
        fired.to_string(),
        "[FIRING] ErrorBudgetBurn · orders: burn rate 14.4, which spends the 30-day budget of 99.9 \
         % in 2.1 days (threshold: above 14.4)"
    );
}

#[test]
fn what_burns_more_slowly_is_not_told() {
    let mut play = Play::new([Rule::slo(0.999)]);
    assert!(play.play(HOUR, ten_of_which(0)).is_empty());
    // 1.4 %: 14 times what the objective allows.
    let changes = play.play(HOUR, |play| ten_of_which(u64::from(play.second % 50 < 7))(play));
    assert!(changes.is_empty(), "{:?}", titles(&changes));
}

#[test]
fn the_long_window_alone_fires_nothing_once_the_errors_are_over() {
    // The long window has the errors of nine seconds for ten minutes, the short one for nine more.
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
fn a_process_that_fails_from_its_start_is_told_with_the_fifth_error() {
    let mut play = Play::new([Rule::slo(0.999)]);
    let changes = play.play(5, |play| play.requests("/a", 1, MS, Ending::Panicked));
    let [(5, fired)] = &changes[..] else { panic!("one change: {:?}", titles(&changes)) };
    assert_eq!(
        (fired.breach().unwrap().value, fired.breach().unwrap().window),
        (Some(1_000.0), Some((secs(5), 5)))
    );
    assert_eq!(
        fired.measured(),
        "burn rate 1000, which spends the 30-day budget of 99.9 % in 43 minutes"
    );
}

#[test]
fn a_pause_in_the_traffic_ends_an_alert_on_a_budget_after_minutes_and_not_after_its_hour() {
    let mut play = Play::new([Rule::slo(0.999)]);
    assert_eq!(play.play(300, ten_of_which(10)).len(), 1);
    let changes = play.play(HOUR, |_| {});
    let [(at, resolved)] = &changes[..] else { panic!("one change: {:?}", titles(&changes)) };
    // Its short window of five minutes, six as the minutes lie, and as long without a verdict.
    assert!((300 + 599..=300 + 660).contains(at), "at {at}");
    assert_eq!(resolved.measured(), "burn rate unknown: too few requests to judge by");
}

#[test]
fn a_burn_rate_that_is_unknown_is_not_overruled_by_one_that_is_low() {
    let rates =
        [(0.02, HOUR), (0.005, 300)].map(|(share, over)| BurnRate::of_budget(share, secs(over)));
    let mut play = Play::new([Rule::slo(0.999).burn_rates(rates).keep_firing_for(secs(0))]);
    play.play(HOUR, ten_of_which(0));
    let changes = play.play(25, ten_of_which(10));
    let [(_, fired)] = &changes[..] else { panic!("one change: {:?}", titles(&changes)) };
    assert_eq!(fired.condition(), "threshold: above 43.2");
    assert!(play.play(100, |_| {}).is_empty(), "a pause of the traffic is no recovery");
    assert_eq!(play.play(30, ten_of_which(0)).len(), 1);
}

#[test]
fn an_objective_of_each_route_is_judged_by_itself() {
    let mut play = Play::new([Rule::slo(0.99).each_route()]);
    let changes = play.play(3, |play| {
        play.requests("/a", 50, MS, Ending::Complete);
        play.requests("/b", 5, MS, Ending::Panicked);
    });
    assert_eq!(titles(&changes), [(1, "[FIRING] ErrorBudgetBurnPerRoute · GET /b".to_owned())]);
}

//! The statuses of rules, second by second.

use crate::{
    alert::evaluator::tests::{MS, Play, secs},
    outcome::Ending,
    rule::Rule,
};

fn ratio() -> Rule {
    Rule::error_ratio().above(0.01).over(secs(10))
}

fn lines(play: &Play) -> Vec<String> {
    let statuses = play.evaluator.statuses(&play.collector);
    statuses.iter().map(ToString::to_string).collect()
}

/// The status after `seconds`, each with `succeeded` and `failed` requests.
fn after(rule: Rule, seconds: u64, succeeded: u64, failed: u64) -> String {
    let mut play = Play::new([rule]);
    play.play(seconds, |play| {
        play.requests("/a", succeeded, 10 * MS, Ending::Complete);
        play.requests("/a", failed, 10 * MS, Ending::Panicked);
    });
    lines(&play).join("\n")
}

#[test]
fn a_status_has_the_value_the_window_and_the_requests() {
    assert_eq!(
        after(ratio(), 10, 199, 1),
        "HighErrorRatio: inactive, error ratio 0.5% (threshold: above 1%), 2000 requests in 10s"
    );
    assert_eq!(
        after(ratio().hold_for(secs(60)), 10, 5, 5),
        "HighErrorRatio: pending, error ratio 50% (threshold: above 1%), 100 requests in 10s"
    );
    assert_eq!(
        after(ratio(), 10, 5, 5),
        "HighErrorRatio: firing, error ratio 50% (threshold: above 1%), 100 requests in 10s"
    );
    assert_eq!(
        after(Rule::in_flight().above(5), 10, 5, 5),
        "HighInFlight: inactive, requests in flight 0 (threshold: above 5)"
    );
}

#[test]
fn a_status_gives_the_reason_for_no_verdict() {
    let unknown = "HighErrorRatio: inactive, error ratio unknown (threshold: above 1%)";
    let lag = Rule::runtime_lag().above(secs(1));
    let never = after(ratio(), 0, 0, 0);
    assert!(never.ends_with(": not evaluated yet"), "{never}");
    assert_eq!(
        after(ratio(), 7, 0, 0),
        format!("{unknown}, 0 requests in 7s: no request has ended yet")
    );
    assert_eq!(after(ratio(), 7, 1, 0), format!("{unknown}, 7 requests in 7s: 7 of 20 requests"));
    assert_eq!(
        after(lag, 7, 1, 0),
        "HighRuntimeLag: inactive, runtime lag unknown (threshold: above 1 s): no runtime is measured"
    );
    assert_eq!(
        after(ratio().route("/b"), 7, 1, 0),
        "HighErrorRatioOnB · /b: inactive, error ratio unknown (threshold: above 1%), 0 requests in \
         7s: no request has matched the rule's scope"
    );
    assert_eq!(
        after(ratio().dependency("inventory"), 7, 1, 0),
        "HighErrorRatioOfInventory · inventory: inactive, error ratio unknown (threshold: above 1%), \
         0 requests in 7s: no request has matched the rule's scope"
    );
    assert_eq!(
        after(Rule::throughput().below(1).over(secs(30)), 7, 0, 0),
        "LowThroughput: inactive, throughput unknown (threshold: below 1/s), 0 requests in 7s: the \
         window is not full after 7 s"
    );
    assert_eq!(
        after(ratio().each_route(), 7, 1, 0),
        "HighErrorRatioPerRoute: inactive, error ratio unknown (threshold: above 1%), 7 requests in \
         7s: 7 of 20 requests"
    );
}

#[test]
fn a_status_gives_the_reason_why_a_value_past_the_threshold_does_not_fire() {
    assert!(after(ratio().min_errors(30), 10, 98, 2).ends_with(": 20 of 30 errors"));
    assert!(
        after(ratio().confidence(0.999), 4, 9, 0).ends_with("36 requests in 4s"),
        "a value below the threshold needs no reason"
    );
    let doubtful = after(ratio().confidence(0.9999), 10, 9, 0);
    assert!(!doubtful.contains("confidence"), "{doubtful}");
    let doubtful = after(ratio().over(secs(1)).confidence(0.9999), 1, 49, 1);
    assert!(doubtful.ends_with(": the confidence of 0.9999 is not reached"), "{doubtful}");
}

#[test]
fn a_rule_for_each_route_shows_its_worst_twenty_operations() {
    let mut play = Play::new([ratio().each_route()]);
    play.play(10, |play| {
        for route in 0..30 {
            let name = format!("/{route:02}");
            play.requests(&name, 100 - route, 10 * MS, Ending::Complete);
            play.requests(&name, route, 10 * MS, Ending::Panicked);
        }
    });
    let lines = lines(&play);
    assert_eq!(lines.len(), 20);
    assert!(lines[0].starts_with("HighErrorRatioPerRoute · GET /29: firing, error ratio 29%"));
}

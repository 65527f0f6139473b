//! Matchers route each alert to its notifiers. A failing notifier does not delay the others, and
//! alerts that no notifier matches are counted.

#![cfg(all(feature = "pagerduty", feature = "prometheus", feature = "slack"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::time::Duration;

use tower_lookout::{
    Lookout, LookoutBuilder, Report, Rule, Severity,
    notify::{Matcher, NotifierExt, PagerDuty, Slack},
    prometheus::Scrape,
};

use in_flight::request;
use logs::Logs;
use receiver::{Receiver, Reply};
use support::{eventually, start, sum};

fn pagerduty(url: &str) -> PagerDuty {
    PagerDuty::new("0123456789abcdef0123456789s3cret").unwrap().url(url).unwrap()
}

fn slack(url: &str) -> Slack {
    Slack::new(url).unwrap()
}

fn critical() -> Matcher {
    Matcher::new().min_severity(Severity::Critical)
}

/// Starts a lookout that fires a warning while one request is in flight, and a critical alert while
/// there are two.
fn lookout(notifiers: impl FnOnce(LookoutBuilder) -> LookoutBuilder) -> (Lookout, Scrape) {
    start(|builder| {
        let builder = builder
            .rule(Rule::in_flight().above(0).severity(Severity::Warning).label("team", "shop"))
            .rule(Rule::in_flight().above(1).named("TwoInFlight").severity(Severity::Critical));
        notifiers(builder).shutdown_timeout(Duration::ZERO)
    })
}

/// Returns the title of each message that this Slack receiver accepted.
fn titles(slack: &Receiver) -> Vec<String> {
    slack.accepted().iter().flat_map(|post| post.titles()).collect()
}

fn counter(scrape: &Scrape, kind: &str, labels: &[(&str, &str)]) -> f64 {
    sum(&scrape.render(), &format!("lookout_notifications_{kind}_total"), labels)
}

#[tokio::test]
async fn the_pager_gets_only_critical_alerts_and_the_chat_gets_all() {
    let pager = Receiver::replying(Reply::Response(202, "", "{}"), []);
    let chat = Receiver::new([]);
    let (pager_url, chat_url) = (pager.serve().await, chat.serve().await);
    let (lookout, scrape) = lookout(|builder| {
        builder.notify(pagerduty(&pager_url).when(critical())).notify(slack(&chat_url))
    });
    let first = request(&lookout);
    eventually(4, "the warning", || (titles(&chat).len() == 1).then_some(())).await;
    let second = request(&lookout);
    eventually(4, "the page", || (pager.accepted().len() == 1).then_some(())).await;
    drop(second);
    eventually(4, "its resolve", || (pager.accepted().len() == 2).then_some(())).await;
    drop(first);
    eventually(4, "the last resolve", || (titles(&chat).len() == 4).then_some(())).await;
    lookout.shutdown().await;
    let actions: Vec<_> =
        pager.posts().iter().map(|post| post.body["event_action"].clone()).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert_eq!(pager.posts()[0].body["payload"]["class"], "TwoInFlight");
    assert_eq!(
        titles(&chat),
        [
            "🔴 [FIRING] HighInFlight · test",
            "🔴 [FIRING] TwoInFlight · test",
            "🟢 [RESOLVED] TwoInFlight · test",
            "🟢 [RESOLVED] HighInFlight · test"
        ]
    );
    // Only the notifiers that an alert was routed to count a delivery.
    assert_eq!(counter(&scrape, "sent", &[("notifier", "pagerduty")]), 2.0);
    assert_eq!(counter(&scrape, "sent", &[("notifier", "slack")]), 4.0);
    assert_eq!(counter(&scrape, "unrouted", &[]), 0.0);
}

#[tokio::test]
async fn an_alert_for_the_chat_does_not_wait_for_a_failing_pager() {
    let pager = Receiver::replying(Reply::Response(500, "", ""), []);
    let (spare, chat) = (Receiver::new([]), Receiver::new([]));
    let urls = [pager.serve().await, spare.serve().await, chat.serve().await];
    let (lookout, scrape) = lookout(|builder| {
        let pager = pagerduty(&urls[0]).when(critical()).or_else(slack(&urls[1]));
        builder.notify(pager).notify(slack(&urls[2]).when(!critical()))
    });
    let _first = request(&lookout);
    eventually(4, "the warning", || (titles(&chat).len() == 1).then_some(())).await;
    let _second = request(&lookout);
    eventually(4, "the spare", || (!titles(&spare).is_empty()).then_some(())).await;
    assert_eq!(titles(&spare), ["🔴 [FIRING] TwoInFlight · test"]);
    lookout.shutdown().await;
    assert_eq!(counter(&scrape, "dropped", &[]), 0.0, "no other alert was queued");
    assert_eq!(titles(&chat), ["🔴 [FIRING] HighInFlight · test"]);
}

#[tokio::test]
async fn reports_and_labels_are_routed_and_unrouted_alerts_are_counted_and_logged_once() {
    // The subscriber is global, so only one test of this binary may install it.
    let logs = Logs::of_all();
    let (reports, shop) = (Receiver::new([]), Receiver::new([]));
    let urls = [reports.serve().await, shop.serve().await];
    let (lookout, scrape) = lookout(|builder| {
        let of_shop = Matcher::new().label("team", "shop");
        builder
            .notify_as("reports", slack(&urls[0]).when(Matcher::new().reported()))
            .notify_as("shop", slack(&urls[1]).when(of_shop))
    });
    lookout.reporter().send(Report::new("OrderEventLost", "no broker answers"));
    eventually(4, "the report", || (titles(&reports).len() == 1).then_some(())).await;
    let both = [request(&lookout), request(&lookout)];
    eventually(4, "the shop's", || (titles(&shop).len() == 1).then_some(())).await;
    let unrouted = |number| (counter(&scrape, "unrouted", &[]) == number).then_some(());
    eventually(4, "counted", || unrouted(1.0)).await;
    drop(both);
    eventually(4, "counted again", || unrouted(2.0)).await;
    assert_eq!(titles(&reports), ["🔴 [FIRING] OrderEventLost · test"]);
    let text = logs.text();
    let lines: Vec<_> =
        text.lines().filter(|line| line.contains("no notifier matches the alerts")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("TwoInFlight"), "{lines:?}");
}

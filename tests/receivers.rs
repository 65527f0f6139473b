//! Receivers that are down, slow, refuse or hang: no request waits, nothing is lost in silence, and
//! recovery needs no restart.

#![cfg(all(feature = "prometheus", feature = "slack"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};
use tower_lookout::{Lookout, Rule, Slack, notify::Log, prometheus::Scrape};

use in_flight::request;
use logs::Logs;
use receiver::{OK, Receiver, Reply};
use support::{eventually, start, sum};

/// A lookout whose only alert fires while a request is in flight.
fn lookout(url: &str) -> (Lookout, Scrape) {
    let slack = Slack::new(url).unwrap();
    start(|builder| {
        builder.rule(Rule::in_flight().above(0)).notify(slack).shutdown_timeout(Duration::ZERO)
    })
}

/// The counters of the notifier: sent, failed, retried, dropped.
fn counters(scrape: &Scrape) -> [f64; 4] {
    let text = scrape.render();
    ["sent", "failed", "retried", "dropped"].map(|kind| {
        sum(&text, &format!("lookout_notifications_{kind}_total"), &[("notifier", "slack")])
    })
}

const FIRING: &str = "🔴 [FIRING] HighInFlight · test";
const RESOLVED: &str = "🟢 [RESOLVED] HighInFlight · test";

#[tokio::test]
async fn a_healthy_receiver_gets_one_firing_and_one_resolved_message() {
    let receiver = Receiver::new([]);
    let (lookout, scrape) = lookout(&receiver.serve().await);
    let in_flight = request(&lookout);
    eventually(3, "firing", || (receiver.taken().len() == 1).then_some(())).await;
    drop(in_flight);
    eventually(3, "resolved", || (receiver.taken().len() == 2).then_some(())).await;
    lookout.shutdown().await;
    let titles: Vec<_> = receiver.posts().iter().flat_map(|post| post.titles()).collect();
    assert_eq!(titles, [FIRING, RESOLVED]);
    assert_eq!(counters(&scrape), [2.0, 0.0, 0.0, 0.0]);
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_the_message_when_it_is_up() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (lookout, scrape) = lookout(&receiver::url(address));
    let _in_flight = request(&lookout);
    eventually(5, "two failures", || (counters(&scrape)[1] >= 2.0).then_some(())).await;
    let receiver = Receiver::new([]);
    receiver.serve_at(address).await;
    eventually(10, "the message", || (receiver.taken().len() == 1).then_some(())).await;
    assert_eq!(receiver.taken()[0].titles(), [FIRING]);
    eventually(2, "sent", || (counters(&scrape)[0] == 1.0).then_some(())).await;
}

#[tokio::test]
async fn what_fails_is_tried_again_with_what_has_come_since() {
    let receiver = Receiver::new([Reply::Answer(500, "", "rollup_error"); 2]);
    let (lookout, scrape) = lookout(&receiver.serve().await);
    let in_flight = request(&lookout);
    eventually(3, "a failure", || (receiver.posts().len() == 1).then_some(())).await;
    drop(in_flight);
    let taken = eventually(10, "the message", || receiver.taken().pop()).await;
    assert_eq!(taken.titles(), [RESOLVED]);
    let text = taken.body.to_string();
    assert!(text.contains("2 changes while this message waited"), "{text}");
    eventually(2, "counters", || (counters(&scrape) == [1.0, 2.0, 2.0, 0.0]).then_some(())).await;
}

#[tokio::test]
async fn a_limit_is_kept_to_as_long_as_the_receiver_asks() {
    let receiver = Receiver::new([Reply::Answer(429, "3", "rate_limited")]);
    let (lookout, _scrape) = lookout(&receiver.serve().await);
    let _in_flight = request(&lookout);
    eventually(8, "the message", || (receiver.taken().len() == 1).then_some(())).await;
    let posts = receiver.posts();
    let waited = posts[1].at - posts[0].at;
    assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_dead_hook_is_tried_with_the_next_change_and_needs_no_restart() {
    let receiver = Receiver::new([Reply::Answer(404, "", "no_service")]);
    let (lookout, scrape) = lookout(&receiver.serve().await);
    let in_flight = request(&lookout);
    eventually(3, "refused", || (counters(&scrape)[1] == 1.0).then_some(())).await;
    drop(in_flight);
    let taken = eventually(5, "the message", || receiver.taken().pop()).await;
    assert_eq!(taken.titles(), [RESOLVED]);
    assert_eq!(counters(&scrape)[3], 0.0, "nothing is dropped");
}

#[tokio::test]
async fn a_message_that_the_receiver_will_never_take_is_dropped_and_counted() {
    let receiver = Receiver::new([Reply::Answer(400, "", "invalid_payload")]);
    let (lookout, scrape) = lookout(&receiver.serve().await);
    let in_flight = request(&lookout);
    eventually(3, "dropped", || (counters(&scrape)[3] == 1.0).then_some(())).await;
    drop(in_flight);
    let taken = eventually(5, "the next", || receiver.taken().pop()).await;
    assert_eq!(taken.titles(), [RESOLVED]);
    assert_eq!(receiver.posts().len(), 2, "the first was not tried again");
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_no_request_and_no_other_notifier() {
    let (hanging, healthy) = (Receiver::new([Reply::Hang]), Receiver::new([]));
    let urls = [hanging.serve().await, healthy.serve().await];
    let (lookout, scrape) = start(|builder| {
        let builder = builder.rule(Rule::in_flight().above(0)).shutdown_timeout(Duration::ZERO);
        urls.iter().fold(builder, |builder, url| builder.notify(Slack::new(url).unwrap()))
    });
    let _in_flight = request(&lookout);
    eventually(3, "the healthy one", || (healthy.taken().len() == 1).then_some(())).await;
    assert_eq!(hanging.posts().len(), 1);

    let service = lookout.layer().layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    }));
    let requests = async {
        for _ in 0..10_000 {
            service.clone().oneshot(Request::new(())).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(5), requests).await.expect("no request waits");

    // The attempt is given up after 10 s; the second one is answered.
    eventually(15, "the second try", || (hanging.taken().len() == 1).then_some(())).await;
    let sent =
        |name| sum(&scrape.render(), "lookout_notifications_sent_total", &[("notifier", name)]);
    eventually(2, "counters", || (["slack", "slack-2"].map(sent) == [1.0, 1.0]).then_some(()))
        .await;
}

#[tokio::test]
async fn the_address_is_in_no_log_metric_or_debug_output_and_failures_are_told_once() {
    // The only test of this binary that asks for it.
    let logs = Logs::of_all();
    let script = [Reply::Answer(302, "", ""), Reply::Answer(500, "", ""), OK];
    let receiver = Receiver::new(script);
    let url = receiver.serve().await;
    let slack = Slack::new(&url).unwrap();
    let debug = format!("{slack:?}");
    let (lookout, scrape) =
        start(|builder| builder.rule(Rule::in_flight().above(0)).notify(slack).notify(Log::new()));
    let in_flight = request(&lookout);
    eventually(3, "refused", || (receiver.posts().len() == 1).then_some(())).await;
    drop(in_flight);
    eventually(10, "the message", || receiver.taken().pop()).await;
    lookout.shutdown().await;

    let logs = logs.text();
    for text in [&debug, &scrape.render(), &format!("{lookout:?}")] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    logs::assert_no_secret(&logs);
    assert_eq!(logs.matches("notifier is broken").count(), 1, "{logs}");
    assert!(logs.contains("WARN tower_lookout::notify::log: [FIRING] HighInFlight"), "{logs}");
    assert!(logs.contains("INFO tower_lookout::notify::log: [RESOLVED] HighInFlight"), "{logs}");
    assert!(logs.contains("notifier delivers again"), "{logs}");
}

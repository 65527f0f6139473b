//! The heartbeat: while the process is alive, a receiver gets a message at each interval, and no
//! other message.

#![cfg(all(feature = "alertmanager", feature = "prometheus", feature = "webhook"))]

#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::time::{Duration, SystemTime};

use tower_lookout::{
    Rule,
    notify::{Alertmanager, Matcher, NotifierExt, Ping},
};

use in_flight::request;
use receiver::{Receiver, Reply};
use support::{eventually, start, sum};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn pings_arrive_at_the_interval_and_neither_alerts_nor_the_shutdown_send_one() {
    let receiver = Receiver::new([]);
    let ping = Ping::new(receiver.serve().await).unwrap();
    let (lookout, scrape) = start(|builder| {
        let nothing = Matcher::new().rule("NoSuchRule");
        builder
            .instance("one")
            .rule(Rule::in_flight().above(0))
            .heartbeat(2 * SECOND, ping.when(nothing))
    });
    let _in_flight = request(&lookout);
    eventually(10, "three pings", || (receiver.accepted().len() == 3).then_some(())).await;
    lookout.shutdown().await;
    let posts = receiver.posts();
    assert_eq!(posts.len(), 3, "neither the firing alert nor the shutdown sends a message");
    for (one, next) in posts.iter().zip(&posts[1..]) {
        let between = next.at - one.at;
        assert!(between > SECOND && between < 4 * SECOND, "{between:?}");
    }
    assert_eq!(posts[0].body, serde_json::json!({"service": "test", "instance": "one"}));
    let of_heartbeat = [("notifier", "heartbeat")];
    let sent = sum(&scrape.render(), "lookout_notifications_sent_total", &of_heartbeat);
    assert_eq!(sent, 3.0);
    assert_eq!(sum(&scrape.render(), "lookout_notifications_unrouted_total", &[]), 0.0);
}

#[tokio::test]
async fn a_failed_ping_is_retried_and_counted() {
    let receiver = Receiver::new([Reply::Response(500, "", "")]);
    let ping = Ping::new(receiver.serve().await).unwrap();
    let (_lookout, scrape) = start(|builder| builder.heartbeat(Duration::MAX, ping));
    eventually(5, "the ping", || (receiver.accepted().len() == 1).then_some(())).await;
    let count =
        |name: &str| sum(&scrape.render(), &format!("lookout_notifications_{name}_total"), &[]);
    eventually(2, "counted", || (count("sent") == 1.0).then_some(())).await;
    assert_eq!([count("failed"), count("retried")], [1.0, 1.0]);
}

#[tokio::test]
async fn alertmanager_receives_a_watchdog_that_expires() {
    let receiver = Receiver::new([]);
    let alertmanager = Alertmanager::new([receiver.serve().await]).unwrap();
    let (lookout, _scrape) = start(|builder| builder.heartbeat(SECOND, alertmanager));
    eventually(5, "two posts", || (receiver.accepted().len() == 2).then_some(())).await;
    lookout.shutdown().await;
    let posts = receiver.posts();
    let alerts: Vec<_> = posts.iter().map(|post| &post.body[0]).collect();
    for alert in &alerts {
        assert_eq!(alert["labels"]["alertname"], "Watchdog");
        assert_eq!(alert["startsAt"], alerts[0]["startsAt"], "the alert continues");
        let ends = humantime::parse_rfc3339(alert["endsAt"].as_str().unwrap()).unwrap();
        let left = ends.duration_since(SystemTime::now()).unwrap();
        assert!(left > 200 * SECOND && left <= 240 * SECOND, "{left:?}");
    }
}

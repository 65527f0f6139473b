//! The generic webhook with a local receiver: Alertmanager's format, and the effect of each
//! response.

#![cfg(all(feature = "prometheus", feature = "webhook"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::time::Duration;

use serde_json::{Value, json};
use tower::{Service, service_fn};
use tower_lookout::{
    Lookout, Rule, Severity,
    notify::{Notification, Webhook},
    prometheus::Scrape,
};

use in_flight::request;
use logs::Logs;
use receiver::{OK, Receiver, Reply};
use support::{eventually, start, sum};

fn webhook(url: &str) -> Webhook {
    Webhook::new(url).unwrap().header("Authorization", "Bearer s3cret").unwrap()
}

/// Starts a lookout with one alert that fires while a request is in flight, and one that fires
/// while there are two.
fn lookout(url: &str) -> (Lookout, Scrape) {
    start(|builder| {
        builder
            .instance("one")
            .rule(Rule::in_flight().above(0).label("team", "shop"))
            .rule(Rule::in_flight().above(1).named("TwoInFlight"))
            .notify(webhook(url))
            .shutdown_timeout(Duration::ZERO)
    })
}

/// Returns the notifier's counters: sent, failed, retried, dropped.
fn counters(scrape: &Scrape) -> [f64; 4] {
    let text = scrape.render();
    ["sent", "failed", "retried", "dropped"].map(|kind| {
        sum(&text, &format!("lookout_notifications_{kind}_total"), &[("notifier", "webhook")])
    })
}

/// Returns the status of the group and of each alert.
fn states(body: &Value) -> Vec<String> {
    let alerts = body["alerts"].as_array().unwrap().iter().map(|alert| {
        let (rule, status) = (&alert["labels"]["alertname"], &alert["status"]);
        format!("{} {}", rule.as_str().unwrap(), status.as_str().unwrap())
    });
    std::iter::once(body["status"].as_str().unwrap().to_owned()).chain(alerts).collect()
}

#[tokio::test]
async fn a_message_contains_the_change_and_all_other_firing_alerts() {
    let receiver = Receiver::new([]);
    let (lookout, _scrape) = lookout(&receiver.serve().await);
    let first = request(&lookout);
    eventually(3, "the first", || (receiver.accepted().len() == 1).then_some(())).await;
    let second = request(&lookout);
    eventually(3, "the second", || (receiver.accepted().len() == 2).then_some(())).await;
    drop(second);
    eventually(3, "the third", || (receiver.accepted().len() == 3).then_some(())).await;
    drop(first);
    eventually(3, "the fourth", || (receiver.accepted().len() == 4).then_some(())).await;
    let posts = receiver.accepted();
    let all: Vec<_> = posts.iter().map(|post| states(&post.body)).collect();
    assert_eq!(
        all,
        [
            vec!["firing", "HighInFlight firing"],
            vec!["firing", "HighInFlight firing", "TwoInFlight firing"],
            vec!["firing", "HighInFlight firing", "TwoInFlight resolved"],
            vec!["resolved", "HighInFlight resolved"],
        ]
    );
    let post = &posts[0];
    assert_eq!(post.headers["authorization"], "Bearer s3cret");
    assert_eq!(post.headers["content-type"], "application/json");
    assert_eq!(
        post.body["alerts"][0]["labels"],
        json!({
            "alertname": "HighInFlight",
            "instance": "one",
            "service": "test",
            "severity": "warning",
            "team": "shop",
        })
    );
}

#[tokio::test]
async fn an_alert_whose_labels_change_is_resolved_under_the_old_labels() {
    let receiver = Receiver::new([]);
    let (lookout, _scrape) = lookout(&receiver.serve().await);
    let in_flight = request(&lookout);
    eventually(3, "the first", || (receiver.accepted().len() == 1).then_some(())).await;
    let rule = || Rule::in_flight().above(0).severity(Severity::Critical);
    lookout.replace_rules([rule().label("team", "shop")]).await.unwrap();
    eventually(3, "the other severity", || (receiver.accepted().len() == 2).then_some(())).await;
    lookout.replace_rules([rule().label("team", "pay")]).await.unwrap();
    eventually(3, "the other team", || (receiver.accepted().len() == 3).then_some(())).await;
    drop(in_flight);
    eventually(3, "the end", || (receiver.accepted().len() == 4).then_some(())).await;

    let known = |post: &receiver::Post| {
        let alerts = post.body["alerts"].as_array().unwrap();
        let words = alerts.iter().map(|alert| {
            let labels = &alert["labels"];
            [&alert["status"], &labels["severity"], &labels["team"]]
                .map(|word| word.as_str().unwrap().to_owned())
                .join(" ")
        });
        words.collect::<Vec<_>>()
    };
    let all: Vec<_> = receiver.accepted().iter().map(known).collect();
    assert_eq!(
        all,
        [
            vec!["firing warning shop"],
            vec!["resolved warning shop", "firing critical shop"],
            vec!["resolved critical shop", "firing critical pay"],
            vec!["resolved critical pay"],
        ]
    );
}

#[tokio::test]
async fn each_response_is_classified_by_its_status() {
    // The response, the counters after it, and the total number of posts.
    for (status, retry_after, after, posts) in [
        (500, "", [1.0, 1.0, 1.0, 0.0], 2),
        (408, "", [1.0, 1.0, 1.0, 0.0], 2),
        (429, "2", [1.0, 1.0, 1.0, 0.0], 2),
        (400, "", [0.0, 1.0, 0.0, 1.0], 1),
        (413, "", [0.0, 1.0, 0.0, 1.0], 1),
        (302, "", [0.0, 1.0, 0.0, 0.0], 1),
        (401, "", [0.0, 1.0, 0.0, 0.0], 1),
        (404, "", [0.0, 1.0, 0.0, 0.0], 1),
    ] {
        let receiver = Receiver::new([Reply::Response(status, retry_after, "no")]);
        let (lookout, scrape) = lookout(&receiver.serve().await);
        let in_flight = request(&lookout);
        let reached = || (counters(&scrape) == after).then_some(());
        eventually(8, &format!("{after:?} after a {status}"), reached).await;
        assert_eq!(receiver.posts().len(), posts, "after a {status}");
        if let [first, second] = receiver.posts().as_slice()
            && !retry_after.is_empty()
        {
            let waited = second.at - first.at;
            assert!(waited >= Duration::from_secs(2), "{waited:?}");
        }
        drop(in_flight);
        let resolve_accepted =
            || receiver.accepted().pop().filter(|post| post.body["status"] == "resolved");
        eventually(5, &format!("the resolve after a {status}"), resolve_accepted).await;
    }
}

#[tokio::test]
async fn no_output_contains_a_secret() {
    // This is the only test in this binary that captures logs.
    let logs = Logs::of_all();
    let receiver = Receiver::new([Reply::Response(302, "", ""), Reply::Response(500, "", ""), OK]);
    let url = receiver.serve().await;
    let debug = format!("{:?}", webhook(&url));
    let (lookout, scrape) = lookout(&url);
    let in_flight = request(&lookout);
    eventually(3, "a rejection", || (receiver.posts().len() == 1).then_some(())).await;
    drop(in_flight);
    eventually(10, "the message", || receiver.accepted().pop()).await;
    lookout.shutdown().await;
    for text in [&debug, &scrape.render()] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    logs::assert_no_secret(&logs.text());
}

/// Creates the notification of a firing alert of this instance.
async fn fired(instance: &str) -> Notification {
    let (sent, states) = std::sync::mpsc::channel();
    let notifier =
        service_fn(move |notification: Notification| std::future::ready(sent.send(notification)));
    let (lookout, _scrape) = start(|builder| {
        builder.instance(instance).rule(Rule::in_flight().above(0)).notify_as("noted", notifier)
    });
    let _in_flight = request(&lookout);
    eventually(5, "an alert", || states.try_recv().ok()).await
}

#[tokio::test]
async fn a_rejected_group_does_not_affect_the_others() {
    let receiver = Receiver::new([]).rejecting("instance-one");
    let mut webhook = webhook(&receiver.serve().await);
    let mut all = fired("instance-one").await;
    let other = fired("instance-two").await;
    all.alerts.extend(other.alerts);
    all.changes.extend(other.changes);
    let delivered = webhook.call(all).await.unwrap();
    assert_eq!(delivered.left().unwrap().alerts.len(), 1);
    assert_eq!(delivered.error().unwrap().to_string(), "the receiver rejected the message");
    let posts = receiver.posts();
    let accepted: Vec<_> = posts.iter().map(|post| post.was_accepted).collect();
    assert_eq!(accepted, [false, true]);
    assert_eq!(posts[1].body["groupLabels"]["instance"], "instance-two");
}

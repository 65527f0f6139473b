//! The generic webhook, against a local receiver: Alertmanager's message, and what each answer means.

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
    Lookout, Rule,
    notify::{Notification, Webhook},
    prometheus::Scrape,
    rule::Severity,
};

use in_flight::request;
use logs::Logs;
use receiver::{OK, Receiver, Reply};
use support::{eventually, start, sum};

fn webhook(url: &str) -> Webhook {
    Webhook::new(url).unwrap().header("Authorization", "Bearer s3cret").unwrap()
}

/// A lookout with an alert while a request is in flight, and another while there are two.
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

/// The counters of the notifier: sent, failed, retried, dropped.
fn counters(scrape: &Scrape) -> [f64; 4] {
    let text = scrape.render();
    ["sent", "failed", "retried", "dropped"].map(|kind| {
        sum(&text, &format!("lookout_notifications_{kind}_total"), &[("notifier", "webhook")])
    })
}

/// The state of the group, and of each alert.
fn told(body: &Value) -> Vec<String> {
    let alerts = body["alerts"].as_array().unwrap().iter().map(|alert| {
        let (rule, status) = (&alert["labels"]["alertname"], &alert["status"]);
        format!("{} {}", rule.as_str().unwrap(), status.as_str().unwrap())
    });
    std::iter::once(body["status"].as_str().unwrap().to_owned()).chain(alerts).collect()
}

#[tokio::test]
async fn a_message_tells_the_change_and_what_else_fires() {
    let receiver = Receiver::new([]);
    let (lookout, _scrape) = lookout(&receiver.serve().await);
    let first = request(&lookout);
    eventually(3, "the first", || (receiver.taken().len() == 1).then_some(())).await;
    let second = request(&lookout);
    eventually(3, "the second", || (receiver.taken().len() == 2).then_some(())).await;
    drop(second);
    eventually(3, "the third", || (receiver.taken().len() == 3).then_some(())).await;
    drop(first);
    eventually(3, "the fourth", || (receiver.taken().len() == 4).then_some(())).await;
    let posts = receiver.taken();
    let all: Vec<_> = posts.iter().map(|post| told(&post.body)).collect();
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
async fn an_alert_whose_labels_change_is_resolved_under_the_old_ones() {
    let receiver = Receiver::new([]);
    let (lookout, _scrape) = lookout(&receiver.serve().await);
    let in_flight = request(&lookout);
    eventually(3, "the first", || (receiver.taken().len() == 1).then_some(())).await;
    let rule = || Rule::in_flight().above(0).severity(Severity::Critical);
    lookout.replace_rules([rule().label("team", "shop")]).await.unwrap();
    eventually(3, "the other severity", || (receiver.taken().len() == 2).then_some(())).await;
    lookout.replace_rules([rule().label("team", "pay")]).await.unwrap();
    eventually(3, "the other team", || (receiver.taken().len() == 3).then_some(())).await;
    drop(in_flight);
    eventually(3, "the end", || (receiver.taken().len() == 4).then_some(())).await;

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
    let all: Vec<_> = receiver.taken().iter().map(known).collect();
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
async fn each_answer_has_its_consequence() {
    // The answer, the counters after it, and how often the receiver was asked in all.
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
        let receiver = Receiver::new([Reply::Answer(status, retry_after, "no")]);
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
        let told_of_resolve =
            || receiver.taken().pop().filter(|post| post.body["status"] == "resolved");
        eventually(5, &format!("the resolve after a {status}"), told_of_resolve).await;
    }
}

#[tokio::test]
async fn the_secrets_are_in_no_log_metric_or_debug_output() {
    // The only test of this binary that asks for it.
    let logs = Logs::of_all();
    let receiver = Receiver::new([Reply::Answer(302, "", ""), Reply::Answer(500, "", ""), OK]);
    let url = receiver.serve().await;
    let debug = format!("{:?}", webhook(&url));
    let (lookout, scrape) = lookout(&url);
    let in_flight = request(&lookout);
    eventually(3, "refused", || (receiver.posts().len() == 1).then_some(())).await;
    drop(in_flight);
    eventually(10, "the message", || receiver.taken().pop()).await;
    lookout.shutdown().await;
    for text in [&debug, &scrape.render()] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    logs::assert_no_secret(&logs.text());
}

/// An alert of this instance that fires, as a lookout tells it.
async fn fired(instance: &str) -> Notification {
    let (sent, told) = std::sync::mpsc::channel();
    let notifier =
        service_fn(move |notification: Notification| std::future::ready(sent.send(notification)));
    let (lookout, _scrape) = start(|builder| {
        builder.instance(instance).rule(Rule::in_flight().above(0)).notify_as("noted", notifier)
    });
    let _in_flight = request(&lookout);
    eventually(5, "an alert", || told.try_recv().ok()).await
}

#[tokio::test]
async fn a_group_that_is_refused_keeps_no_other_from_being_told() {
    let receiver = Receiver::new([]).refusing("instance-one");
    let mut webhook = webhook(&receiver.serve().await);
    let mut all = fired("instance-one").await;
    let other = fired("instance-two").await;
    all.alerts.extend(other.alerts);
    all.changes.extend(other.changes);
    let error = webhook.call(all).await.unwrap_err();
    assert_eq!(error.to_string(), "the receiver rejected the message");
    let posts = receiver.posts();
    let taken: Vec<_> = posts.iter().map(|post| post.was_taken).collect();
    assert_eq!(taken, [false, true]);
    assert_eq!(posts[1].body["groupLabels"]["instance"], "instance-two");
}

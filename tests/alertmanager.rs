//! Tests with a real Alertmanager, which accepts, groups and resolves alerts, and with local
//! receivers that stand for a cluster.

#![cfg(all(feature = "alertmanager", feature = "prometheus", feature = "webhook"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/alertmanager.rs"]
mod alertmanager;
#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::time::{Duration, SystemTime};

use serde_json::Value;
use tower_lookout::{
    Lookout, Rule,
    notify::{Alertmanager, Webhook},
    prometheus::Scrape,
};

use alertmanager::{AlertmanagerServer, free_address, replica as given, spawn_replica};
use in_flight::request;
use logs::Logs;
use receiver::{Post, Receiver, Reply};
use support::{eventually, start, sum};

/// Starts a lookout with one alert, which fires while a request is in flight and is posted each
/// second.
fn lookout(urls: &[String], instance: &str) -> (Lookout, Scrape) {
    let alertmanager = Alertmanager::new(urls)
        .unwrap()
        .header("authorization", "Bearer s3cret")
        .unwrap()
        .resend_every(Duration::from_secs(1));
    start(|builder| {
        builder
            .instance(instance)
            .rule(Rule::in_flight().above(0).label("team", "shop").summary("A request waits."))
            .notify(alertmanager)
            .shutdown_timeout(Duration::ZERO)
    })
}

/// Returns each alert of a message with its status, sorted.
fn states(post: &Post) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let alerts = post.body["alerts"].as_array().unwrap();
    let mut states: Vec<_> = alerts
        .iter()
        .map(|alert| (word(&alert["labels"]["instance"]), word(&alert["status"])))
        .collect();
    states.sort();
    states
}

fn pairs(states: &[(&str, &str)]) -> Vec<(String, String)> {
    states.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

/// Returns the structure of a value: its types and keys, without its contents.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect()
        }
        Value::Array(values) => values.iter().map(shape).collect(),
        Value::String(_) => "string".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "bool".into(),
        Value::Null => Value::Null,
    }
}

#[tokio::test]
async fn a_real_alertmanager_posts_the_same_messages_as_the_webhook_notifier() {
    let Some(program) = alertmanager::program() else { return };
    let (theirs, ours) = (Receiver::new([]), Receiver::new([]));
    let server = AlertmanagerServer::start(&program, &theirs.serve().await, "1s").await;
    let webhook = Webhook::new(ours.serve().await).unwrap();
    let alertmanager = Alertmanager::new([server.url()]).unwrap();
    let (lookout, scrape) = start(|builder| {
        builder
            .instance("one")
            .rule(Rule::in_flight().above(0).label("team", "shop").runbook("https://x/<&>\"é"))
            .notify(alertmanager)
            .notify(webhook)
    });
    let in_flight = request(&lookout);
    eventually(20, "firing", || (theirs.posts().len() == 1).then_some(())).await;
    drop(in_flight);
    eventually(20, "resolved", || (theirs.posts().len() == 2).then_some(())).await;
    lookout.shutdown().await;

    let (theirs, ours) = (theirs.posts(), ours.posts());
    assert_eq!(
        theirs.iter().map(states).collect::<Vec<_>>(),
        [pairs(&[("one", "firing")]), pairs(&[("one", "resolved")])]
    );
    for (theirs, ours) in theirs.iter().zip(&ours) {
        let (mut theirs, mut ours) = (theirs.body.clone(), ours.body.clone());
        // Each route of Alertmanager has its own groups.
        for body in [&mut theirs, &mut ours] {
            assert!(body["groupLabels"].take().is_object());
        }
        assert_eq!(shape(&theirs), shape(&ours));
        for field in ["status", "version", "truncatedAlerts", "commonLabels", "commonAnnotations"] {
            assert_eq!(theirs[field], ours[field], "{field}");
        }
        for field in ["status", "labels", "annotations", "generatorURL", "fingerprint"] {
            assert_eq!(theirs["alerts"][0][field], ours["alerts"][0][field], "{field}");
        }
        for field in ["startsAt", "endsAt"] {
            let [theirs, ours] = [&theirs, &ours].map(|body| instant(&body["alerts"][0][field]));
            // Alertmanager stores milliseconds.
            let apart = theirs.duration_since(ours).unwrap_or_else(|error| error.duration());
            assert!(apart <= Duration::from_millis(1), "{field}: {apart:?}");
        }
    }
    let lost = |kind| sum(&scrape.render(), &format!("lookout_notifications_{kind}_total"), &[]);
    assert_eq!(["failed", "dropped"].map(lost), [0.0, 0.0]);
}

#[tokio::test]
async fn a_real_alertmanager_notifies_about_an_alert_that_resolved_before_its_delivery() {
    let Some(program) = alertmanager::program() else { return };
    let receiver = Receiver::new([]);
    let address = free_address();
    let alertmanager = Alertmanager::new([format!("http://{address}")]).unwrap();
    let (lookout, scrape) = start(|builder| {
        let alertmanager = alertmanager.resend_every(Duration::from_secs(3));
        builder.instance("one").rule(Rule::in_flight().above(0)).notify(alertmanager)
    });
    let in_flight = request(&lookout);
    eventually(5, "a failure", || (counters(&scrape)[1] >= 1.0).then_some(())).await;
    drop(in_flight);
    let fires = || sum(&scrape.render(), "lookout_alert_state", &[]) > 0.0;
    eventually(5, "the end", || (!fires()).then_some(())).await;
    assert_eq!(counters(&scrape)[0], 0.0, "nothing has arrived yet");

    let hook = receiver.serve().await;
    let _server = AlertmanagerServer::start_at(address, &program, &hook, "0s").await;
    let posts = eventually(30, "both states", || {
        let posts = receiver.posts();
        (posts.len() >= 2).then_some(posts)
    })
    .await;
    assert_eq!(states(&posts[0]), pairs(&[("one", "firing")]));
    assert_eq!(states(&posts[1]), pairs(&[("one", "resolved")]));
}

/// Parses a time. humantime cannot parse Go's zero time, which is too early.
fn instant(text: &Value) -> SystemTime {
    let text = text.as_str().unwrap();
    if text == "0001-01-01T00:00:00Z" {
        return SystemTime::UNIX_EPOCH;
    }
    humantime::parse_rfc3339(text).unwrap()
}

#[test]
#[ignore = "a replica, which the test below starts as a process"]
fn replica() {
    let Some((url, instance)) = given() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (lookout, _scrape) = lookout(&[url], &instance);
        let _in_flight = request(&lookout);
        // The test kills it earlier.
        tokio::time::sleep(Duration::from_secs(120)).await;
    });
}

#[tokio::test]
async fn a_real_alertmanager_groups_replicas_and_resolves_a_killed_replica() {
    let Some(program) = alertmanager::program() else { return };
    let receiver = Receiver::new([]);
    let server = AlertmanagerServer::start(&program, &receiver.serve().await, "5s").await;
    let mut replicas = ["a", "b", "c"].map(|name| Some(spawn_replica(&server.url(), name)));
    let first = eventually(30, "the message", || receiver.posts().pop()).await;
    assert_eq!(states(&first), pairs(&[("a", "firing"), ("b", "firing"), ("c", "firing")]));
    assert!(first.body["groupLabels"].get("instance").is_none());

    replicas[1].take();
    let second = eventually(30, "the resolve", || receiver.posts().get(1).cloned()).await;
    assert_eq!(states(&second), pairs(&[("a", "firing"), ("b", "resolved"), ("c", "firing")]));
    assert_eq!(receiver.posts().len(), 2, "a repeat sends no new message");
}

#[tokio::test]
async fn alerts_and_resolves_are_posted_to_each_member_again_each_second() {
    let members = [Receiver::new([]), Receiver::new([])];
    let urls = [members[0].serve().await, members[1].serve().await];
    let (lookout, scrape) = lookout(&urls, "one");
    let in_flight = request(&lookout);
    for member in &members {
        eventually(8, "three posts", || (member.posts().len() >= 3).then_some(())).await;
        for post in member.posts() {
            assert_eq!(post.path, "/services/T000/B000/s3cret/api/v2/alerts");
            assert_eq!(post.headers["authorization"], "Bearer s3cret");
            let [starts, ends] = ["startsAt", "endsAt"].map(|field| instant(&post.body[0][field]));
            assert!(ends.duration_since(starts).unwrap() >= Duration::from_secs(4));
        }
    }
    let posts = members[0].posts();
    let [first, third] = [0, 2].map(|at| &posts[at].body[0]);
    for field in ["labels", "startsAt", "annotations"] {
        assert_eq!(first[field], third[field]);
    }
    let later = instant(&third["endsAt"]).duration_since(instant(&first["endsAt"])).unwrap();
    assert!(later >= Duration::from_secs(2), "{later:?}");

    drop(in_flight);
    let is_resolved = |post: &Post| instant(&post.body[0]["endsAt"]) <= SystemTime::now();
    let resolves = || {
        let posts = members[0].posts();
        let ends: Vec<_> = posts.iter().filter(|post| is_resolved(post)).collect();
        let last_ends: Vec<_> =
            ends.iter().rev().take(2).map(|post| post.body[0]["endsAt"].clone()).collect();
        (last_ends.len() == 2 && last_ends[0] == last_ends[1]).then_some(())
    };
    eventually(8, "the resolve, twice", resolves).await;
    lookout.shutdown().await;
    let states = members[0].posts().len();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(members[0].posts().len(), states, "nothing is posted after the shutdown");
    assert_eq!(sum(&scrape.render(), "lookout_notifications_failed_total", &[]), 0.0);
}

#[tokio::test]
async fn an_alert_whose_labels_change_is_resolved_under_the_old_labels() {
    let member = Receiver::new([]);
    let (lookout, _scrape) = lookout(&[member.serve().await], "one");
    let _in_flight = request(&lookout);
    eventually(5, "the alert", || member.accepted().pop()).await;
    let rule = Rule::in_flight().above(0).label("team", "pay");
    lookout.replace_rules([rule]).await.unwrap();
    let both = || member.accepted().into_iter().find(|post| post.body[1].is_object());
    let post = eventually(5, "both", both).await;
    let states = [0, 1].map(|index| {
        let alert = &post.body[index];
        let is_over = instant(&alert["endsAt"]) <= SystemTime::now();
        (alert["labels"]["team"].as_str().unwrap(), is_over)
    });
    assert_eq!(states, [("shop", true), ("pay", false)]);
    let is_single = |post: &Post| post.body[0]["labels"]["team"] == "pay";
    eventually(5, "the new one alone", || member.accepted().pop().filter(is_single)).await;
}

/// Returns the notifier's counters: sent, failed, dropped.
fn counters(scrape: &Scrape) -> [f64; 3] {
    let text = scrape.render();
    ["sent", "failed", "dropped"].map(|kind| {
        sum(&text, &format!("lookout_notifications_{kind}_total"), &[("notifier", "alertmanager")])
    })
}

#[tokio::test]
async fn one_accepting_member_is_enough_and_a_failing_member_gets_the_next_post() {
    // This is the only test in this binary that captures logs.
    let logs = Logs::of_all();
    for (reply, seconds) in [
        (Reply::Response(500, "", "no"), 3),
        (Reply::Response(429, "600", "no"), 3),
        (Reply::Response(404, "", "no"), 3),
        (Reply::Response(302, "", "no"), 3),
        (Reply::Response(400, "", "no"), 3),
        (Reply::Hang, 8),
    ] {
        let (failing, healthy) = (Receiver::new([reply]), Receiver::new([]));
        let urls = [failing.serve().await, healthy.serve().await];
        let (lookout, scrape) = lookout(&urls, "one");
        let _in_flight = request(&lookout);
        eventually(3, "the healthy one", || (!healthy.accepted().is_empty()).then_some(())).await;
        let event = format!("the failing one after {reply:?}");
        eventually(seconds, &event, || (!failing.accepted().is_empty()).then_some(())).await;
        eventually(2, "counters", || (counters(&scrape)[0] >= 2.0).then_some(())).await;
        assert_eq!(counters(&scrape)[1..], [1.0, 0.0], "after {reply:?}");
        lookout.shutdown().await;
    }
    let text = logs.text();
    logs::assert_no_secret(&text);
    assert!(text.contains("Alertmanager failed member=1"), "{text}");
    assert!(text.contains("Alertmanager recovered member=1"), "{text}");
}

#[tokio::test]
async fn a_delivery_that_all_members_fail_is_retried_unless_all_reject_it() {
    let failing = || Receiver::new([Reply::Response(500, "", "no")]);
    for (members, expected) in [
        ([failing(), failing()], [1.0, 0.0]),
        ([Receiver::new([Reply::Response(400, "", "no")]), failing()], [1.0, 0.0]),
        ([(); 2].map(|()| Receiver::new([Reply::Response(400, "", "no")])), [1.0, 1.0]),
    ] {
        let urls = [members[0].serve().await, members[1].serve().await];
        let (lookout, scrape) = lookout(&urls, "one");
        let in_flight = request(&lookout);
        eventually(5, "a failure", || (counters(&scrape)[1] == 1.0).then_some(())).await;
        drop(in_flight);
        for member in &members {
            eventually(5, "the member", || (!member.accepted().is_empty()).then_some(())).await;
        }
        assert_eq!(counters(&scrape)[1..], expected);
        lookout.shutdown().await;
    }
}

#[tokio::test]
async fn a_real_alertmanager_gets_the_watchdog_while_the_process_lives() {
    let Some(program) = alertmanager::program() else { return };
    let receiver = Receiver::new([]);
    let server = AlertmanagerServer::start(&program, &receiver.serve().await, "1s").await;
    let alertmanager = Alertmanager::new([server.url()]).unwrap();
    let (_lookout, _scrape) =
        start(|builder| builder.instance("one").heartbeat(Duration::from_secs(1), alertmanager));
    eventually(20, "the watchdog", || (!receiver.posts().is_empty()).then_some(())).await;
    let posts = receiver.posts();
    assert_eq!(states(&posts[0]), pairs(&[("one", "firing")]));
    assert_eq!(posts[0].body["alerts"][0]["labels"]["alertname"], "Watchdog");
}

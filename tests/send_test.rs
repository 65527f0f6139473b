//! A test message on demand: each receiver gets it, each outcome is reported, and nothing stays
//! open.

#![cfg(all(
    feature = "alertmanager",
    feature = "pagerduty",
    feature = "prometheus",
    feature = "slack",
    feature = "webhook"
))]

#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::time::Instant;
use tower_lookout::{
    Lookout, LookoutBuilder, Rule,
    notify::{Alertmanager, Matcher, NotifierExt, PagerDuty, Slack, Webhook},
    prometheus::Scrape,
};

use receiver::{Receiver, Reply};
use support::{eventually, series, start, sum};

fn lookout(notifiers: impl FnOnce(LookoutBuilder) -> LookoutBuilder) -> (Lookout, Scrape) {
    start(|builder| notifiers(builder.rules(Rule::defaults()).shutdown_timeout(Duration::ZERO)))
}

/// Sends a test message, and returns the line of each notifier without its duration.
async fn lines(lookout: &Lookout) -> Vec<String> {
    let lines = lookout.send_test().await.into_iter().map(|delivery| delivery.to_string());
    let is_figure =
        |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('s');
    let without_time = |line: String| {
        let words: Vec<_> = line.split(' ').filter(|word| !is_figure(word)).collect();
        words.join(" ")
    };
    lines.map(without_time).collect()
}

#[tokio::test]
async fn each_receiver_gets_the_test_and_it_is_resolved() {
    let [chat, hook, cluster] = [(); 3].map(|()| Receiver::new([]));
    let pager = Receiver::replying(Reply::Response(202, "", "{}"), []);
    let [chat_url, hook_url, cluster_url, pager_url] =
        [chat.serve().await, hook.serve().await, cluster.serve().await, pager.serve().await];
    let received = Arc::new(Mutex::new(Vec::new()));
    let (lookout, scrape) = lookout(|builder| {
        let received = Arc::clone(&received);
        let second = Duration::from_secs(1);
        let pagerduty = PagerDuty::new("0123456789abcdef0123456789s3cret").unwrap();
        let nothing = Matcher::new().rule("NoSuchRule");
        builder
            .notify(Slack::new(chat_url).unwrap().repeat_every(Duration::from_secs(60)))
            .notify(pagerduty.url(pager_url).unwrap().when(nothing))
            .notify(Webhook::new(hook_url).unwrap())
            .notify(Alertmanager::new([cluster_url]).unwrap().resend_every(second))
            .on_alert(move |alert| received.lock().unwrap().push(alert.title()))
    });
    assert_eq!(
        lines(&lookout).await,
        ["slack", "pagerduty", "webhook", "alertmanager", "on_alert"]
            .map(|name| format!("{name}: delivered in"))
    );
    let titles = || chat.accepted().iter().flat_map(|post| post.titles()).collect::<Vec<_>>();
    eventually(4, "Slack's resolve", || (titles().len() == 2).then_some(())).await;
    assert_eq!(titles(), ["🔴 [FIRING] LookoutTest · test", "🟢 [RESOLVED] LookoutTest · test"]);
    assert!(chat.accepted()[0].body.to_string().contains("This is a test: nothing is wrong"));
    eventually(4, "PagerDuty's", || (pager.accepted().len() == 2).then_some(())).await;
    let [opens, closes] = [0, 1].map(|at| pager.accepted()[at].body.clone());
    assert_eq!([&opens["event_action"], &closes["event_action"]], ["trigger", "resolve"]);
    assert_eq!(opens["dedup_key"], closes["dedup_key"]);
    eventually(4, "the webhook's", || (hook.accepted().len() == 2).then_some(())).await;
    assert_eq!(hook.accepted()[1].body["status"], "resolved");
    eventually(4, "the closure's", || (received.lock().unwrap().len() == 2).then_some(())).await;

    // In Alertmanager the alert expires, since it is not posted again.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(cluster.accepted().len(), 1);
    let alert = &cluster.accepted()[0].body[0];
    assert_eq!(alert["labels"]["alertname"], "LookoutTest");
    assert!(alert["endsAt"].as_str() > alert["startsAt"].as_str());

    let text = scrape.render();
    assert!(
        !series(&text, "lookout_alert_state").any(|(labels, _)| labels.contains("LookoutTest"))
    );
    for (name, sent) in [("slack", 2.0), ("alertmanager", 1.0)] {
        let count = sum(&text, "lookout_notifications_sent_total", &[("notifier", name)]);
        assert_eq!(count, sent, "{name}");
    }
}

#[tokio::test]
async fn each_failure_is_reported_with_its_reason_without_a_long_wait() {
    let gone = Receiver::replying(Reply::Response(404, "", "no_service"), []);
    let limited = Receiver::new([Reply::Response(429, "600", "")]);
    let silent = Receiver::replying(Reply::Hang, []);
    let [gone_url, limited_url, silent_url] =
        [gone.serve().await, limited.serve().await, silent.serve().await];
    let (lookout, _scrape) = lookout(|builder| {
        builder
            .notify_as("gone", Slack::new(gone_url).unwrap())
            .notify_as("limited", Webhook::new(limited_url).unwrap())
            .notify_as("silent", Webhook::new(silent_url).unwrap())
            .on_alert(|_| thread::sleep(Duration::from_secs(15)))
    });
    let start = Instant::now();
    let found = lines(&lookout).await;
    assert!(start.elapsed() < Duration::from_secs(14), "{:?}", start.elapsed());
    let expected = [
        "gone: failed after the notifier is misconfigured: ",
        "limited: failed after not delivered yet: 429",
        "silent: failed after not delivered: ",
        "on_alert: failed after not delivered: request timed out",
    ];
    for (line, expected) in found.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
        assert!(!line.contains("s3cret"), "{line}");
    }

    // A notifier that waits for `Retry-After` fails at once and stays idle.
    let start = Instant::now();
    let second = lookout.send_test();
    tokio::pin!(second);
    let quick = Duration::from_millis(500);
    assert!(
        tokio::time::timeout(quick, &mut second).await.is_err(),
        "the other notifiers are slower"
    );
    let result = second.await.swap_remove(1);
    assert!(result.took < quick, "{:?} of {:?}", result.took, start.elapsed());
    assert!(result.to_string().contains("429"), "{result}");
    assert_eq!(limited.posts().len(), 1);
    // The test calls a misconfigured notifier again, since somebody may have fixed it.
    assert_eq!(gone.posts().len(), 2);
}

#[tokio::test]
async fn after_shutdown_each_delivery_fails() {
    let (lookout, _scrape) = lookout(|builder| builder.on_alert(|_| {}));
    lookout.shutdown().await;
    let found = lines(&lookout).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("the lookout has ended"), "{found:?}");
    let (silent, _scrape) = start(|builder| builder);
    assert!(silent.send_test().await.is_empty());
}

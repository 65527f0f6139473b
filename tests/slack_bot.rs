//! Slack with a bot token: each alert has one message, which is edited, and a thread with updates.

#![cfg(all(feature = "prometheus", feature = "slack"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;
use tower::{BoxError, Service, service_fn};
use tower_lookout::{
    Alert, Report, Rule,
    alert::{AlertStatus, Cause},
    notify::{DeliveryError, Notification, SlackBot},
};

use in_flight::request;
use logs::{Logs, assert_no_secret};
use receiver::{Post, Receiver, Reply};
use support::{eventually, start, sum};

const TOKEN: &str = "xoxb-1-s3cret";

/// Slack's response to an accepted message. Each message has the reference `1.1`.
const POSTED: Reply = ok(r#"{"ok":true,"channel":"C1","ts":"1.1","message":{}}"#);

const fn ok(body: &'static str) -> Reply {
    Reply::Response(200, "", body)
}

/// Starts a receiver that responds by this script, and a bot that posts to it.
async fn bot(script: impl IntoIterator<Item = Reply>) -> (Receiver, SlackBot) {
    let receiver = Receiver::replying(POSTED, script);
    let url = receiver.serve().await;
    (receiver, SlackBot::new(TOKEN, "#alerts").unwrap().url(url).unwrap())
}

/// Creates the notification of a firing alert.
async fn fired() -> Notification {
    notified(|lookout| Box::new(request(lookout))).await
}

/// Creates the notification of a report.
async fn reported() -> Notification {
    notified(|lookout| {
        lookout.reporter().send(Report::new("EventLost", "no broker at kafka:9092"));
        Box::new(())
    })
    .await
}

async fn notified(
    cause: impl FnOnce(&tower_lookout::Lookout) -> Box<dyn std::any::Any>,
) -> Notification {
    let received = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&received);
    let notifier = service_fn(move |notification: Notification| {
        *noted.lock().unwrap() = Some(notification);
        std::future::ready(Ok::<_, DeliveryError>(()))
    });
    let (lookout, _scrape) =
        start(|builder| builder.rule(Rule::in_flight().above(0)).notify_as("noted", notifier));
    let _cause = cause(&lookout);
    eventually(5, "an alert", || received.lock().unwrap().take()).await
}

/// Merges the alerts of several notifications into one.
fn all(notifications: impl IntoIterator<Item = Notification>) -> Notification {
    let mut all = notifications.into_iter();
    let mut first = all.next().unwrap();
    for other in all {
        first.alerts.extend(other.alerts);
        first.changes.extend(other.changes);
    }
    first
}

fn with(notification: &Notification, change: impl Fn(&mut Alert)) -> Notification {
    let mut changed = notification.clone();
    changed.alerts.iter_mut().for_each(change);
    changed
}

fn named(notification: &Notification, name: &str) -> Notification {
    with(notification, |alert| alert.name = name.into())
}

fn resolved(notification: &Notification) -> Notification {
    with(notification, |alert| {
        alert.status = AlertStatus::Resolved;
        alert.ends_at = Some(alert.starts_at + Duration::from_secs(34));
        if let Cause::Rule(breach) = &mut alert.cause {
            breach.top.clear();
        }
    })
}

/// Repeats the report `count` more times.
fn repeated(notification: &Notification, count: u64) -> Notification {
    with(notification, |alert| {
        let Cause::Report(failure) = &mut alert.cause else { panic!("a report: {alert}") };
        let failure = Arc::make_mut(failure);
        failure.count = count;
        failure.over = Duration::from_secs(60);
        failure.total += count;
    })
}

async fn deliver(bot: &mut SlackBot, notification: Notification) -> Result<(), BoxError> {
    let delivered = bot.call(notification).await?;
    delivered.error().map_or(Ok(()), |error| Err(error.to_string().into()))
}

/// Returns the method, the message and the titles of each call.
fn calls(receiver: &Receiver) -> Vec<String> {
    receiver.posts().iter().map(call).collect()
}

fn call(post: &Post) -> String {
    let method = post.path.rsplit('/').next().unwrap();
    let of = |name: &str| post.body[name].as_str().map(|value| format!(" {name}={value}"));
    let about = [of("channel"), of("thread_ts"), of("ts")].map(Option::unwrap_or_default).concat();
    format!("{method}{about}: {}", post.titles().join(", "))
}

fn texts(post: &Post) -> String {
    post.body["blocks"].to_string()
}

#[tokio::test]
async fn a_resolve_edits_the_alerts_message_and_replies_in_its_thread() {
    let receiver = Receiver::replying(POSTED, []);
    let url = receiver.serve().await;
    let (lookout, scrape) = start(|builder| {
        let bot = SlackBot::new(TOKEN, "#alerts").unwrap().url(&url).unwrap();
        builder.rule(Rule::in_flight().above(0)).notify(bot)
    });
    let in_flight = request(&lookout);
    eventually(5, "the message", || (receiver.posts().len() == 1).then_some(())).await;
    drop(in_flight);
    eventually(5, "edit and reply", || (receiver.posts().len() == 3).then_some(())).await;
    lookout.shutdown().await;
    assert_eq!(
        calls(&receiver),
        [
            "chat.postMessage channel=#alerts: 🔴 [FIRING] HighInFlight · test",
            "chat.update channel=C1 ts=1.1: 🟢 [RESOLVED] HighInFlight · test",
            "chat.postMessage channel=C1 thread_ts=1.1: 🟢 [RESOLVED] HighInFlight · test",
        ]
    );
    for post in receiver.posts() {
        assert_eq!(post.headers["authorization"], "Bearer xoxb-1-s3cret");
        assert_eq!(post.headers["content-type"], "application/json; charset=utf-8");
        assert!(post.body["text"].as_str().unwrap().contains("HighInFlight"));
    }
    assert!(receiver.posts()[2].at - receiver.posts()[0].at >= Duration::from_secs(1));
    let sent =
        sum(&scrape.render(), "lookout_notifications_sent_total", &[("notifier", "slackbot")]);
    assert_eq!(sent, 2.0);
}

#[tokio::test]
async fn a_repeat_is_posted_to_the_channel_and_the_first_message_still_gets_the_edits() {
    let (receiver, mut bot) = bot([]).await;
    let fired = fired().await;
    deliver(&mut bot, fired.clone()).await.unwrap();
    let mut again = fired.clone();
    again.changes = vec![0];
    deliver(&mut bot, again).await.unwrap();
    deliver(&mut bot, resolved(&fired)).await.unwrap();
    assert_eq!(
        calls(&receiver),
        [
            "chat.postMessage channel=#alerts: 🔴 [FIRING] HighInFlight · test",
            "chat.postMessage channel=#alerts: 🔴 [STILL FIRING] HighInFlight · test",
            "chat.update channel=C1 ts=1.1: 🟢 [RESOLVED] HighInFlight · test",
            "chat.postMessage channel=C1 thread_ts=1.1: 🟢 [RESOLVED] HighInFlight · test",
        ]
    );
}

#[tokio::test]
async fn more_than_three_alerts_that_start_together_share_a_message() {
    let (receiver, mut bot) = bot([]).await;
    let fired = fired().await;
    let five = all(["A", "B", "C", "D", "E"].map(|name| named(&fired, name)));
    deliver(&mut bot, five).await.unwrap();
    deliver(&mut bot, resolved(&named(&fired, "B"))).await.unwrap();
    let [digest, edit, reply] = receiver.posts().try_into().unwrap();
    assert_eq!(digest.titles().len(), 5);
    let shown = edit.titles();
    assert_eq!(shown[1], "🟢 [RESOLVED] B · test");
    assert_eq!(shown.iter().filter(|title| title.contains("FIRING")).count(), 4);
    assert_eq!((&edit.body["ts"], reply.titles().len()), (&"1.1".into(), 1));
    assert_eq!(reply.body["thread_ts"], "1.1");
}

#[tokio::test]
async fn a_repeated_report_is_counted_in_its_message_and_its_thread() {
    let (receiver, mut bot) = bot([]).await;
    let first = reported().await;
    deliver(&mut bot, first.clone()).await.unwrap();
    deliver(&mut bot, repeated(&first, 312)).await.unwrap();
    assert_eq!(
        calls(&receiver),
        [
            "chat.postMessage channel=#alerts: 🔴 [FIRING] EventLost · test",
            "chat.update channel=C1 ts=1.1: 🔴 [FIRING] EventLost · test",
            "chat.postMessage channel=C1 thread_ts=1.1: 🔴 [FIRING] EventLost · test",
        ]
    );
    for post in &receiver.posts()[1..] {
        let texts = texts(post);
        assert!(
            texts.contains("reported 312 times in 1m")
                && texts.contains("reported 313 times in total"),
            "{texts}"
        );
    }
}

#[tokio::test]
async fn posts_are_a_second_apart_and_edits_do_not_wait() {
    let (receiver, mut bot) = bot([
        ok(r#"{"ok":true,"channel":"C1","ts":"1.1"}"#),
        ok(r#"{"ok":true,"channel":"C1","ts":"2.2"}"#),
        ok(r#"{"ok":true,"channel":"C1","ts":"3.3"}"#),
    ])
    .await;
    let fired = fired().await;
    let start = Instant::now();
    let three = all(["A", "B", "C"].map(|name| named(&fired, name)));
    deliver(&mut bot, three).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(4));
    deliver(&mut bot, resolved(&named(&fired, "B"))).await.unwrap();
    let posts = receiver.posts();
    let is_message = |post: &&Post| post.path.ends_with("chat.postMessage");
    let at: Vec<_> = posts.iter().filter(is_message).map(|post| post.at).collect();
    assert_eq!(at.len(), 4);
    for pair in at.windows(2) {
        // Measure by the receiver's clock.
        assert!(pair[1] - pair[0] >= Duration::from_millis(900), "{:?}", pair[1] - pair[0]);
    }
    assert!(posts[3].path.ends_with("chat.update") && posts[3].body["ts"] == "2.2");
    assert_eq!(posts[4].body["thread_ts"], "2.2");
    assert!(posts[3].at - posts[2].at < Duration::from_millis(900));
}

#[tokio::test]
async fn a_rate_limit_half_way_is_honoured_and_nothing_is_posted_twice() {
    let limited = Reply::Response(429, "7", r#"{"ok":false,"error":"ratelimited"}"#);
    let (receiver, mut bot) = bot([POSTED, POSTED, limited]).await;
    let fired = fired().await;
    deliver(&mut bot, fired.clone()).await.unwrap();
    let error = deliver(&mut bot, resolved(&fired)).await.unwrap_err();
    assert_eq!(error.to_string(), "not delivered yet");
    deliver(&mut bot, resolved(&fired)).await.unwrap();
    let methods: Vec<_> = calls(&receiver).iter().map(|call| call[..13].to_owned()).collect();
    assert_eq!(methods, ["chat.postMess", "chat.update c", "chat.postMess", "chat.postMess"]);
    assert_eq!(receiver.posts()[2].body["thread_ts"], receiver.posts()[3].body["thread_ts"]);
}

#[tokio::test]
async fn a_cancelled_delivery_is_resumed() {
    let (receiver, mut bot) = bot([POSTED, POSTED, Reply::Hang]).await;
    let fired = fired().await;
    deliver(&mut bot, fired.clone()).await.unwrap();
    let hangs = deliver(&mut bot, resolved(&fired));
    tokio::time::timeout(Duration::from_secs(3), hangs).await.unwrap_err();
    deliver(&mut bot, resolved(&fired)).await.unwrap();
    let edits = calls(&receiver).iter().filter(|call| call.starts_with("chat.update")).count();
    assert_eq!((edits, receiver.posts().len()), (1, 4));
}

#[tokio::test]
async fn a_message_that_cannot_be_edited_is_replaced() {
    for word in [
        r#"{"ok":false,"error":"message_not_found"}"#,
        r#"{"ok":false,"error":"cant_update_message"}"#,
        r#"{"ok":false,"error":"edit_window_closed"}"#,
        r#"{"ok":false,"error":"a_word_of_tomorrow"}"#,
    ] {
        let (receiver, mut bot) = bot([POSTED, ok(word)]).await;
        let fired = fired().await;
        deliver(&mut bot, fired.clone()).await.unwrap();
        deliver(&mut bot, resolved(&fired)).await.unwrap();
        assert_eq!(
            calls(&receiver)[2..],
            ["chat.postMessage channel=#alerts: 🟢 [RESOLVED] HighInFlight · test"]
        );
    }
}

#[tokio::test]
async fn a_thread_that_rejects_replies_is_replaced_by_a_new_message() {
    let rejected = ok(r#"{"ok":false,"error":"restricted_action_non_threadable_channel"}"#);
    let (receiver, mut bot) = bot([POSTED, POSTED, rejected]).await;
    let fired = fired().await;
    deliver(&mut bot, fired.clone()).await.unwrap();
    deliver(&mut bot, resolved(&fired)).await.unwrap();
    assert_eq!(
        calls(&receiver)[3..],
        ["chat.postMessage channel=#alerts: 🟢 [RESOLVED] HighInFlight · test"]
    );
}

#[tokio::test]
async fn a_resolve_without_a_known_message_gets_a_new_one() {
    let (receiver, mut bot) = bot([]).await;
    deliver(&mut bot, resolved(&fired().await)).await.unwrap();
    assert_eq!(
        calls(&receiver),
        ["chat.postMessage channel=#alerts: 🟢 [RESOLVED] HighInFlight · test"]
    );
}

#[tokio::test]
async fn a_rejected_alert_is_dropped_and_the_others_are_posted() {
    let receiver = Receiver::replying(POSTED, [ok(r#"{"ok":false,"error":"invalid_blocks"}"#)]);
    let url = receiver.serve().await;
    let (lookout, scrape) = start(|builder| {
        let bot = SlackBot::new(TOKEN, "#alerts").unwrap().url(&url).unwrap();
        let builder = builder.rule(Rule::in_flight().above(0).named("A"));
        builder.rule(Rule::in_flight().above(0).named("B")).notify(bot)
    });
    let _in_flight = request(&lookout);
    eventually(5, "two posts", || (receiver.posts().len() == 2).then_some(())).await;
    let dropped = || {
        let name = "lookout_notifications_dropped_total";
        sum(&scrape.render(), name, &[("notifier", "slackbot")])
    };
    eventually(2, "one is dropped", || (dropped() == 1.0).then_some(())).await;
    assert_ne!(receiver.posts()[0].titles(), receiver.posts()[1].titles());
}

#[tokio::test]
async fn an_unknown_error_for_one_message_affects_no_other_message_and_drops_nothing() {
    let (receiver, mut bot) = bot([ok(r#"{"ok":false,"error":"a_word_of_tomorrow"}"#)]).await;
    let fired = fired().await;
    let both = || all(["A", "B"].map(|name| named(&fired, name)));
    let error = deliver(&mut bot, both()).await.unwrap_err();
    assert_eq!(error.to_string(), "the notifier is misconfigured");
    deliver(&mut bot, both()).await.unwrap();
    let titles: Vec<_> = receiver.posts().iter().flat_map(Post::titles).collect();
    assert_eq!(titles, ["A", "B", "A"].map(|name| format!("🔴 [FIRING] {name} · test")));
}

#[tokio::test]
async fn a_misconfiguration_is_logged_with_the_fix_and_without_the_token() {
    // This is the only test in this binary that captures logs.
    let logs = Logs::of_all();
    let receiver = Receiver::replying(
        POSTED,
        [ok(r#"{"ok":false,"error":"not_in_channel","needed":"s3cret"}"#)],
    );
    let url = receiver.serve().await;
    let bot = SlackBot::new(TOKEN, "#alerts").unwrap().url(&url).unwrap();
    let debug = format!("{bot:?}");
    let (lookout, scrape) = start(|builder| builder.rule(Rule::in_flight().above(0)).notify(bot));
    let in_flight = request(&lookout);
    let hint = "reason=\"not_in_channel: invite the bot to the channel";
    eventually(5, "the hint", || logs.text().contains(hint).then_some(())).await;
    drop(in_flight);
    eventually(5, "the resolve", || (receiver.posts().len() == 2).then_some(())).await;
    lookout.shutdown().await;
    for text in [&debug, &scrape.render()] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert_no_secret(&logs.text());
}

//! Receivers that are down, slow, reject messages or hang: no request waits, each lost alert is
//! counted, and recovery needs no restart.

#![cfg(all(feature = "prometheus", feature = "receivers"))]

#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/kind.rs"]
mod kind;
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
use tower_lookout::{
    LookoutBuilder, Rule, Severity,
    notify::{Discord, Log, Slack, SlackBot, Teams},
};

use in_flight::request;
use kind::{KINDS, each, with_state};
use logs::{Logs, assert_no_secret};
use receiver::{Receiver, Reply};
use support::{eventually, start, sum};

#[tokio::test]
async fn a_healthy_receiver_gets_one_firing_and_one_resolved_message() {
    each(|kind| async move {
        let receiver = kind.receiver([]);
        let (lookout, scrape) = kind.lookout(&receiver.serve().await);
        let in_flight = request(&lookout);
        kind.delivered(5, &receiver, &[kind.firing]).await;
        drop(in_flight);
        kind.delivered(5, &receiver, &[kind.firing, kind.resolved]).await;
        lookout.shutdown().await;
        assert_eq!(receiver.posts().len(), 2);
        assert_eq!(kind.counters(&scrape), [2.0, 0.0, 0.0, 0.0]);
    })
    .await;
}

#[tokio::test]
async fn discord_must_respond_only_after_it_has_saved_the_message() {
    let kind = KINDS.iter().find(|kind| kind.name == "discord").unwrap();
    let receiver = kind.receiver([]);
    let (lookout, _scrape) = kind.lookout(&receiver.serve().await);
    let _in_flight = request(&lookout);
    kind.delivered(5, &receiver, &[kind.firing]).await;
    assert_eq!(receiver.posts()[0].query, "wait=true");
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_the_message_when_it_recovers() {
    each(|kind| async move {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let (lookout, scrape) = kind.lookout(&receiver::url(address));
        let _in_flight = request(&lookout);
        eventually(6, "two failures", || (kind.counters(&scrape)[1] >= 2.0).then_some(())).await;
        let receiver = kind.receiver([]);
        receiver.serve_at(address).await;
        kind.delivered(10, &receiver, &[kind.firing]).await;
        eventually(2, "sent", || (kind.counters(&scrape)[0] == 1.0).then_some(())).await;
    })
    .await;
}

#[tokio::test]
async fn a_retry_includes_the_changes_since_the_failure() {
    each(|kind| async move {
        let receiver = kind.receiver([Reply::Response(500, "", "rollup_error"); 2]);
        let (lookout, scrape) = kind.lookout(&receiver.serve().await);
        let in_flight = request(&lookout);
        eventually(5, "a failure", || (receiver.posts().len() == 1).then_some(())).await;
        drop(in_flight);
        kind.delivered(10, &receiver, kind.late).await;
        let text = receiver.accepted().last().unwrap().body.to_string();
        assert!(text.contains("were merged into this"), "{text}");
        kind.counted(2, &scrape, [1.0, 2.0, 2.0, 0.0]).await;
    })
    .await;
}

#[tokio::test]
async fn retry_after_is_honoured() {
    each(|kind| async move {
        let receiver = kind.receiver([Reply::Response(429, "3", "rate_limited")]);
        let (lookout, _scrape) = kind.lookout(&receiver.serve().await);
        let _in_flight = request(&lookout);
        kind.delivered(8, &receiver, &[kind.firing]).await;
        let posts = receiver.posts();
        let waited = posts[1].at - posts[0].at;
        let requested = Duration::from_secs(3)..Duration::from_secs(5);
        assert!(requested.contains(&waited), "{} {waited:?}", kind.name);
    })
    .await;
}

#[tokio::test]
async fn a_revoked_webhook_is_retried_at_the_next_change_without_a_restart() {
    each(|kind| async move {
        let receiver = kind.receiver([Reply::Response(404, "", "no_service")]);
        let (lookout, scrape) = kind.lookout(&receiver.serve().await);
        let in_flight = request(&lookout);
        eventually(5, "a rejection", || (kind.counters(&scrape)[1] == 1.0).then_some(())).await;
        drop(in_flight);
        kind.delivered(5, &receiver, kind.late).await;
        assert_eq!(kind.counters(&scrape)[3], 0.0, "{} drops nothing", kind.name);
    })
    .await;
}

#[tokio::test]
async fn a_rejected_message_is_dropped_and_counted() {
    each(|kind| async move {
        let receiver = kind.receiver([Reply::Response(400, "", "invalid_payload")]);
        let (lookout, scrape) = kind.lookout(&receiver.serve().await);
        let in_flight = request(&lookout);
        eventually(5, "dropped", || (kind.counters(&scrape)[3] == 1.0).then_some(())).await;
        drop(in_flight);
        kind.delivered(5, &receiver, &[kind.resolved]).await;
        assert_eq!(receiver.posts().len(), 2, "{}: the first is not retried", kind.name);
    })
    .await;
}

#[tokio::test]
async fn a_hanging_receiver_delays_no_request_and_no_other_notifier() {
    each(|kind| async move {
        let (hanging, healthy) = (kind.receiver([Reply::Hang]), kind.receiver([]));
        let urls = [hanging.serve().await, healthy.serve().await];
        let (lookout, scrape) = start(|builder| {
            let builder = builder.rule(Rule::in_flight().above(0)).shutdown_timeout(Duration::ZERO);
            urls.iter().fold(builder, |builder, url| kind.add(builder, url))
        });
        let _in_flight = request(&lookout);
        kind.delivered(5, &healthy, &[kind.firing]).await;
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

        // The first attempt times out after 10 s. The second one succeeds.
        kind.delivered(15, &hanging, &[kind.firing]).await;
        let second = format!("{}-2", kind.name);
        eventually(2, "counters", || {
            let text = scrape.render();
            let sent = |name| sum(&text, "lookout_notifications_sent_total", &[("notifier", name)]);
            ([kind.name, &second].map(sent) == [1.0, 1.0]).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn only_a_new_critical_alert_mentions_users() {
    for (severity, is_mentioned) in [(Severity::Critical, true), (Severity::Warning, false)] {
        let accepting = |status, body| Receiver::replying(Reply::Response(status, "", body), []);
        let receivers = [
            accepting(200, "ok"),
            accepting(200, r#"{"ok":true}"#),
            accepting(204, ""),
            accepting(202, ""),
        ];
        let mut urls = Vec::new();
        for receiver in &receivers {
            urls.push(receiver.serve().await);
        }
        let (lookout, _scrape) = start(|builder| {
            let rule = Rule::in_flight().above(0).severity(severity).summary("@here <!here> <@1>");
            let slack = Slack::new(&urls[0]).unwrap().mention("<!here>").unwrap();
            let bot = SlackBot::new("xoxb-1-s3cret", "#alerts").unwrap().url(&urls[1]).unwrap();
            let discord = Discord::new(&urls[2]).unwrap().mention("<@&42>").unwrap();
            let teams = Teams::new(&urls[3]).unwrap().mention("ada@example.com").unwrap();
            let builder = builder.rule(rule).shutdown_timeout(Duration::ZERO);
            let bot = bot.mention("<!here>").unwrap();
            builder.notify(slack).notify(bot).notify(discord).notify(teams)
        });
        let in_flight = request(&lookout);
        for receiver in &receivers {
            eventually(5, "firing", || (receiver.posts().len() == 1).then_some(())).await;
        }
        drop(in_flight);
        for receiver in &receivers {
            eventually(5, "resolved", || (receiver.posts().len() >= 2).then_some(())).await;
        }
        let mentions = [
            r#""text":"<!here>""#,
            r#""text":"<!here>""#,
            r#""roles":["42"]"#,
            r#""id":"ada@example.com""#,
        ];
        for (receiver, mention) in receivers.iter().zip(mentions) {
            let posts: Vec<_> = receiver.posts().iter().map(|post| post.body.to_string()).collect();
            assert_eq!(posts[0].contains(mention), is_mentioned, "{}", posts[0]);
            assert!(!posts[1].contains(mention), "{}", posts[1]);
        }
    }
}

/// Three alerts fire together, and PagerDuty accepts one alert per event.
#[tokio::test]
async fn only_failed_events_are_retried_or_dropped() {
    let kind = KINDS.iter().find(|kind| kind.name == "pagerduty").unwrap();
    for (reply, posts, counters) in [
        (Reply::Response(503, "", ""), 4, [1.0, 1.0, 1.0, 0.0]),
        (Reply::Response(400, "", ""), 3, [0.0, 1.0, 0.0, 1.0]),
    ] {
        let receiver = kind.receiver([reply]);
        let url = receiver.serve().await;
        let (lookout, scrape) = start(|builder| {
            let rule = |name| Rule::in_flight().above(0).named(name);
            let builder = ["A", "B", "C"].into_iter().map(rule).fold(builder, LookoutBuilder::rule);
            kind.add(builder.shutdown_timeout(Duration::ZERO), &url)
        });
        let _in_flight = request(&lookout);
        kind.counted(6, &scrape, counters).await;
        assert_eq!(receiver.posts().len(), posts);
        let mut classes: Vec<_> = receiver
            .accepted()
            .iter()
            .map(|post| post.body["payload"]["class"].to_string())
            .collect();
        classes.sort();
        classes.dedup();
        assert_eq!(
            classes.len(),
            receiver.accepted().len(),
            "no event is accepted twice: {classes:?}"
        );
    }
}

#[tokio::test]
async fn a_failure_is_logged_once_and_no_output_contains_a_secret() {
    let logs = Logs::of_all();
    each(|kind| async move {
        let script = [Reply::Response(302, "", ""), Reply::Response(500, "", ""), kind.accepting];
        let receiver = kind.receiver(script);
        let url = receiver.serve().await;
        let (notifier, debug) = (kind.notifier)(&url);
        let (lookout, scrape) = start(|builder| {
            let builder = builder.rule(Rule::in_flight().above(0)).notify(Log::new());
            builder.notify_as(kind.name, notifier)
        });
        let in_flight = request(&lookout);
        eventually(5, "a rejection", || (receiver.posts().len() == 1).then_some(())).await;
        drop(in_flight);
        kind.delivered(10, &receiver, kind.late).await;
        for text in [&debug, &scrape.render(), &format!("{lookout:?}")] {
            assert!(!text.contains("s3cret"), "{text}");
        }
        lookout.shutdown().await;
    })
    .await;

    let logs = logs.text();
    assert_no_secret(&logs);
    let count = |parts: [&str; 2]| {
        logs.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    };
    for kind in with_state() {
        let notifier = format!("notifier=\"{}\"", kind.name);
        assert_eq!(count(["notifier is misconfigured", &notifier]), 1, "{logs}");
        assert_eq!(count(["notifier recovered", &notifier]), 1, "{logs}");
    }
    assert!(logs.contains("WARN tower_lookout::notify::receivers::log: [FIRING] "), "{logs}");
    assert!(logs.contains("INFO tower_lookout::notify::receivers::log: [RESOLVED] "), "{logs}");
}

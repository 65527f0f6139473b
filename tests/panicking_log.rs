//! A `tracing` subscriber is application code and may panic on each event. The lookout still ticks,
//! evaluates its rules, delivers, saves its state and shuts down.

#![cfg(all(feature = "prometheus", feature = "slack", feature = "state"))]
#![expect(clippy::panic, reason = "a test may stop")]

#[path = "support/file.rs"]
mod file;
#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::{
    fs,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use tower::{BoxError, service_fn};
use tower_lookout::{
    Report, Rule,
    notify::{Log, Matcher, Notification, NotifierExt, Slack},
};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use file::File;
use in_flight::request;
use receiver::{Receiver, Reply};
use support::{eventually, start, sum};

/// Panics on each event from the lookout.
struct Panics;

static PANICS: AtomicU32 = AtomicU32::new(0);

impl<S: Subscriber> Layer<S> for Panics {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target().starts_with("tower_lookout") {
            PANICS.fetch_add(1, Ordering::Relaxed);
            panic!("intended by the test");
        }
    }
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| tracing_subscriber::registry().with(Panics).init());
}

#[tokio::test]
async fn alerts_are_delivered_while_each_log_event_panics() {
    install();
    let receiver = Receiver::new([Reply::Response(503, "", "")]);
    let slack = Slack::new(receiver.serve().await).unwrap();
    let (lookout, _scrape) = start(|builder| {
        // `Log` is the first notifier. No notifier matches `Lost`, and the lookout logs that as
        // well.
        let others = || !Matcher::new().rule("Lost");
        let log = Log::new().when(others());
        builder.rule(Rule::in_flight().above(0)).notify(log).notify(slack.when(others()))
    });
    lookout.reporter().send(Report::new("Lost", "matches no notifier"));
    lookout.reporter().send(Report::new("EventLost", "no broker"));
    let in_flight = request(&lookout);
    let titles = || receiver.accepted().iter().flat_map(receiver::Post::titles).collect::<Vec<_>>();
    let has = |title: &str| titles().iter().any(|found| found.contains(title)).then_some(());
    eventually(20, "the report", || has("[FIRING] EventLost")).await;
    eventually(20, "the alert", || has("[FIRING] HighInFlight").or(has("[FIRING: "))).await;
    drop(in_flight);
    eventually(20, "the resolve", || has("[RESOLVED] HighInFlight")).await;
    lookout.shutdown().await;
    assert!(PANICS.load(Ordering::Relaxed) >= 3, "the lookout logged");
}

#[tokio::test]
async fn a_panic_in_the_failure_closure_and_in_the_log_affects_no_tick_and_no_scrape() {
    install();
    let (alerts, raised) = mpsc::channel();
    let (lookout, scrape) = start(|builder| {
        builder
            .failure(|_, _| panic!("intended by the test"))
            .rule(Rule::in_flight().above(0))
            .on_alert(move |alert| alerts.send(alert.title()).unwrap())
    });
    for _ in 0..2 {
        let in_flight = request(&lookout);
        let title = eventually(20, "the alert", || raised.try_recv().ok()).await;
        assert_eq!(title, "[FIRING] HighInFlight · test");
        drop(in_flight);
        let title = eventually(20, "the resolve", || raised.try_recv().ok()).await;
        assert_eq!(title, "[RESOLVED] HighInFlight · test");
    }
    assert_eq!(sum(&scrape.render(), "http_server_requests_total", &[]), 2.0);
}

#[tokio::test]
async fn queued_alerts_are_delivered_after_the_last_handle_is_dropped() {
    install();
    let (sent, received) = mpsc::channel();
    let slow = service_fn(move |notification: Notification| {
        let sent = sent.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            notification.alerts.iter().for_each(|alert| sent.send(alert.name.clone()).unwrap());
            Ok::<_, BoxError>(())
        }
    });
    let (lookout, _scrape) = start(|builder| builder.notify_as("slow", slow));
    let names = ["A", "B", "C", "D", "E"];
    for name in names {
        lookout.reporter().send(Report::new(name, "no broker"));
    }
    drop(lookout);
    let mut delivered = Vec::new();
    eventually(20, "all five", || {
        delivered.extend(received.try_iter().map(|rule| rule.to_string()));
        (delivered.len() == names.len()).then_some(())
    })
    .await;
    delivered.sort();
    assert_eq!(delivered, names);
}

#[tokio::test]
async fn rules_are_replaced_while_the_log_panics() {
    install();
    let (lookout, _scrape) = start(|builder| builder.rule(Rule::in_flight().above(0)));
    let reloaded = lookout.replace_rules([Rule::in_flight().above(5)]).await.unwrap();
    assert_eq!(reloaded.changed, 1);
    lookout.shutdown().await;
}

#[tokio::test]
async fn a_failed_write_of_the_state_is_retried_while_the_log_panics() {
    install();
    let state = File::new("state.json", "");
    fs::remove_file(state.path()).unwrap();
    // A directory at the temporary file's path makes the write of the state fail.
    let obstacle = state.path().with_file_name("state.json.new");
    fs::create_dir(&obstacle).unwrap();
    let panics = PANICS.load(Ordering::Relaxed);
    let (lookout, _scrape) = start(|builder| builder.state_path(state.path()));
    eventually(20, "a failed write", || (PANICS.load(Ordering::Relaxed) > panics).then_some(()))
        .await;
    fs::remove_dir(&obstacle).unwrap();
    lookout.reporter().send(Report::new("Lost", "no broker"));
    let has_saved = || fs::read_to_string(state.path()).is_ok_and(|text| text.contains("Lost"));
    eventually(20, "the state", || has_saved().then_some(())).await;
    lookout.shutdown().await;
}

//! Whoever writes the log is somebody else's code, and may panic at each line: alerts arrive all the same.

#![cfg(all(feature = "prometheus", feature = "slack"))]
#![expect(clippy::panic, reason = "a test may stop")]

#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::sync::atomic::{AtomicU32, Ordering};

use tower_lookout::{
    Report, Rule, Slack,
    notify::{Log, Matcher, NotifierExt},
};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use in_flight::request;
use receiver::{Receiver, Reply};
use support::{eventually, start};

/// Panics at each line of the lookout's.
struct Panics;

static PANICS: AtomicU32 = AtomicU32::new(0);

impl<S: Subscriber> Layer<S> for Panics {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target().starts_with("tower_lookout") {
            PANICS.fetch_add(1, Ordering::Relaxed);
            panic!("as the test asks");
        }
    }
}

#[tokio::test]
async fn alerts_arrive_though_each_line_of_the_log_panics() {
    tracing_subscriber::registry().with(Panics).init();
    let receiver = Receiver::new([Reply::Answer(503, "", "")]);
    let slack = Slack::new(receiver.serve().await).unwrap();
    let (lookout, _scrape) = start(|builder| {
        // The log comes first, and reports of the kind `Lost` are for nobody, which is logged, too.
        let others = || !Matcher::new().rule("Lost");
        let log = Log::new().when(others());
        builder.rule(Rule::in_flight().above(0)).notify(log).notify(slack.when(others()))
    });
    lookout.reporter().send(Report::new("Lost", "for nobody"));
    lookout.reporter().send(Report::new("EventLost", "no broker"));
    let in_flight = request(&lookout);
    let titles = || receiver.taken().iter().flat_map(receiver::Post::titles).collect::<Vec<_>>();
    let told = |title: &str| titles().iter().any(|told| told.contains(title)).then_some(());
    eventually(20, "the report", || told("[FIRING] EventLost")).await;
    eventually(20, "the alert", || told("[FIRING] HighInFlight").or(told("[FIRING: "))).await;
    drop(in_flight);
    eventually(20, "the resolve", || told("[RESOLVED] HighInFlight")).await;
    lookout.shutdown().await;
    assert!(PANICS.load(Ordering::Relaxed) >= 3, "the log was written");
}

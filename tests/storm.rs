//! Many reports for a slow receiver lead to few messages, an exact count of each kind, and bounded
//! memory.

#![cfg(feature = "prometheus")]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::time::Instant;
use tower::{
    limit::{RateLimit, rate::Rate},
    service_fn,
};
use tower_lookout::{Alert, Report, notify::Notification};

use support::{start, sum};

const KINDS: usize = 100;
const THREADS: usize = 4;
const PER_SECOND: usize = 10_000;
const SECONDS: usize = 10;
const REPORTS: usize = PER_SECOND * SECONDS;

/// The alerts of each message.
type Messages = Arc<Mutex<Vec<Vec<Alert>>>>;

#[tokio::test]
async fn ten_thousand_reports_per_second_lead_to_few_messages_with_exact_counts() {
    let messages = Messages::default();
    let sink = Arc::clone(&messages);
    let receiver = service_fn(move |notification: Notification| {
        sink.lock().unwrap().push(notification.alerts);
        std::future::ready(Ok::<_, Infallible>(()))
    });
    let limited = RateLimit::new(receiver, Rate::new(1, Duration::from_secs(1)));
    let (lookout, scrape) = start(|builder| builder.notify_as("slow", limited));

    let before = resident_bytes();
    let storm = {
        let reporter = lookout.reporter();
        tokio::task::spawn_blocking(move || {
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let reporter = reporter.clone();
                    scope.spawn(move || {
                        let begin = Instant::now();
                        for number in (thread..REPORTS).step_by(THREADS) {
                            let due =
                                Duration::from_secs(1).mul_f64(number as f64 / PER_SECOND as f64);
                            thread::sleep(due.saturating_sub(begin.elapsed()));
                            reporter.send(report(number));
                        }
                    });
                }
            });
        })
    };
    storm.await.unwrap();
    let grown = resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
    lookout.shutdown().await;

    let messages = messages.lock().unwrap();
    // The first ten kinds are delivered at once, the others every ten seconds and at the shutdown.
    assert!((2..=15).contains(&messages.len()), "{} messages", messages.len());
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for alert in messages.iter().flatten() {
        *counts.entry(&alert.name).or_default() += alert.failure().unwrap().count;
    }
    assert_eq!(counts.len(), KINDS, "every kind is delivered");
    let each = (REPORTS / KINDS) as u64;
    assert!(counts.values().all(|count| *count == each), "{counts:?}");
    let text = scrape.render();
    assert_eq!(sum(&text, "lookout_reports_total", &[]), REPORTS as f64);
    assert_eq!(sum(&text, "lookout_notifications_dropped_total", &[]), 0.0);
    // All reports together exceed 100 MB.
    assert!(grown.is_none_or(|grown| grown < 16 << 20), "{grown:?} bytes more");
}

/// Creates a report of one of a hundred kinds, with a kilobyte of context.
fn report(number: usize) -> Report {
    let kind = number % KINDS;
    Report::new(format!("Kind{kind}"), format!("failed for the {number}th time"))
        .field("context", "x".repeat(1_024))
}

/// Returns the resident memory of the process, in bytes, or `None` on systems without `/proc`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes << 10)
}

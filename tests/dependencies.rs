//! Calls to dependencies through plain futures: their counts, metric names and rules.

#![cfg(feature = "prometheus")]
#![expect(clippy::panic, reason = "a test may stop")]

mod support;

use std::{
    future::{pending, ready},
    io,
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use tower_lookout::{
    Preset, Rule,
    observe::{CallResult, Dependency},
};

use support::{check_with_promtool, eventually, start, sum};

/// Runs a future that never waits, without a runtime.
fn run<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("no future of this test waits"),
    }
}

fn connection_refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

/// A service as a user would write it.
#[derive(Clone)]
struct Orders {
    postgres: Dependency,
}

impl Orders {
    async fn find(&self, id: u64) -> io::Result<u64> {
        self.postgres.call("find_order", ready(Ok(id))).await
    }
}

#[test]
fn a_call_is_counted_once_with_any_outcome() {
    let (lookout, scrape) = start(|builder| builder);
    let orders = Orders { postgres: lookout.dependency("postgres").database("postgresql") };
    assert_eq!(run(orders.find(7)).unwrap(), 7);
    let Orders { postgres } = orders.clone();
    assert!(run(postgres.call("find_order", ready(Err::<(), _>(connection_refused())))).is_err());

    // Started and dropped.
    {
        let mut waiting = pin!(postgres.call("find_order", pending::<io::Result<()>>()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let text = scrape.render();
        assert_eq!(sum(&text, "db_client_active_operations", &[]), 1.0);
    }
    // Never polled.
    drop(postgres.call("find_order", pending::<io::Result<()>>()));
    let panicking = postgres.call("find_order", async { panic!("a bug") as io::Result<()> });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(panicking))).is_err());

    let text = scrape.render();
    let ended = |outcome| {
        let labels = [
            ("dependency", "postgres"),
            ("db_system_name", "postgresql"),
            ("db_operation_name", "find_order"),
            ("outcome", outcome),
        ];
        sum(&text, "db_client_operations_total", &labels)
    };
    for outcome in ["success", "error", "cancelled", "panicked"] {
        assert_eq!(ended(outcome), 1.0, "{outcome}: {text}");
    }
    assert_eq!(sum(&text, "db_client_operations_total", &[]), 4.0);
    assert_eq!(sum(&text, "db_client_active_operations", &[]), 0.0);
    let durations = "db_client_operation_duration_seconds_count";
    for error in ["connect", "cancelled", "panicked"] {
        assert_eq!(sum(&text, durations, &[("error_type", error)]), 1.0, "{text}");
    }
    assert_eq!(sum(&text, durations, &[]), 4.0);
    assert!(!text.contains("call=\"") && !text.contains("status_class"), "{text}");
    assert!(!text.contains("response_head"), "a call that is a future has no head: {text}");
    check_with_promtool(&text);
}

#[test]
fn each_kind_of_dependency_has_its_metric_names_in_every_preset() {
    for preset in [Preset::OpenTelemetry, Preset::SpringBoot, Preset::AxumPrometheus] {
        let (lookout, scrape) = start(|builder| builder.preset(preset));
        let kafka = lookout.dependency("events").messaging("kafka");
        let storage = lookout.dependency("storage");
        run(kafka.call("publish_order", ready(Ok::<_, io::Error>(())))).unwrap();
        run(storage.call("put_object", ready(Ok::<_, io::Error>(())))).unwrap();
        let text = scrape.render();
        let labels = [
            ("dependency", "events"),
            ("messaging_system", "kafka"),
            ("messaging_operation_name", "publish_order"),
        ];
        assert_eq!(sum(&text, "messaging_client_operations_total", &labels), 1.0, "{text}");
        assert_eq!(sum(&text, "messaging_client_operation_duration_seconds_count", &labels), 1.0);
        let labels = [("dependency", "storage"), ("operation", "put_object")];
        assert_eq!(sum(&text, "dependency_operations_total", &labels), 1.0, "{text}");
        assert_eq!(sum(&text, "dependency_operation_duration_seconds_count", &labels), 1.0);
    }
}

#[derive(Debug, PartialEq)]
enum Reply {
    Found(u8),
    Missing,
    Busy,
}

#[test]
fn a_closure_classifies_any_output_and_its_panic_counts_as_an_error() {
    let (lookout, scrape) = start(|builder| builder);
    let redis = lookout.dependency("cache").database("redis");
    for reply in [Reply::Found(1), Reply::Missing, Reply::Busy] {
        let output = run(redis.call_with("get", ready(reply), |reply| match reply {
            Reply::Found(_) | Reply::Missing => CallResult::success(),
            Reply::Busy => CallResult::error(&io::Error::from(io::ErrorKind::TimedOut)),
        }));
        assert!(matches!(output, Reply::Found(1) | Reply::Missing | Reply::Busy));
    }
    let output = run(redis.call_with("get", ready(7), |_| panic!("in the closure")));
    assert_eq!(output, 7);
    run(redis.call_with("get", ready(()), |()| CallResult::failure()));
    let text = scrape.render();
    let durations = "db_client_operation_duration_seconds_count";
    assert_eq!(sum(&text, durations, &[("error_type", "timeout")]), 1.0);
    assert_eq!(sum(&text, durations, &[("error_type", "error")]), 2.0);
    assert_eq!(sum(&text, "db_client_operations_total", &[("outcome", "success")]), 2.0);
}

#[test]
fn boxed_errors_and_their_causes_are_classified_by_type() {
    let (lookout, scrape) = start(|builder| builder);
    let queue = lookout.dependency("queue");
    let boxed: Box<dyn std::error::Error + Send + Sync> = connection_refused().into();
    let wrapped = io::Error::other(connection_refused());
    run(queue.call("publish", ready(Err::<(), _>(boxed)))).unwrap_err();
    run(queue.call("publish", ready(Err::<(), _>(wrapped)))).unwrap_err();
    let text = scrape.render();
    let durations = "dependency_operation_duration_seconds_count";
    assert_eq!(sum(&text, durations, &[("error_type", "connect")]), 2.0, "{text}");
}

#[test]
fn operations_beyond_the_limit_share_one_series() {
    let (lookout, scrape) = start(|builder| builder.max_operations(2));
    let postgres = lookout.dependency("postgres").database("postgresql");
    for name in ["one", "two", "three", "four"] {
        run(postgres.call(name, ready(Ok::<_, io::Error>(())))).unwrap();
    }
    let text = scrape.render();
    let of = |name| sum(&text, "db_client_operations_total", &[("db_operation_name", name)]);
    assert_eq!((of("one"), of("two"), of("_OVERFLOW")), (1.0, 1.0, 2.0), "{text}");
}

#[test]
fn a_dependency_works_on_any_thread_and_after_its_lookouts_shutdown() {
    let (lookout, scrape) = start(|builder| builder);
    let postgres = lookout.dependency("postgres").database("postgresql");
    let of_thread = postgres.clone();
    thread::spawn(move || run(of_thread.call("ping", ready(Ok::<_, io::Error>(())))))
        .join()
        .unwrap()
        .unwrap();
    assert_eq!(sum(&scrape.render(), "db_client_operations_total", &[]), 1.0);
    drop(lookout);
    run(postgres.call("ping", ready(Ok::<_, io::Error>(())))).unwrap();
    let fresh = postgres.database("mysql");
    run(fresh.call("ping", ready(Ok::<_, io::Error>(())))).unwrap();
}

#[tokio::test]
async fn the_rules_of_a_dependency_fire_for_its_errors_and_its_stuck_calls() {
    let (alerts, raised) = mpsc::channel();
    let (lookout, _scrape) = start(|builder| {
        builder
            .rule(Rule::error_ratio().above(0.5).dependency("postgres").named("Errors"))
            .rule(
                Rule::oldest_in_flight()
                    .above(Duration::from_secs(1))
                    .dependency("kafka")
                    .named("Stuck"),
            )
            .on_alert(move |alert| alerts.send(alert.title()).unwrap())
    });
    let postgres = lookout.dependency("postgres").database("postgresql");
    for _ in 0..50 {
        postgres.call("find_order", ready(Err::<(), _>(connection_refused()))).await.unwrap_err();
    }
    let kafka = lookout.dependency("kafka").messaging("kafka");
    let stuck = tokio::spawn(kafka.call("publish", pending::<io::Result<()>>()));
    let mut titles = Vec::new();
    for _ in 0..2 {
        titles.push(eventually(8, "an alert", || raised.try_recv().ok()).await);
    }
    titles.sort();
    assert!(titles[0].contains("Errors") && titles[1].contains("Stuck"), "{titles:?}");
    stuck.abort();
}

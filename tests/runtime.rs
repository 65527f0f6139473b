//! The metrics of the application's runtime and of the process. The alert for a blocked runtime
//! fires while the runtime is blocked. Without a runtime, there are neither metrics nor alerts of
//! it.

#![cfg(feature = "prometheus")]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use tokio::runtime::{self, Handle, Runtime};
use tower_lookout::{Alert, Rule, alert::AlertStatus, prometheus::Scrape};

use support::{eventually, series, start};

const LAG: &str = "lookout_runtime_lag_seconds";
const THRESHOLD: Duration = Duration::from_millis(500);

fn lag(scrape: &Scrape) -> Option<f64> {
    series(&scrape.render(), LAG).map(|(_, value)| value).next()
}

fn application() -> Runtime {
    runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Waits on its own runtime.
fn wait_for<T>(seconds: u64, event: &str, find: impl FnMut() -> Option<T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(eventually(seconds, event, find))
}

/// Blocks both workers until the returned sender is dropped.
fn block(application: &Handle) -> mpsc::Sender<()> {
    let (release, blocked) = mpsc::channel();
    let blocked = Arc::new(Mutex::new(blocked));
    let (entered, is_blocked) = mpsc::channel();
    for _ in 0..2 {
        let (blocked, entered) = (Arc::clone(&blocked), entered.clone());
        application.spawn(async move {
            entered.send(()).unwrap();
            // One task waits for the release, the other for the lock, so both block their worker.
            let _ = blocked.lock().unwrap().recv();
        });
    }
    for _ in 0..2 {
        is_blocked.recv_timeout(Duration::from_secs(5)).unwrap();
    }
    release
}

#[test]
fn the_lag_of_a_blocked_runtime_grows_and_fires_until_it_is_released() {
    let application = application();
    let (sent, alerts) = mpsc::channel::<Alert>();
    let (_lookout, scrape) = start(|builder| {
        builder
            .runtime(application.handle().clone())
            .rule(Rule::runtime_lag().above(THRESHOLD))
            .on_alert(move |alert| sent.send(alert.clone()).unwrap())
    });
    let threshold = THRESHOLD.as_secs_f64();
    wait_for(5, "a low lag", || lag(&scrape).filter(|lag| *lag < threshold));

    let release = block(application.handle());
    let fired = alerts.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(fired.title(), "[FIRING] HighRuntimeLag · test");
    assert!(fired.breach().unwrap().value.unwrap() > threshold, "{fired}");
    let first = wait_for(3, "a lag", || lag(&scrape).filter(|lag| *lag > threshold));
    let second = wait_for(3, "a greater lag", || lag(&scrape).filter(|lag| *lag > first));
    assert!((0.5..2.5).contains(&(second - first)), "it grows with time: {first} s, {second} s");

    drop(release);
    let resolved = alerts.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(resolved.status, AlertStatus::Resolved);
    assert!(resolved.breach().unwrap().peak >= second, "{resolved}");
    wait_for(3, "a low lag", || lag(&scrape).filter(|lag| *lag < threshold));
}

#[test]
fn a_stall_shorter_than_a_second_is_measured() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // The lookout probes the runtime in which it is started.
        let (_lookout, scrape) = start(|builder| builder);
        eventually(5, "a low lag", || lag(&scrape).filter(|lag| *lag < 0.1)).await;
        // The fault: a handler that blocks its thread.
        thread::sleep(Duration::from_millis(400));
        let seen = eventually(3, "the stall", || lag(&scrape).filter(|lag| *lag > 0.2)).await;
        assert!(seen < 1.0, "{seen} s");
        eventually(3, "its end", || lag(&scrape).filter(|lag| *lag < 0.1)).await;
    });
}

#[test]
fn without_a_runtime_there_is_no_lag_and_no_alert() {
    assert!(Handle::try_current().is_err());
    let (sent, alerts) = mpsc::channel();
    let (_lookout, scrape) = start(|builder| {
        builder
            .rule(Rule::runtime_lag().above(Duration::from_nanos(1)))
            .on_alert(move |alert| sent.send(alert.title()).unwrap())
    });
    let ticks = |text: String| {
        series(&text, "http_server_throughput_requests_per_second_count").map(|(_, n)| n).sum()
    };
    wait_for(6, "two ticks", || (2.0 <= ticks(scrape.render())).then_some(()));
    assert_eq!(lag(&scrape), None);
    assert!(alerts.try_recv().is_err());
    assert_eq!(support::sum(&scrape.render(), "lookout_alert_state", &[]), 0.0);
}

#[test]
fn the_lookout_does_not_keep_a_runtime_alive_and_the_lag_ends_with_the_runtime() {
    let application = application();
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    application.spawn(async move {
        std::future::pending::<()>().await;
        drop(kept);
    });
    let (sent, alerts) = mpsc::channel();
    let (_lookout, scrape) = start(|builder| {
        builder
            .runtime(application.handle().clone())
            .rule(Rule::runtime_lag().above(Duration::from_secs(60)))
            .rule(Rule::in_flight().below(1))
            .on_alert(move |alert| sent.send(alert.title()).unwrap())
    });
    wait_for(5, "a lag", || lag(&scrape).filter(|lag| lag.is_finite()));
    drop(application);
    assert_eq!(Arc::strong_count(&held), 1, "the runtime has dropped its tasks");
    wait_for(5, "no lag", || lag(&scrape).filter(|lag| lag.is_nan()));
    // The lookout continues.
    assert_eq!(alerts.recv_timeout(Duration::from_secs(5)).unwrap(), "[FIRING] LowInFlight · test");
}

#[cfg(feature = "process")]
#[test]
fn the_process_metrics_have_the_names_of_prometheus() {
    let (_lookout, scrape) = start(|builder| builder);
    // This metric of the process is exported last.
    let text = wait_for(3, "the process", || {
        Some(scrape.render()).filter(|text| text.contains("\nprocess_threads "))
    });
    let value = |name| series(&text, name).map(|(_, value)| value).next();
    for name in [
        "process_open_fds",
        "process_max_fds",
        "process_virtual_memory_bytes",
        "process_virtual_memory_max_bytes",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_threads",
    ] {
        assert!(value(name).is_some_and(|value| value > 0.0), "{name}: {:?}", value(name));
        assert!(text.contains(&format!("# TYPE {name} gauge")), "{name}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
    assert!(value("process_cpu_seconds_total").is_some(), "{text}");
    assert!(text.contains("# TYPE process_cpu_seconds_total counter"));
}

#[cfg(feature = "process")]
#[test]
fn two_lookouts_with_one_recorder_count_the_process_once() {
    let (recorder, scrape) = tower_lookout::prometheus::build().unwrap();
    let recorder = Arc::new(recorder);
    let _lookouts = [(); 2].map(|()| {
        tower_lookout::Lookout::builder().recorder(Arc::clone(&recorder)).start().unwrap()
    });
    let spent = |scrape: &Scrape| {
        series(&scrape.render(), "process_cpu_seconds_total").map(|(_, value)| value).next()
    };
    // The counter has whole seconds, so keep a processor busy for a second.
    let exported = wait_for(20, "a second", || {
        (0..2_000_000_u64).for_each(|n| _ = std::hint::black_box(n));
        spent(&scrape).filter(|seconds| *seconds >= 1.0)
    });
    let real = metrics_process::collector::collect().cpu_seconds_total.unwrap();
    assert!(exported <= real, "{exported} s exported, {real} s spent");
}

#[cfg(feature = "runtime-metrics")]
#[test]
fn the_metrics_of_the_scheduler_match_the_runtime() {
    let application = application();
    let (_lookout, scrape) = start(|builder| builder.runtime(application.handle().clone()));
    let value = |name| series(&scrape.render(), name).map(|(_, value)| value).next();
    let is = |name, wanted: f64| wait_for(5, name, || value(name).filter(|value| *value == wanted));
    is("tokio_runtime_workers", 2.0);
    is("tokio_runtime_global_queue_depth", 0.0);
    for _ in 0..3 {
        application.spawn(std::future::pending::<()>());
    }
    is("tokio_runtime_live_tasks", 3.0);
    for name in ["busy_ratio", "busiest_worker_ratio"].map(|name| format!("tokio_runtime_{name}")) {
        let value = series(&scrape.render(), &name).map(|(_, value)| value).next().unwrap();
        assert!((0.0..=1.0).contains(&value), "{name} {value}");
    }

    let _release = block(application.handle());
    for _ in 0..20 {
        application.spawn(async {});
    }
    let name = "tokio_runtime_global_queue_depth";
    // The twenty tasks and the probe.
    wait_for(5, name, || value(name).filter(|depth| *depth == 21.0));
    let name = "tokio_runtime_mean_poll_delay_seconds";
    wait_for(5, name, || value(name).filter(|delay| *delay > 0.5));
}

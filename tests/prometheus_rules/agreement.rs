//! A lookout and a real Prometheus with its rules fire and resolve the same alerts.

use std::{
    collections::BTreeSet,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use tokio::{net::TcpListener, time::Instant};
use tower::ServiceExt;
use tower_lookout::{
    Lookout, Rule,
    alert::{Alert, AlertStatus, Target},
};

use crate::{
    prometheus_server::PrometheusServer,
    support::{self, eventually, start},
};

/// An alert with its method and its route.
type Firing = BTreeSet<String>;

fn identity(alert: &Alert) -> String {
    match &alert.target {
        Target::Operation(operation) => format!("{} {operation}", alert.name),
        Target::Route(route) => format!("{} {route}", alert.name),
        _ => alert.name.to_string(),
    }
}

fn firing_in(prometheus: &PrometheusServer) -> Option<Firing> {
    let query = r#"ALERTS{alertstate="firing",alertname!~"Lookout.*"}"#;
    let samples = prometheus.samples(query)?;
    let identities = samples.iter().map(|sample| {
        let label = |name: &str| sample["metric"][name].as_str().unwrap_or_default().to_owned();
        let parts = ["alertname", "method", "route"].map(label);
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    });
    Some(identities.collect())
}

/// Waits until both have these alerts, and prints when.
async fn both(
    firing: &Mutex<Firing>,
    prometheus: &PrometheusServer,
    expected: &Firing,
    what: &str,
) {
    let began = Instant::now();
    let mut times = [None; 2];
    eventually(60, what, || {
        let in_lookout = *firing.lock().unwrap() == *expected;
        let in_prometheus = tokio::task::block_in_place(|| firing_in(prometheus));
        let are = [in_lookout, in_prometheus.as_ref() == Some(expected)];
        for (time, is) in times.iter_mut().zip(are) {
            if is {
                time.get_or_insert(began.elapsed());
            }
        }
        are.iter().all(|is| *is).then_some(())
    })
    .await;
    let [lookout, prometheus] = times.map(Option::unwrap_or_default);
    println!("{what}: the lookout after {lookout:.1?}, Prometheus after {prometheus:.1?}");
}

/// An application with a route that fails on demand, one that succeeds, and one that hangs.
fn app(lookout: &Lookout, is_failing: &Arc<AtomicBool>) -> Router {
    let is_failing = Arc::clone(is_failing);
    let status = move || {
        let status = if is_failing.load(Ordering::Relaxed) {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        };
        async move { status }
    };
    Router::new()
        .route("/a", get(status))
        .route("/b", get(|| async { "ok" }))
        .route("/hang", get(pending::<()>))
        .layer(lookout.layer())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_fires_and_resolves_the_alerts_of_the_lookout() {
    let Some(program) = support::program("prometheus") else { return };
    let second = Duration::from_secs(1);
    let ratio = Rule::error_ratio().above(0.1).min_requests(5).min_errors(3).over(second * 4);
    let rules = [
        ratio.clone().each_route(),
        ratio.each_route().above(2.0 / 3.0).named("MostFail"),
        Rule::oldest_in_flight().above(second * 2).route("GET /hang"),
    ];
    let firing = Arc::new(Mutex::new(Firing::new()));
    let changed = Arc::clone(&firing);
    let (lookout, scrape) = start(|builder| {
        builder.rules(rules).on_alert(move |alert: &Alert| {
            let mut firing = changed.lock().unwrap();
            match alert.status {
                AlertStatus::Firing => firing.insert(identity(alert)),
                _ => firing.remove(&identity(alert)),
            };
        })
    });
    let is_failing = Arc::new(AtomicBool::new(false));
    let watched = app(&lookout, &is_failing);
    let ask = |path: &'static str| {
        watched.clone().oneshot(Request::get(path).body(Body::empty()).unwrap())
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Router::new().route("/metrics", get(scrape));
    tokio::spawn(async move { axum::serve(listener, metrics).await });
    let file = lookout.prometheus_rules().scrape_interval(second).to_string();
    let prometheus = PrometheusServer::start(&program, &[("test", address)], &file);

    let traffic = tokio::spawn({
        let watched = watched.clone();
        async move {
            loop {
                for path in ["/a", "/b"] {
                    let request = Request::get(path).body(Body::empty()).unwrap();
                    let _ = watched.clone().oneshot(request).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let counted = r#"sum(instance_route:lookout_requests:increase4s{job="test"})"#;
    prometheus.wait_for(counted, 20.0).await;
    both(&firing, &prometheus, &Firing::new(), "nothing fires").await;

    is_failing.store(true, Ordering::Relaxed);
    let hanging = tokio::spawn(ask("/hang"));
    let expected =
        ["HighErrorRatioPerRoute GET /a", "MostFail GET /a", "StuckRequestsOnGetHang GET /hang"];
    let expected = expected.map(str::to_owned).into();
    both(&firing, &prometheus, &expected, "three alerts fire").await;

    is_failing.store(false, Ordering::Relaxed);
    hanging.abort();
    both(&firing, &prometheus, &Firing::new(), "all are resolved").await;
    traffic.abort();
}

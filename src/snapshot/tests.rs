//! Tests of the snapshots of simulated requests, tick by tick.

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use proptest::prelude::*;

use super::*;
use crate::{
    alert::{MS, Play, Target},
    notify::Dispatcher,
    outcome::Ending,
    report::Reports,
    rule::Rule,
    suppress::Suppressor,
};

/// Simulated requests with a publisher of their snapshots.
struct PublishedPlay {
    play: Play,
    publisher: Publisher,
}

impl PublishedPlay {
    fn new(rules: impl Into<Vec<Rule>>) -> Self {
        Self::of(Play::new(rules))
    }

    fn of(play: Play) -> Self {
        let publisher = publisher(&play);
        Self { play, publisher }
    }

    fn tick(&mut self) -> Arc<Snapshot> {
        self.play.tick();
        self.publish()
    }

    fn publish(&mut self) -> Arc<Snapshot> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(self.play.second);
        self.publisher.publish(&self.play.evaluator, &self.play.collector, at);
        self.publisher.current()
    }
}

/// Creates a publisher with a snapshot of the current state.
fn publisher(play: &Play) -> Publisher {
    let origin = Arc::clone(play.evaluator.origin());
    let reports = Reports::new(Arc::clone(&play.store), Arc::clone(&origin));
    let dispatcher = Arc::new(Dispatcher::new(Vec::new(), origin));
    let suppressor = Arc::new(Suppressor::new(Arc::clone(&dispatcher)));
    Publisher::new(&play.evaluator, &play.collector, reports.into(), dispatcher, suppressor).0
}

fn ratio() -> Rule {
    Rule::error_ratio().above(0.01).over(Duration::from_secs(10))
}

fn names(targets: &[Arc<TargetStatus>]) -> Vec<String> {
    targets.iter().map(|status| status.target.text().unwrap_or_default()).collect()
}

#[test]
fn a_snapshot_has_the_figures_of_the_service_and_of_each_scope_and_operation() {
    let mut watched =
        PublishedPlay::new([ratio(), ratio().route("/b"), ratio().route("/b").named("B")]);
    for _ in 0..90 {
        watched.play.requests("/a", 1, 20 * MS, Ending::Complete);
        watched.play.requests("/b", 2, 400 * MS, Ending::Complete);
        watched.play.requests("/b", 1, 40 * MS, Ending::Panicked);
        watched.tick();
    }
    watched.play.started("/b", 3);
    let snapshot = watched.tick();
    assert_eq!(
        (snapshot.uptime, snapshot.window),
        (Duration::from_secs(91), Duration::from_secs(60))
    );
    assert_eq!(names(&snapshot.scopes), ["", "/b"]);
    assert_eq!(names(&snapshot.operations), ["GET /a", "GET /b"]);
    let [service, b] = &snapshot.scopes[..] else { panic!("{:?}", snapshot.scopes) };
    assert_eq!(service.target, Target::Service);
    assert_eq!((service.total_requests, service.total_errors, service.in_flight), (360, 90, 3));
    let of_service = service.last_minute;
    assert_eq!((of_service.requests, of_service.errors), (59 * 4, 59));
    assert_eq!(of_service.error_ratio(), Some(0.25));
    assert_eq!(of_service.mean, Some(Duration::from_millis(215)));
    let is_near = |value: Option<Duration>, millis: f64| {
        (value.unwrap().as_secs_f64() * 1e3 / millis - 1.0).abs() < 0.12
    };
    assert!(is_near(of_service.p50, 40.0) && is_near(of_service.p99, 400.0), "{of_service:?}");
    assert_eq!(**b, TargetStatus { target: b.target.clone(), ..(*snapshot.operations[1]).clone() });
}

#[test]
fn a_snapshot_shares_each_part_that_has_not_changed() {
    let mut watched = PublishedPlay::new([ratio()]);
    watched.play.requests("/a", 5, MS, Ending::Complete);
    watched.play.requests("/b", 5, MS, Ending::Complete);
    let first = watched.tick();
    watched.play.requests("/b", 1, MS, Ending::Complete);
    let second = watched.tick();
    assert!(Arc::ptr_eq(&first.operations[0], &second.operations[0]), "/a has no new request");
    assert!(!Arc::ptr_eq(&first.operations[1], &second.operations[1]), "/b has one");
    let third = watched.tick();
    assert!(Arc::ptr_eq(&second.operations, &third.operations), "no operation has changed");
    assert!(Arc::ptr_eq(&second.scopes, &third.scopes));
    assert!(Arc::ptr_eq(&second.notifiers, &third.notifiers));
    assert!(Arc::ptr_eq(&second.alerts, &third.alerts));
}

#[test]
fn the_firing_alerts_of_rules_and_of_reports_are_in_the_snapshot() {
    let mut watched = PublishedPlay::new([ratio()]);
    let reporter = crate::Reporter::new(watched.publisher.reports());
    reporter.send(crate::Report::new("OrderLost", "no broker"));
    let _ = watched.publisher.reports().changes();
    for _ in 0..10 {
        watched.play.requests("/a", 5, MS, Ending::Panicked);
        watched.tick();
    }
    let snapshot = watched.tick();
    let names: Vec<_> = snapshot.alerts.iter().map(|alert| &*alert.name).collect();
    assert_eq!(names, ["HighErrorRatio", "OrderLost"]);
}

fn gauges(snapshotter: &Snapshotter) -> Vec<(String, usize, f64)> {
    let all = snapshotter.snapshot().into_vec().into_iter();
    let rules = all.filter_map(|(key, _, _, value)| {
        let name = key.key().name().to_owned();
        match value {
            DebugValue::Gauge(value) if name.starts_with("lookout_rule_") => {
                Some((name, key.key().labels().count(), value.into_inner()))
            }
            _ => None,
        }
    });
    let mut rules: Vec<_> = rules.collect();
    rules.sort_by(|one, other| one.partial_cmp(other).unwrap());
    rules
}

#[test]
fn a_rule_for_each_route_has_one_gauge_of_its_worst_operation_until_it_is_removed() {
    let recorder = Arc::new(DebuggingRecorder::new());
    let snapshotter = recorder.snapshotter();
    let mut watched =
        PublishedPlay::of(Play::with_recorder([ratio().each_route()], Some(recorder)));
    for _ in 0..10 {
        for route in 0..30 {
            let name = format!("/{route:02}");
            watched.play.requests(&name, 100 - route, 10 * MS, Ending::Complete);
            watched.play.requests(&name, route, 10 * MS, Ending::Panicked);
        }
        watched.tick();
    }
    let (threshold, value) = ("lookout_rule_threshold".to_owned(), "lookout_rule_value".to_owned());
    assert_eq!(gauges(&snapshotter), [(threshold, 1, 0.01), (value, 1, 0.29)]);

    let Play { evaluator, collector, .. } = &mut watched.play;
    evaluator.replace(Vec::new(), &collector.facade, SystemTime::UNIX_EPOCH);
    watched.publish();
    assert!(gauges(&snapshotter).iter().all(|(_, _, value)| value.is_nan()));
}

#[test]
fn after_the_rules_are_replaced_each_scope_has_its_own_figures() {
    let mut watched = PublishedPlay::new([ratio().route("/a")]);
    watched.play.requests("/a", 1, MS, Ending::Complete);
    watched.play.requests("/b", 1, MS, Ending::Complete);
    watched.tick();
    let rules = vec![ratio().route("/b")];
    let Play { evaluator, collector, .. } = &mut watched.play;
    collector.regroup(crate::alert::Evaluator::groups(&rules));
    evaluator.replace(rules, &collector.facade, SystemTime::UNIX_EPOCH);
    assert_eq!(names(&watched.publish().scopes), ["", "/b"]);
}

#[test]
fn the_json_has_the_figures_in_seconds() {
    let mut watched = PublishedPlay::new([]);
    watched.play.requests("/a\"", 1, 20 * MS, Ending::Panicked);
    let json: serde_json::Value = serde_json::from_str(&watched.tick().to_json()).unwrap();
    let p50 = json["operations"][0]["last_minute"]["p50_seconds"].as_f64().unwrap();
    assert!((p50 / 0.02 - 1.0).abs() < 0.12, "{p50}");
    let expected = serde_json::json!({
        "target": "GET /a\"",
        "total_requests": 1,
        "total_errors": 1,
        "in_flight": 0,
        "oldest_in_flight_seconds": null,
        "last_minute": {
            "requests": 1,
            "errors": 1,
            "client_errors": 0,
            "mean_seconds": 0.02,
            "p50_seconds": p50,
            "p99_seconds": p50,
        },
    });
    assert_eq!(json["operations"], serde_json::json!([expected]));
    assert_eq!(json["uptime_seconds"], 1.0);
    assert_eq!(json["at"], "1970-01-01T00:00:01Z");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Shared parts must not be out of date.
    #[test]
    fn an_incremental_snapshot_equals_one_built_from_scratch(
        seconds in prop::collection::vec(prop::collection::vec((0..3_u8, 0..3_u64, 0..2_u64), 0..3), 1..150),
    ) {
        let mut watched = PublishedPlay::new([ratio(), ratio().route("/1"), ratio().each_route()]);
        for requests in seconds {
            for (route, count, starts) in requests {
                let route = format!("/{route}");
                watched.play.requests(&route, count, 20 * MS, Ending::Complete);
                watched.play.started(&route, starts);
            }
            let snapshot = watched.tick();
            let fresh = publisher(&watched.play).current();
            prop_assert_eq!(&snapshot.scopes, &fresh.scopes);
            prop_assert_eq!(&snapshot.operations, &fresh.operations);
            prop_assert_eq!(&snapshot.rules, &fresh.rules);
        }
    }
}

//! Simulated requests, second by second, and the alerts that they raise.

#[path = "confidence_tests.rs"]
mod confidence;
#[path = "slo_tests.rs"]
mod slo;

use super::*;
use crate::{
    facade::{MetricNaming, SharedRecorder},
    operation::{MethodLabel, TrafficId},
    outcome::Ending,
    series::{
        BUCKETS, Bounds, Classifier, End, LabelSet, LabelTable, Limits, Shard, StatusKey, Store,
    },
};

pub(crate) struct Play {
    pub(crate) store: Arc<Store>,
    shard: Arc<Shard>,
    pub(crate) collector: Collector,
    pub(crate) evaluator: Evaluator,
    pub(crate) second: u64,
    /// The time of day at the start.
    pub(super) clock_ahead: Duration,
}

pub(crate) const MS: u64 = 1_000_000;

impl Play {
    pub(crate) fn new(rules: impl Into<Vec<Rule>>) -> Self {
        Self::with_recorder(rules, None)
    }

    pub(crate) fn with_recorder(
        rules: impl Into<Vec<Rule>>,
        recorder: Option<SharedRecorder>,
    ) -> Self {
        let rules = rules.into();
        let splits: Vec<_> = rules.iter().flat_map(Rule::splits).collect();
        let store = Arc::new(Store::new(
            Limits::default(),
            Bounds::new(BUCKETS, &splits),
            LabelTable::default(),
        ));
        let groups = Evaluator::groups(&rules);
        let collector = Collector::new(
            Arc::clone(&store),
            Facade::new(recorder, MetricNaming::default()),
            Arc::new(Classifier(None)),
            groups,
            Vec::new(),
        );
        let origin = Arc::new(Origin { service: "orders".to_owned(), ..Origin::default() });
        let evaluator = Evaluator::new(rules, origin);
        Self {
            shard: store.lease().unwrap(),
            store,
            collector,
            evaluator,
            second: 0,
            clock_ahead: Duration::ZERO,
        }
    }

    pub(crate) fn started(&self, route: &str, count: u64) {
        let id = self.store.operations.id_of(TrafficId::HTTP_SERVER, MethodLabel::Get, route);
        let cells = self.shard.operation(id);
        for _ in 0..count {
            cells.start();
            cells.ages.opened(self.second as u32);
        }
    }

    fn ended(&self, route: &str, count: u64, nanos: u64, ending: Ending) {
        let id = self.store.operations.id_of(TrafficId::HTTP_SERVER, MethodLabel::Get, route);
        let cells = self.shard.operation(id);
        let status = StatusKey::http(http::StatusCode::OK);
        let end = End { status, ending, labels: LabelSet::NONE, is_head_recorded: false };
        for _ in 0..count {
            self.shard.end(cells, id, end, &self.store, nanos);
        }
    }

    pub(crate) fn requests(&self, route: &str, count: u64, nanos: u64, ending: Ending) {
        let id = self.store.operations.id_of(TrafficId::HTTP_SERVER, MethodLabel::Get, route);
        (0..count).for_each(|_| self.shard.operation(id).start());
        self.ended(route, count, nanos, ending);
    }

    /// Ends the second, and returns the alerts that changed.
    pub(crate) fn tick(&mut self) -> Vec<Alert> {
        self.second += 1;
        self.collector.tick(Duration::from_secs(self.second));
        // The system clock drifts from the monotonic one.
        let jitter = Duration::from_millis(self.second * 37 % 11);
        let wall = SystemTime::UNIX_EPOCH + self.clock_ahead + secs(self.second) + jitter;
        self.evaluator.evaluate(&self.collector, wall)
    }

    #[cfg(feature = "state")]
    pub(super) fn restore(&mut self, firing: Vec<Alert>, wall: SystemTime) -> Vec<Alert> {
        let naming = self.collector.facade.naming();
        self.evaluator.restore(firing, &self.store.operations, naming, wall)
    }

    /// Repeats `each` every second, and returns each change with its second.
    pub(crate) fn play(&mut self, seconds: u64, each: impl Fn(&Self)) -> Vec<(u64, Alert)> {
        let mut changes = Vec::new();
        for _ in 0..seconds {
            each(self);
            let changed = self.tick();
            changes.extend(changed.into_iter().map(|alert| (self.second, alert)));
        }
        changes
    }
}

#[test]
fn a_runtime_lag_alert_fires_at_its_tick_and_names_the_operations_in_flight() {
    let mut play = Play::new([Rule::runtime_lag().above(Duration::from_millis(500))]);
    assert!(play.tick().is_empty(), "without a runtime there is no lag");
    play.started("/orders", 3);
    play.collector.note_runtime_lag(Some(Duration::from_millis(500)));
    assert!(play.tick().is_empty(), "500 ms is not above 500 ms");

    play.collector.note_runtime_lag(Some(Duration::from_millis(1_250)));
    let [fired] = &play.tick()[..] else { panic!("one alert") };
    assert_eq!(
        fired.to_string(),
        "[FIRING] HighRuntimeLag · orders: runtime lag 1.25 s (threshold: above 500 ms)"
    );
    assert_eq!(
        fired.top()[0].to_string(),
        "GET /orders: 3 in flight, 100% of all requests in flight"
    );

    play.collector.note_runtime_lag(Some(Duration::from_millis(1)));
    let [resolved] = &play.tick()[..] else { panic!("one alert") };
    assert!(resolved.to_string().starts_with(
        "[RESOLVED] HighRuntimeLag · orders: runtime lag 1 ms (threshold: above 500 ms), peak 1.25 s"
    ));
}

#[test]
fn the_alert_of_a_stopped_runtime_is_resolved_with_the_reason() {
    let rule = Rule::runtime_lag().above(Duration::from_millis(500));
    let mut play = Play::new([rule.over(Duration::from_secs(2))]);
    play.collector.note_runtime_lag(Some(Duration::from_secs(1)));
    assert_eq!(play.tick().len(), 1);
    play.collector.note_runtime_lag(None);
    let changes = play.play(5, |_| ());
    let [(_, resolved)] = &changes[..] else { panic!("one change") };
    assert_eq!(resolved.measured(), "runtime lag unknown: the runtime has stopped");
}

pub(super) fn titles(changes: &[(u64, Alert)]) -> Vec<(u64, String)> {
    changes.iter().map(|(second, alert)| (*second, alert.title())).collect()
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn healthy(play: &Play) {
    play.requests("/a", 50, 10 * MS, Ending::Complete);
}

pub(super) fn a_fifth_fails(play: &Play) {
    play.requests("/a", 40, 10 * MS, Ending::Complete);
    play.requests("/a", 10, 10 * MS, Ending::Panicked);
}

fn an_incident(play: &mut Play) -> Vec<(u64, Alert)> {
    let mut changes = play.play(10, healthy);
    changes.extend(play.play(5, a_fifth_fails));
    changes.extend(play.play(20, healthy));
    changes
}

#[test]
fn an_error_ratio_fires_at_once_and_resolves_when_its_window_has_passed() {
    let mut play = Play::new([Rule::error_ratio().above(0.01).over(secs(10))]);
    let changes = an_incident(&mut play);
    assert_eq!(
        titles(&changes),
        [
            (11, "[FIRING] HighErrorRatio · orders".to_owned()),
            (25, "[RESOLVED] HighErrorRatio · orders".to_owned()),
        ]
    );
    let (firing, resolved) = (&changes[0].1, &changes[1].1);
    assert_eq!(
        (firing.breach().unwrap().value, firing.breach().unwrap().window),
        (Some(0.02), Some((secs(10), 500)))
    );
    assert_eq!(firing.top()[0].to_string(), "GET /a: 10 of 500 failed (2%), 100% of all failures");
    assert_eq!(
        (resolved.breach().unwrap().value, resolved.breach().unwrap().peak),
        (Some(0.0), 0.1)
    );
    assert_eq!(
        (resolved.breach().unwrap().requests, resolved.breach().unwrap().errors),
        (1_200, 50)
    );
    assert_eq!(resolved.lasted(SystemTime::now()), secs(14));
    assert_eq!(resolved.starts_at, firing.starts_at);
}

#[test]
fn the_same_requests_raise_the_same_alerts_at_the_same_ticks() {
    let run = || {
        let mut play = Play::new(Rule::defaults());
        format!(
            "{:?}",
            an_incident(&mut play)
                .iter()
                .map(|(at, alert)| (*at, alert.to_string()))
                .collect::<Vec<_>>()
        )
    };
    assert_eq!(run(), run());
}

#[test]
fn a_quiet_service_is_evaluated_over_the_longer_window_and_not_on_three_requests() {
    let rule = Rule::error_ratio().above(0.5).over(secs(10)..=secs(60)).min_requests(20);
    let mut play = Play::new([rule]);
    // One failure every other second: 5 in ten seconds, 20 in forty.
    let changes = play.play(60, |play| {
        if play.second % 2 == 0 {
            play.requests("/a", 1, MS, Ending::Panicked);
        }
    });
    assert_eq!(titles(&changes), [(39, "[FIRING] HighErrorRatio · orders".to_owned())]);
    assert_eq!(changes[0].1.breach().unwrap().window.unwrap().1, 20);
}

#[test]
fn a_mean_latency_rule_fires_in_the_second_in_which_the_mean_exceeds_its_threshold() {
    let rule = Rule::mean_latency().above(secs(3)).over(secs(10));
    let mut play = Play::new([rule]);
    assert!(play.play(10, healthy).is_empty());
    let slow = |play: &Play| play.requests("/a", 50, 5_000 * MS, Ending::Complete);
    // After six seconds: (6 · 5 s + 4 · 10 ms) / 10 = 3.004 s.
    let changes = play.play(10, slow);
    assert_eq!(titles(&changes), [(16, "[FIRING] HighMeanLatency · orders".to_owned())]);
    assert_eq!(changes[0].1.measured(), "mean response time 3 s");
}

#[test]
fn a_quantile_is_exact_at_its_threshold() {
    let rule = || Rule::latency_quantile(0.99).above(Duration::from_millis(300)).over(secs(10));
    let fires = |slow| {
        let mut play = Play::new([rule()]);
        play.requests("/a", 100 - slow, 300 * MS, Ending::Complete);
        play.requests("/a", slow, 300 * MS + 1, Ending::Complete);
        !play.tick().is_empty()
    };
    assert!(!fires(1), "one in a hundred may exceed the p99");
    assert!(fires(2));
}

#[test]
fn a_slow_ratio_counts_the_requests_above_its_bound() {
    let rule = Rule::slow_ratio(Duration::from_millis(200)).above(0.1).over(secs(10));
    let mut play = Play::new([rule]);
    play.requests("/a", 90, 200 * MS, Ending::Complete);
    play.requests("/a", 10, 201 * MS, Ending::Complete);
    assert!(play.tick().is_empty(), "10% is not above 10%");
    play.requests("/a", 1, 201 * MS, Ending::Complete);
    assert_eq!(play.tick()[0].title(), "[FIRING] HighSlowRatio · orders");
}

#[test]
fn a_rule_for_each_route_names_the_failing_route_and_a_rule_for_one_route_sees_only_that_one() {
    let ratio = || Rule::error_ratio().above(0.5).over(secs(10));
    let rules =
        [ratio().each_route(), ratio().route("/b").named("B"), ratio().route("POST /b").named("C")];
    let mut play = Play::new(rules);
    play.requests("/a", 100, MS, Ending::Complete);
    play.requests("/b", 30, MS, Ending::Panicked);
    let fired: Vec<_> = play.tick().iter().map(Alert::title).collect();
    assert_eq!(fired, ["[FIRING] HighErrorRatioPerRoute · GET /b", "[FIRING] B · /b"]);
}

#[test]
fn low_throughput_fires_without_any_request_but_not_before_the_window_is_full() {
    let mut play = Play::new([Rule::throughput().below(1).over(secs(10))]);
    let changes = play.play(12, |_| {});
    assert_eq!(titles(&changes), [(10, "[FIRING] LowThroughput · orders".to_owned())]);
}

#[test]
fn a_hang_fires_as_soon_as_its_age_is_certain_though_no_request_ends() {
    let mut play = Play::new(Rule::defaults());
    play.play(5, healthy);
    play.started("/a", 3);
    let changes = play.play(30, |_| {});
    // The requests begin within the sixth second, so they are surely older than 10 s only after
    // second 16.
    assert_eq!(titles(&changes), [(17, "[FIRING] StuckRequests · orders".to_owned())]);
    assert_eq!(changes[0].1.top()[0].detail, "3 in flight, the oldest for 11 s");
}

#[test]
fn a_rule_on_requests_in_flight_evaluates_the_current_number() {
    let mut play = Play::new([Rule::in_flight().above(2).hold_for(secs(2))]);
    play.started("/a", 3);
    let mut changes = play.play(5, |_| {});
    play.ended("/a", 1, MS, Ending::Complete);
    changes.extend(play.play(1, |_| {}));
    assert_eq!(
        titles(&changes),
        [
            (3, "[FIRING] HighInFlight · orders".to_owned()),
            (6, "[RESOLVED] HighInFlight · orders".to_owned()),
        ]
    );
}

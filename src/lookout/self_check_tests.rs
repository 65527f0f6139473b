//! Settings that match nothing are found, each after its time.

use super::*;
use crate::{
    alert::Origin,
    facade::{Facade, MetricNaming},
    operation::{MethodLabel, TrafficId},
    outcome::Ending,
    series::{BUCKETS, Bounds, Classifier, End, LabelSet, LabelTable, Limits, StatusKey, Store},
};

struct TestBed {
    store: Arc<Store>,
    collector: Collector,
    evaluator: Evaluator,
    check: SelfCheck,
}

impl TestBed {
    fn new(rules: impl Into<Vec<Rule>>) -> Self {
        let rules = rules.into();
        let bounds = Bounds::new(BUCKETS, &[]);
        let store = Arc::new(Store::new(Limits::default(), bounds, LabelTable::default()));
        let recorder = Arc::new(metrics_util::debugging::DebuggingRecorder::new());
        let collector = Collector::new(
            Arc::clone(&store),
            Facade::new(Some(recorder), MetricNaming::default()),
            Arc::new(Classifier(None)),
            Evaluator::groups(&rules),
            Vec::new(),
        );
        let check = SelfCheck::new(Arc::default(), Vec::new());
        check.layers.note(Side::SERVER);
        Self {
            store,
            collector,
            evaluator: Evaluator::new(rules, Arc::new(Origin::default())),
            check,
        }
    }

    fn requests(&self, route: &str, count: u64) {
        let id = self.store.operations.id_of(TrafficId::HTTP_SERVER, MethodLabel::Get, route);
        let shard = self.store.lease().unwrap();
        let cells = shard.operation(id);
        let status = StatusKey::http(http::StatusCode::OK);
        let end = End {
            status,
            ending: Ending::Complete,
            labels: LabelSet::NONE,
            is_head_recorded: false,
        };
        for _ in 0..count {
            cells.start();
            shard.end(cells, id, end, &self.store, 1_000_000);
        }
        self.store.release(shard);
    }

    /// The findings at this second since the start.
    fn at(&mut self, second: u64) -> Vec<String> {
        self.collector.tick(Duration::from_secs(second));
        let found = self.check.findings(&self.collector, &self.evaluator);
        found.into_iter().map(|(_, warning)| warning).collect()
    }
}

fn ratio() -> Rule {
    Rule::error_ratio().above(0.01)
}

#[test]
fn a_service_whose_settings_all_match_has_no_findings() {
    let mut bed = TestBed::new([ratio(), ratio().route("GET /orders"), ratio().each_route()]);
    bed.requests("/orders", 200);
    bed.requests("unmatched", 200);
    for second in [1, 100, 1_000, 10_000] {
        assert_eq!(bed.at(second), Vec::<String>::new());
    }
}

#[test]
fn a_missing_recorder_is_found_after_ten_seconds() {
    let mut bed = TestBed::new([]);
    bed.collector.facade = Facade::new(None, MetricNaming::default());
    assert_eq!(bed.at(9), Vec::<String>::new());
    let found = bed.at(10);
    assert!(found[0].starts_with("no metrics recorder is installed"), "{found:?}");
}

#[test]
fn a_missing_layer_is_found_after_one_minute_and_an_idle_layer_after_five() {
    let mut without = TestBed::new([ratio()]);
    without.check = SelfCheck::new(Arc::default(), Vec::new());
    assert_eq!(without.at(59), Vec::<String>::new());
    assert!(without.at(60)[0].starts_with("the lookout has no layer"));

    let mut idle = TestBed::new([ratio()]);
    assert_eq!(idle.at(299), Vec::<String>::new());
    let found = idle.at(300);
    assert!(found[0].contains("add the layer after the routes"), "{found:?}");
}

#[test]
fn a_layer_around_the_router_is_found_after_a_hundred_unmatched_requests() {
    let mut bed = TestBed::new([ratio()]);
    bed.requests("unmatched", 99);
    assert_eq!(bed.at(1), Vec::<String>::new());
    bed.requests("unmatched", 1);
    assert!(bed.at(2)[0].starts_with("no request has a route"));
}

#[test]
fn a_route_in_the_syntax_before_axum_08_is_found_at_the_first_routed_request() {
    let mut bed = TestBed::new([ratio().route("GET /oders/:id")]);
    assert_eq!(bed.at(1), Vec::<String>::new());
    bed.requests("/orders/{id}", 1);
    assert_eq!(
        bed.at(2),
        [
            "rule `HighErrorRatioOnGetOdersId`: no request has the route \"GET /oders/:id\": axum 0.8 \
          writes a parameter as {id} and not as :id"
        ]
    );
}

#[cfg(feature = "toml")]
#[test]
fn a_misspelt_route_or_dependency_is_found_after_a_minute_with_the_nearest_name() {
    use crate::operation::{Call, Dependency};

    let mut bed = TestBed::new([ratio().route("/oders/{id}"), ratio().dependency("inventry")]);
    let name = "inventory".into();
    bed.store.operations.side(Some(Dependency { name, call: Call::Logical }));
    bed.requests("/orders/{id}", 1);
    assert_eq!(bed.at(59), Vec::<String>::new());
    assert_eq!(
        bed.at(60),
        [
            "rule `HighErrorRatioOnOdersId`: no request has the route \"/oders/{id}\": did you mean \
             \"/orders/{id}\"?",
            "rule `HighErrorRatioOfInventry`: nothing watches the dependency \"inventry\": did you \
             mean \"inventory\"?",
        ]
    );
}

#[test]
fn a_rarely_requested_route_is_found_after_an_hour() {
    let mut bed = TestBed::new([ratio().route("POST /orders"), ratio().route("/admin")]);
    bed.requests("/orders", 1_000);
    assert_eq!(bed.at(3_599), Vec::<String>::new());
    let found = bed.at(3_600);
    assert_eq!(found.len(), 2);
    assert!(found[1].contains("no request has had the route \"/admin\" for an hour"), "{found:?}");
}

fn ignoring(route: &str) -> RouteSetting {
    RouteSetting { name: "ignore_routes", route: route.to_owned(), has_ignored: Arc::default() }
}

#[test]
fn a_setting_for_a_route_that_no_request_has_is_found_like_a_rules_route() {
    let mut bed = TestBed::new([]);
    let long_poll = RouteSetting { name: "long_polls", ..ignoring("/changes") };
    bed.check.settings = vec![ignoring("/files/*path"), long_poll];
    bed.requests("/orders", 1_000);
    let old_style = "ignore_routes: no request has the route \"/files/*path\": axum 0.8 writes a \
                     parameter as {id} and not as :id";
    assert_eq!(bed.at(3_599), [old_style]);
    let found = bed.at(3_600);
    assert_eq!(found.len(), 2);
    assert!(
        found[1].starts_with("long_polls: no request has had the route \"/changes\""),
        "{found:?}"
    );
    bed.requests("/changes", 1);
    assert_eq!(bed.at(3_601), [old_style]);
}

#[cfg(feature = "toml")]
#[test]
fn an_ignored_route_is_found_if_only_a_similar_route_has_requests() {
    let mut bed = TestBed::new([]);
    let (misspelt, right) = (ignoring("/healtz"), ignoring("/readyz"));
    right.has_ignored.store(true, Ordering::Relaxed);
    bed.check.settings = vec![misspelt, right];
    bed.requests("/healthz", 1);
    bed.requests("/ready", 1);
    assert_eq!(
        bed.at(60),
        ["ignore_routes: no request has the route \"/healtz\": did you mean \"/healthz\"?"]
    );
}

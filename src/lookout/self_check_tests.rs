//! The findings about settings that match nothing, and when they are logged.

use super::*;
use crate::{
    alert::Origin,
    facade::{Facade, MetricNaming},
    operation::{MethodLabel, TrafficId},
    outcome::Ending,
    series::{BUCKETS, Bounds, Classifier, End, LabelSet, LabelTable, Limits, StatusKey, Store},
};

struct Play {
    store: Arc<Store>,
    collector: Collector,
    evaluator: Evaluator,
    check: SelfCheck,
}

impl Play {
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
        let check = SelfCheck::new(Arc::default());
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
        self.store.give_back(shard);
    }

    /// What is found at a second since the start.
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
    let mut play = Play::new([ratio(), ratio().route("GET /orders"), ratio().each_route()]);
    play.requests("/orders", 200);
    play.requests("unmatched", 200);
    for second in [1, 100, 1_000, 10_000] {
        assert_eq!(play.at(second), Vec::<String>::new());
    }
}

#[test]
fn a_missing_recorder_shows_after_ten_seconds() {
    let mut play = Play::new([]);
    play.collector.facade = Facade::new(None, MetricNaming::default());
    assert_eq!(play.at(9), Vec::<String>::new());
    let found = play.at(10);
    assert!(found[0].starts_with("no metrics recorder is installed"), "{found:?}");
}

#[test]
fn a_missing_layer_shows_after_a_minute_and_one_without_requests_after_five() {
    let mut without = Play::new([ratio()]);
    without.check = SelfCheck::new(Arc::default());
    assert_eq!(without.at(59), Vec::<String>::new());
    assert!(without.at(60)[0].starts_with("the lookout has made no layer"));

    let mut idle = Play::new([ratio()]);
    assert_eq!(idle.at(299), Vec::<String>::new());
    let found = idle.at(300);
    assert!(found[0].contains("add the layer after the routes"), "{found:?}");
}

#[test]
fn a_layer_around_the_router_shows_by_requests_that_are_all_unmatched() {
    let mut play = Play::new([ratio()]);
    play.requests("unmatched", 99);
    assert_eq!(play.at(1), Vec::<String>::new());
    play.requests("unmatched", 1);
    assert!(play.at(2)[0].starts_with("no request has a route"));
}

#[test]
fn a_route_as_before_axum_08_shows_with_the_first_request_that_has_a_route() {
    let mut play = Play::new([ratio().route("GET /oders/:id")]);
    assert_eq!(play.at(1), Vec::<String>::new());
    play.requests("/orders/{id}", 1);
    assert_eq!(
        play.at(2),
        [
            "rule `HighErrorRatioOnGetOdersId`: no request has the route \"GET /oders/:id\": axum 0.8 \
          writes a parameter as {id} and not as :id"
        ]
    );
}

#[cfg(feature = "toml")]
#[test]
fn a_misspelt_route_or_dependency_shows_after_a_minute_with_the_nearest_name() {
    use crate::operation::{Call, Dependency};

    let mut play = Play::new([ratio().route("/oders/{id}"), ratio().dependency("inventry")]);
    let name = "inventory".into();
    play.store.operations.side(Some(Dependency { name, call: Call::Logical }));
    play.requests("/orders/{id}", 1);
    assert_eq!(play.at(59), Vec::<String>::new());
    assert_eq!(
        play.at(60),
        [
            "rule `HighErrorRatioOnOdersId`: no request has the route \"/oders/{id}\": did you mean \
             \"/orders/{id}\"?",
            "rule `HighErrorRatioOfInventry`: nothing watches the dependency \"inventry\": did you \
             mean \"inventory\"?",
        ]
    );
}

#[test]
fn a_route_that_is_hardly_asked_for_has_an_hour() {
    let mut play = Play::new([ratio().route("POST /orders"), ratio().route("/admin")]);
    play.requests("/orders", 1_000);
    assert_eq!(play.at(3_599), Vec::<String>::new());
    let found = play.at(3_600);
    assert_eq!(found.len(), 2);
    assert!(found[1].contains("no request has had the route \"/admin\" for an hour"), "{found:?}");
}

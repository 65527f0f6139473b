//! Detects settings that match nothing, and logs each once.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    alert::Evaluator,
    catch_panic::logged,
    collect::Collector,
    operation::Side,
    rule::{Rule, Scope, method_and_route},
};

/// Whether the lookout has made layers for servers and clients.
#[derive(Debug, Default)]
pub(super) struct Layers {
    server: AtomicBool,
    client: AtomicBool,
    /// A layer of a server that also serves gRPC.
    grpc: AtomicBool,
}

impl Layers {
    pub(super) fn note(&self, side: Side) {
        let made = if side.is_client() { &self.client } else { &self.server };
        made.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_grpc(&self) {
        self.grpc.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_grpc(&self) -> bool {
        self.grpc.load(Ordering::Relaxed)
    }
}

/// A route in a setting of the builder, which some request should have.
#[derive(Debug)]
pub(super) struct RouteSetting {
    /// The builder's method.
    pub(super) name: &'static str,
    pub(super) route: String,
    /// Set once a request was ignored for its route.
    pub(super) has_ignored: Arc<AtomicBool>,
}

/// Looks for settings that match nothing at each tick.
#[derive(Debug)]
pub(super) struct SelfCheck {
    layers: Arc<Layers>,
    settings: Vec<RouteSetting>,
    /// The keys of the logged findings.
    logged: HashSet<String>,
}

/// The time that an application has to install its recorder.
const RECORDER_AFTER: Duration = Duration::from_secs(10);

/// The time that an application has to create its layers and to call each dependency once.
const LAYERS_AFTER: Duration = Duration::from_secs(60);

/// The time that a watched service has to receive its first request.
const REQUESTS_AFTER: Duration = Duration::from_secs(300);

/// The time that a route has to receive its first request if no other route has a similar name.
const ROUTE_AFTER: Duration = Duration::from_secs(3_600);

/// The number of requests without a route after which the layer counts as misplaced.
const UNMATCHED_REQUESTS: u64 = 100;

impl SelfCheck {
    pub(super) fn new(layers: Arc<Layers>, settings: Vec<RouteSetting>) -> Self {
        Self { layers, settings, logged: HashSet::new() }
    }

    pub(super) fn tick(&mut self, collector: &Collector, evaluator: &Evaluator) {
        for (key, warning) in self.findings(collector, evaluator) {
            if self.logged.insert(key) {
                logged(|| tracing::warn!("{warning}"));
            }
        }
    }

    /// The findings so far, each with its own key.
    fn findings(&self, collector: &Collector, evaluator: &Evaluator) -> Vec<(String, String)> {
        let now = collector.timeline().now();
        let mut found = Vec::new();
        let mut find = |key: &str, warning: &str| found.push((key.to_owned(), warning.to_owned()));
        if now >= RECORDER_AFTER && !collector.facade.has_recorder() {
            find(
                "recorder",
                "no metrics recorder is installed, so there are no metrics: call \
                 prometheus::install(), or give the builder a .recorder(..)",
            );
        }
        let seen = Seen::of(collector);
        let has = |made: &AtomicBool| made.load(Ordering::Relaxed);
        let (has_server, has_client) = (has(&self.layers.server), has(&self.layers.client));
        let needs_requests = evaluator.rules().any(|rule| !rule.needs_runtime());
        if now >= LAYERS_AFTER && needs_requests && !has_server && !has_client {
            find(
                "layer",
                "the lookout has no layer, so its rules see no requests: add lookout.layer() to the \
                 router",
            );
        }
        if now >= REQUESTS_AFTER && has_server && !seen.is_serving {
            find(
                "requests",
                "no request has passed through the layer since the start: if the service has had \
                 some, add the layer after the routes, since axum's Router::layer wraps only the \
                 routes that were added before it",
            );
        }
        if seen.unmatched >= UNMATCHED_REQUESTS && seen.routed == 0 {
            find(
                "unmatched",
                "no request has a route, so all count as unmatched: add lookout.layer() with axum's \
                 Router::layer and not around the router, or add lookout.route_layer() inside; \
                 without axum, name the routes with .route_templates([..])",
            );
        }
        for rule in evaluator.rules() {
            let warning = match &rule.scope {
                Scope::Service | Scope::EachRoute => continue,
                Scope::Route(text) => {
                    let place = format!("rule `{}`", rule.name());
                    seen.route_warning(&place, method_and_route(text), now)
                }
                Scope::Dependency(name) if now >= LAYERS_AFTER => {
                    seen.dependency_warning(rule, name)
                }
                Scope::Dependency(_) => None,
            };
            found.extend(warning.map(|warning| (format!("{:?}", rule.scope), warning)));
        }
        for RouteSetting { name, route, has_ignored } in &self.settings {
            if !has_ignored.load(Ordering::Relaxed) {
                let warning = seen.route_warning(name, (None, route), now);
                found.extend(warning.map(|warning| (format!("{name} {route}"), warning)));
            }
        }
        found
    }
}

/// The routes and dependencies of the traffic so far.
#[derive(Debug, Default)]
struct Seen {
    /// A request has reached a server's layer.
    is_serving: bool,
    routed: u64,
    unmatched: u64,
    /// The served methods and routes.
    served: Vec<(&'static str, Arc<str>)>,
    dependencies: Vec<String>,
}

impl Seen {
    fn of(collector: &Collector) -> Self {
        let mut seen = Self::default();
        for (operation, figures) in collector.operations() {
            if let Some(name) = operation.dependency() {
                seen.dependencies.push(name.to_owned());
                continue;
            }
            let requests = figures.history.totals().requests();
            seen.is_serving |= requests > 0 || figures.in_flight > 0;
            if operation.is_unmatched() {
                seen.unmatched += requests;
            } else if !operation.is_overflow() {
                seen.routed += requests;
                seen.served.push((operation.method(), operation.shared_route()));
            }
        }
        seen
    }

    /// The warning about a method and route that no request has. `place` names the rule or setting.
    fn route_warning(
        &self,
        place: &str,
        (method, route): (Option<&str>, &str),
        now: Duration,
    ) -> Option<String> {
        let is_route = |served: &&(&str, Arc<str>)| *served.1 == *route;
        let is_served = self
            .served
            .iter()
            .filter(is_route)
            .any(|(served, _)| method.is_none_or(|method| method == *served));
        if is_served || !self.is_serving {
            return None;
        }
        let text = method.map_or(route.to_owned(), |method| format!("{method} {route}"));
        let is_old_style = |part: &str| part.starts_with([':', '*']);
        if self.routed > 0 && route.split('/').any(is_old_style) {
            return Some(format!(
                "{place}: no request has the route {text:?}: axum 0.8 writes a parameter as {{id}} \
                 and not as :id"
            ));
        }
        let is_other_method = self.served.iter().any(|served| is_route(&served));
        let near = if is_other_method {
            None
        } else {
            nearest(route, self.served.iter().map(|(_, served)| &**served))
        };
        match near {
            Some(near) if now >= LAYERS_AFTER => {
                Some(format!("{place}: no request has the route {text:?}: did you mean {near:?}?"))
            }
            None if now >= ROUTE_AFTER => Some(format!(
                "{place}: no request has had the route {text:?} for an hour: write it as in the \
                 label http_route"
            )),
            _ => None,
        }
    }

    fn dependency_warning(&self, rule: &Rule, name: &str) -> Option<String> {
        if self.dependencies.iter().any(|known| known == name) {
            return None;
        }
        let near = nearest(name, self.dependencies.iter().map(String::as_str));
        let hint = near.map(|near| format!(": did you mean {near:?}?")).unwrap_or_default();
        let rule = rule.name();
        Some(format!("rule `{rule}`: nothing watches the dependency {name:?}{hint}"))
    }
}

/// The most similar known word, for a "did you mean".
#[cfg(feature = "toml")]
fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let near = words.map(|known| (strsim::damerau_levenshtein(word, known), known));
    let near = near.filter(|(distance, known)| *distance <= (known.len() / 4).clamp(1, 3));
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// Without the feature `toml` there is no library that compares words.
#[cfg(not(feature = "toml"))]
fn nearest<'w>(_: &str, _: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    None
}

/// Logs the start, and warns if rules or notifiers are missing.
pub(super) fn log_start(service: &str, rules: usize, notifiers: &[String], has_recorder: bool) {
    logged(|| {
        tracing::info!(
            service,
            rules,
            notifiers = notifiers.join(", "),
            recorder = if has_recorder { "found" } else { "none yet" },
            "the lookout has started"
        );
        if rules > 0 && notifiers.is_empty() {
            tracing::warn!(
                service,
                "there are rules but no notifier, so nobody is notified: alerts appear only in the metric \
                 lookout_alert_state and in status(); add .notify(..) or .on_alert(..)"
            );
        } else if rules == 0 && !notifiers.is_empty() {
            tracing::warn!(
                service,
                "there are notifiers but no rules, so only reports send alerts: add \
                 .rules(Rule::defaults()) for alerts about requests"
            );
        }
    });
}

#[cfg(test)]
#[path = "self_check_tests.rs"]
mod tests;

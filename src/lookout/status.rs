//! The state of a lookout at its last tick.

mod json;

use std::{fmt, sync::Arc, time::SystemTime};

use crate::{
    alert::{Evaluator, Origin, RuleStatus},
    collect::Collector,
    notify::{Dispatcher, NotifierStatus},
};

/// The state of a lookout at its last tick, from [`Lookout::status`](super::Lookout::status): each
/// rule's value, or the reason why it has no verdict.
///
/// Its [`Display`](fmt::Display) is a line for each rule and each notifier. With the feature `axum`
/// it is a response, as JSON.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app() -> Result<(), tower_lookout::StartError> {
/// use axum::{Router, routing::get};
/// use tower_lookout::{Lookout, Rule};
///
/// let lookout = Lookout::builder().rules(Rule::defaults()).start()?;
/// let app: Router = Router::new()
///     .route("/orders", get(|| async { "orders" }))
///     .layer(lookout.layer())
///     .route("/lookout", get(|| async move { lookout.status() }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LookoutStatus {
    /// The service, the instance and the version.
    pub origin: Arc<Origin>,
    /// The time of the last tick; before the first tick, the time of the start.
    pub at: SystemTime,
    /// Whether a metrics recorder was found.
    pub has_recorder: bool,
    /// One for each rule, in their order. A rule for each route has up to 20, of the worst
    /// operations.
    pub rules: Vec<RuleStatus>,
    /// One for each notifier, in their order.
    pub notifiers: Vec<NotifierStatus>,
}

impl LookoutStatus {
    pub(super) fn of(
        evaluator: &mut Evaluator,
        collector: &Collector,
        dispatcher: &Dispatcher,
        at: SystemTime,
    ) -> Self {
        Self {
            origin: Arc::clone(evaluator.origin()),
            at,
            has_recorder: collector.facade.has_recorder(),
            rules: evaluator.statuses(collector),
            notifiers: dispatcher.statuses(),
        }
    }

    /// The status as a JSON object, in ASCII. Durations are in seconds, and unknown values are
    /// `null`. `format_version` is 1; it changes when a field is renamed or removed.
    pub fn to_json(&self) -> String {
        json::Json(self).to_string()
    }
}

impl fmt::Display for LookoutStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.iter().try_for_each(|rule| writeln!(f, "{rule}"))?;
        self.notifiers.iter().try_for_each(|notifier| writeln!(f, "{notifier}"))
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for LookoutStatus {
    fn into_response(self) -> axum::response::Response {
        let json = http::HeaderValue::from_static("application/json");
        ([(http::header::CONTENT_TYPE, json)], self.to_json()).into_response()
    }
}

//! The state of a lookout at a tick, published for all readers.

mod json;
mod publisher;
mod rule_gauges;
mod target_status;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(crate) use self::publisher::Publisher;
pub use self::target_status::{TargetStatus, WindowStatus};
use crate::{
    alert::{Alert, Origin, RuleStatus},
    notify::NotifierStatus,
    suppress::SilenceStatus,
};

/// The state of a lookout at a tick, from [`Lookout::status`](crate::Lookout::status): each rule's
/// value or the reason why it has no verdict, the figures of the service and of each operation, the
/// firing alerts, and the deliveries of each notifier.
///
/// A clone shares the lists. [`Display`](fmt::Display) writes a line for each rule, each silence and
/// each notifier. With the feature `axum`, a handler can return the snapshot as a JSON response.
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
pub struct Snapshot {
    /// The service, the instance and the version.
    pub origin: Arc<Origin>,
    /// The time of the tick; before the first tick, the time of the start.
    pub at: SystemTime,
    /// The time from the start to the tick.
    pub uptime: Duration,
    /// Whether a metrics recorder was found.
    pub has_recorder: bool,
    /// The status of each rule, in the order of the rules. A rule that evaluates each route has up
    /// to 20 statuses, those of its worst operations.
    pub rules: Arc<[RuleStatus]>,
    /// The length of [`last_minute`](TargetStatus::last_minute): 60 s, but less in the first minute
    /// and more after a late tick.
    pub window: Duration,
    /// The requests of the service, then of each route and each dependency that a rule names.
    pub scopes: Arc<[Arc<TargetStatus>]>,
    /// The requests of each operation, in the order of their first requests.
    pub operations: Arc<[Arc<TargetStatus>]>,
    /// The firing alerts of rules and of reports. [`Alert::suppressed`] and
    /// [`Alert::acknowledged`] show why one is not sent, and who handles it.
    pub alerts: Arc<[Alert]>,
    /// The silences and maintenance windows that have not ended.
    pub silences: Arc<[SilenceStatus]>,
    /// The deliveries of each notifier, in the order of the notifiers.
    pub notifiers: Arc<[NotifierStatus]>,
}

impl Snapshot {
    /// Returns the snapshot as a JSON object in ASCII. Durations are in seconds, and unknown values
    /// are `null`. `format_version` is 1; it changes when a field is renamed or removed.
    pub fn to_json(&self) -> String {
        json::Json(self).to_string()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.iter().try_for_each(|rule| writeln!(f, "{rule}"))?;
        self.silences.iter().try_for_each(|silence| writeln!(f, "{silence}"))?;
        self.notifiers.iter().try_for_each(|notifier| writeln!(f, "{notifier}"))
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Snapshot {
    fn into_response(self) -> axum::response::Response {
        let json = http::HeaderValue::from_static("application/json");
        ([(http::header::CONTENT_TYPE, json)], self.to_json()).into_response()
    }
}

#[cfg(test)]
mod tests;

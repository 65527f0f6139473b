//! Rules. Each has a signal, a window, a threshold, and the texts of its alert. The
//! [guide](crate::guide::rules) explains them by task.
//!
//! ```
//! use std::time::Duration;
//! use tower_lookout::rule::{Rule, Severity};
//!
//! let checkout = Rule::latency_quantile(0.99)
//!     .above(Duration::from_millis(800))
//!     .over(Duration::from_secs(10)..=Duration::from_secs(60))
//!     .route("POST /checkout")
//!     .severity(Severity::Critical)
//!     .runbook("https://wiki.example.com/checkout");
//! assert_eq!(checkout.name(), "HighLatencyP99OnPostCheckout");
//! ```

mod burn_rate;
mod check;
mod defaults;
mod naming;
mod problem;
mod reason;
mod scope;
mod severity;
mod signal;
mod threshold;
mod window_range;

use std::{collections::BTreeMap, time::Duration};

use self::problem::Setting;

pub use self::{
    burn_rate::BurnRate,
    check::RuleError,
    reason::Reason,
    severity::Severity,
    threshold::{Comparison, Threshold},
    window_range::WindowRange,
};
pub(crate) use self::{
    burn_rate::budget,
    check::check,
    naming::with_names,
    scope::{Scope, method_and_route},
    signal::{Signal, Unit},
};

/// A condition on the traffic. It raises an alert while it holds.
///
/// Start with a signal, such as [`Rule::error_ratio`], and a threshold: [`above`](Self::above) or
/// [`below`](Self::below). All other settings have defaults.
/// [`start`](crate::LookoutBuilder::start) rejects an invalid rule. The
/// [guide](crate::guide::rules) lists the signals, and
/// [troubleshooting](crate::guide::troubleshooting#the-alert-did-not-fire) explains why a rule does
/// not fire.
///
/// ```
/// use std::time::Duration;
/// use tower_lookout::Rule;
///
/// let slow = Rule::latency_quantile(0.99).above(Duration::from_millis(800)).route("POST /orders");
/// let failing = Rule::error_ratio().above(0.05).each_route();
/// let hanging = Rule::oldest_in_flight().above(Duration::from_secs(10));
/// ```
#[doc(alias("alert", "alerting"))]
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a rule does nothing until a builder has it"]
pub struct Rule {
    name: Option<String>,
    pub(crate) signal: Signal,
    pub(crate) threshold: Option<(Comparison, Threshold)>,
    pub(crate) over: WindowRange,
    pub(crate) hold_for: Duration,
    pub(crate) keep_firing_for: Duration,
    pub(crate) min_requests: u64,
    pub(crate) min_errors: u64,
    pub(crate) confidence: Option<f64>,
    /// The thresholds and windows of an SLO, which has no others.
    pub(crate) burn_rates: Vec<BurnRate>,
    pub(crate) scope: Scope,
    /// Two conflicting setters; the second has overridden the first.
    overridden: Option<(Setting, Setting)>,
    pub(crate) severity: Severity,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) summary: Option<String>,
    pub(crate) runbook: Option<String>,
    pub(crate) dashboard: Option<String>,
}

impl Rule {
    /// The mean time from the request to the end of its response. Exact. Compare it with a
    /// duration.
    ///
    /// A stream (server-sent events, an upgrade, a body of unknown length that lasts for 10 s)
    /// counts with the time to its head, here and in the other latency signals.
    pub fn mean_latency() -> Self {
        Self::new(Signal::MeanLatency)
    }

    /// The duration that a share `q` of the requests does not exceed, such as 0.99 for the p99.
    /// Compare it with a duration.
    ///
    /// The comparison with the threshold is exact. The value in the message is within 11.2% of the
    /// true one.
    #[doc(alias("p99", "percentile", "histogram_quantile"))]
    pub fn latency_quantile(q: f64) -> Self {
        Self::new(Signal::LatencyQuantile(q))
    }

    /// The share of the requests that took longer than `slow`. Exact. Compare it with a number from
    /// 0 to 1.
    #[doc(alias("apdex"))]
    pub fn slow_ratio(slow: Duration) -> Self {
        Self::new(Signal::SlowRatio(slow))
    }

    /// The share of the requests that failed ([`Outcome::is_error`](crate::Outcome::is_error)).
    /// Exact. Compare it with a number from 0 to 1. See [which requests count as
    /// errors](crate::guide::errors#which-requests-count-as-errors).
    #[doc(alias("error rate", "5xx"))]
    pub fn error_ratio() -> Self {
        Self::new(Signal::ErrorRatio)
    }

    /// The share of the requests with a client error: a 4xx, or for gRPC
    /// [`GrpcStatus::is_client_error`](crate::GrpcStatus::is_client_error). Exact. Compare it with
    /// a number from 0 to 1.
    ///
    /// It detects a release that responds to everybody with 400, 401 or 404, which no server error
    /// ratio does. The [`defaults`](Self::defaults) do not use it, since the normal share depends
    /// on the clients. A public service responds to scanners with 404: set the threshold well above
    /// its usual share, or evaluate single routes. Only the status matters;
    /// [`failure`](crate::LookoutBuilder::failure) does not change it.
    ///
    /// ```
    /// use tower_lookout::Rule;
    ///
    /// let rejected = Rule::client_error_ratio().above(0.5).min_errors(10).each_route();
    /// assert_eq!(rejected.name(), "HighClientErrorRatioPerRoute");
    /// ```
    #[doc(alias("4xx"))]
    pub fn client_error_ratio() -> Self {
        Self::new(Signal::ClientErrorRatio)
    }

    /// The burn rate of an objective's error budget, such as 0.999 for 99.9% of the requests
    /// without a failure: the error ratio as a multiple of 1 − `objective`.
    ///
    /// It fires while a [`BurnRate`] is exceeded in both its windows. The defaults are 14.4 over an
    /// hour and 5 min, and 28.8 over 15 min and 75 s, if the objective allows them. They are the
    /// rule's thresholds and windows, so it has no [`above`](Self::above) and no
    /// [`over`](Self::over). The value in the message is the lower one of the two windows.
    ///
    /// A process that is younger than a window evaluates the time since its start. So an outage
    /// from the start fires at once, and [`min_errors`](Self::min_errors) prevents alerts on random
    /// errors. Without traffic, the alert resolves when the longest short window has been empty for
    /// its own length.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_lookout::rule::{BurnRate, Rule};
    ///
    /// let slo = Rule::slo(0.999)
    ///     .burn_rates([BurnRate::of_budget(0.02, Duration::from_secs(3_600))])
    ///     .each_route();
    /// assert_eq!(slo.name(), "ErrorBudgetBurnPerRoute");
    /// ```
    #[doc(alias("SLO", "burn rate", "error budget"))]
    pub fn slo(objective: f64) -> Self {
        Self::new(Signal::BurnRate { objective })
            .burn_rates(BurnRate::defaults(objective))
            .min_requests(0)
            .min_errors(5)
            .keep_firing_for(Duration::from_secs(60))
    }

    /// The requests that end per second. Compare it with a number. It also has a value without any
    /// request, but only once the lookout is older than the window.
    #[doc(alias("rps", "traffic"))]
    pub fn throughput() -> Self {
        Self::new(Signal::Throughput).min_requests(0)
    }

    /// The current number of requests in flight. Compare it with a number. It has no window.
    #[doc(alias("saturation", "concurrency"))]
    pub fn in_flight() -> Self {
        Self::new(Signal::InFlight).min_requests(0)
    }

    /// The age of the oldest request that waits for its response's head. Compare it with a duration
    /// of up to an hour. It has no window, and is exact to the second.
    ///
    /// Only this signal detects a hang, since the others see only requests that have ended.
    ///
    /// A slow client does not make a request old: the age starts at the last byte of the request
    /// body that the service read, and ends when the response body begins. The layer sees these
    /// bytes in axum's and tonic's bodies, and with
    /// [`bodies`](crate::observe::LookoutLayer::bodies) in any other, such as hyper's `Incoming`.
    /// Without `bodies`, the age of a request with such a body starts with the request.
    #[doc(alias("hang", "stuck", "timeout"))]
    pub fn oldest_in_flight() -> Self {
        Self::new(Signal::OldestInFlight).min_requests(0)
    }

    /// The delay of a small task that the lookout spawns on the application's runtime: the longest
    /// since the last tick, or the current wait. Compare it with a duration of up to an hour. It
    /// has no window, and evaluates the service as a whole.
    ///
    /// It detects code that blocks the runtime (a blocking call, a long computation, a lock) at the
    /// next tick. The lookout spawns a task every 100 ms, so it may miss a shorter stall. One
    /// blocked worker among several hardly delays a task;
    /// [`oldest_in_flight`](Self::oldest_in_flight) detects its request.
    ///
    /// The runtime is the one in which the lookout starts, or the one given to
    /// [`runtime`](crate::LookoutBuilder::runtime). Without a runtime the rule has no verdict.
    #[doc(alias("blocking"))]
    pub fn runtime_lag() -> Self {
        Self::new(Signal::RuntimeLag).min_requests(0)
    }

    fn new(signal: Signal) -> Self {
        Self {
            name: None,
            signal,
            threshold: None,
            over: WindowRange::DEFAULT,
            hold_for: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            min_requests: 20,
            min_errors: 0,
            confidence: None,
            burn_rates: Vec::new(),
            scope: Scope::Service,
            overridden: None,
            severity: Severity::Warning,
            labels: BTreeMap::new(),
            summary: None,
            runbook: None,
            dashboard: None,
        }
    }

    /// Fires while the signal is above the threshold: a [`Duration`] or a number, depending on the
    /// signal.
    pub fn above(self, threshold: impl Into<Threshold>) -> Self {
        self.compare(Comparison::Above, threshold.into())
    }

    /// Fires while the signal is below the threshold: a [`Duration`] or a number, depending on the
    /// signal.
    pub fn below(self, threshold: impl Into<Threshold>) -> Self {
        self.compare(Comparison::Below, threshold.into())
    }

    fn compare(mut self, comparison: Comparison, threshold: Threshold) -> Self {
        if let Some((earlier, _)) = self.threshold
            && earlier != comparison
        {
            self.overridden = Some((earlier.into(), comparison.into()));
        }
        self.threshold = Some((comparison, threshold));
        self
    }

    /// Sets the length of the window, from a second to an hour, or a range of lengths. In a range,
    /// the shortest window with [`min_requests`](Self::min_requests) decides. So a busy service has
    /// a verdict within seconds, and a quiet one has none after only three requests. If a ratio is
    /// past its threshold with fewer than [`min_errors`](Self::min_errors) or without the
    /// [`confidence`](Self::confidence), the next longer window decides.
    ///
    /// A window of more than a minute may be up to a minute longer than set. Defaults to 10 s to
    /// 60 s.
    #[doc(alias("window", "range"))]
    pub fn over(mut self, window: impl Into<WindowRange>) -> Self {
        self.over = window.into();
        self
    }

    /// Sets how long the condition must hold before the alert fires. Prometheus calls it `for`.
    /// Defaults to 0: the alert fires at once.
    #[doc(alias("for", "pending"))]
    pub fn hold_for(mut self, duration: Duration) -> Self {
        self.hold_for = duration;
        self
    }

    /// Sets how long the alert keeps firing after the condition last held. Defaults to 0, and to a
    /// minute for an SLO, whose long windows swing around their threshold with each error.
    pub fn keep_firing_for(mut self, duration: Duration) -> Self {
        self.keep_firing_for = duration;
        self
    }

    /// Sets the minimum number of requests for a verdict. With fewer in the window, no alert fires,
    /// and a firing alert continues until the longest window has passed without a verdict. Defaults
    /// to 20, and to 0 for throughput and for an SLO, which counts them in its long windows.
    /// Invalid for a signal without a window.
    pub fn min_requests(mut self, requests: u64) -> Self {
        self.min_requests = requests;
        self
    }

    /// Sets the minimum number of failures for a breach: slow requests for
    /// [`slow_ratio`](Self::slow_ratio), client errors for
    /// [`client_error_ratio`](Self::client_error_ratio). With fewer in the window, the rule is not
    /// breached at any ratio, and a firing alert resolves. Only for a ratio with
    /// [`above`](Self::above), and for an SLO, which counts them in its long windows.
    ///
    /// Defaults to 0, and to 5 for an SLO. Suppose a service fails exactly as often as its
    /// objective allows. By chance, 5 errors reach a burn rate of 14.4 in less than one of 30,000
    /// windows, but 2 errors reach it in one of 114.
    pub fn min_errors(mut self, errors: u64) -> Self {
        self.min_errors = errors;
        self
    }

    /// Sets the statistical confidence required to fire, between 0.5 and 1, such as 0.95. It
    /// excludes ratios that exceed the threshold by chance. It does not apply when an alert
    /// resolves, so an alert does not flap with the number of requests. Only for
    /// [`error_ratio`](Self::error_ratio), [`client_error_ratio`](Self::client_error_ratio),
    /// [`slow_ratio`](Self::slow_ratio) and [`slo`](Self::slo). Defaults to none: the ratio alone
    /// decides.
    ///
    /// The rule compares the lower bound of the one-sided Wilson score interval with the threshold;
    /// with [`below`](Self::below), the upper bound. Above 1% with 0.95, an alert needs 1 error in
    /// 20 requests, 3 in 100, and 16 in 1,000. The confidence applies to each window by itself. If
    /// the true ratio equals the threshold and errors are few, false alarms are more frequent than
    /// the confidence suggests. With 0.95, they occur in up to 14% of the windows that need 2
    /// errors, and in 10% of those that need 5. So set [`min_errors`](Self::min_errors), too.
    pub fn confidence(mut self, confidence: f64) -> Self {
        self.confidence = Some(confidence);
        self
    }

    /// Sets the burn rates of an SLO. The alert fires if one of them is exceeded. Defaults to those
    /// of [`slo`](Self::slo).
    pub fn burn_rates(mut self, rates: impl IntoIterator<Item = BurnRate>) -> Self {
        self.burn_rates = rates.into_iter().collect();
        self
    }

    fn of_scope(mut self, scope: Scope) -> Self {
        if let (Some(earlier), Some(later)) = (self.scope.setting(), scope.setting())
            && earlier != later
        {
            self.overridden = Some((earlier, later));
        }
        self.scope = scope;
        self
    }

    /// Evaluates each operation (method and route) separately, with a separate alert. By default, a
    /// rule evaluates all requests to the service together.
    pub fn each_route(self) -> Self {
        self.of_scope(Scope::EachRoute)
    }

    /// Evaluates one route: `/orders/{id}` with all its methods, or `GET /orders/{id}`.
    pub fn route(self, route: impl Into<String>) -> Self {
        self.of_scope(Scope::Route(route.into()))
    }

    /// Evaluates the calls to one dependency, with logical calls and attempts together. Use its
    /// name in [`client_layer`](crate::Lookout::client_layer) or
    /// [`dependency`](crate::Lookout::dependency).
    pub fn dependency(self, name: impl Into<String>) -> Self {
        self.of_scope(Scope::Dependency(name.into()))
    }

    /// Sets the name in messages and metrics, which must be unique in a lookout. The default
    /// consists of the signal and the scope: `HighErrorRatio`, `HighErrorRatioPerRoute`,
    /// `HighErrorRatioOnPostOrders`, `HighErrorRatioOfInventory`.
    ///
    /// The first of several rules with the same signal and scope keeps that name. A later one gets
    /// its severity as a suffix (`HighErrorRatioWarning`), then a number
    /// (`HighErrorRatioWarning2`).
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the severity. Defaults to [`Severity::Warning`].
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Adds a label to each alert, such as the team. A [`Matcher`](crate::notify::Matcher) can
    /// route by it.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Sets a sentence that explains the alert to the on-call engineer. Defaults to none.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// Sets the URL of the runbook. Messages link to it. Defaults to none.
    pub fn runbook(mut self, url: impl Into<String>) -> Self {
        self.runbook = Some(url.into());
        self
    }

    /// Sets the URL of a dashboard that shows the cause. Messages link to it beside the runbook.
    /// Webhooks and Alertmanager get it as the annotation `dashboard_url`. Defaults to none.
    pub fn dashboard(mut self, url: impl Into<String>) -> Self {
        self.dashboard = Some(url.into());
        self
    }

    /// Whether the rule has the same condition as another one. Texts and labels may differ.
    pub(crate) fn fires_as(&self, other: &Self) -> bool {
        let with_texts_of_other = Self {
            name: other.name.clone(),
            severity: other.severity,
            labels: other.labels.clone(),
            summary: other.summary.clone(),
            runbook: other.runbook.clone(),
            dashboard: other.dashboard.clone(),
            ..self.clone()
        };
        with_texts_of_other == *other
    }

    /// Returns the explicit name, or the default name without a suffix.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.default_name())
    }
}

//! Rules: which signal, over which window, above or below which threshold, and the alert's texts. The
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
/// [`start`](crate::LookoutBuilder::start) rejects a rule that cannot make sense. The
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
#[must_use = "a rule does nothing until the builder is given it"]
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
    /// Of an SLO, which has no other threshold and window.
    pub(crate) burn_rates: Vec<BurnRate>,
    pub(crate) scope: Scope,
    /// Two setters of which the later one has overridden the earlier one.
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

    /// The share of the requests whose response blames the client: a 4xx, and for gRPC
    /// [`GrpcStatus::is_client_error`](crate::GrpcStatus::is_client_error). Exact. Compare it with
    /// a number from 0 to 1.
    ///
    /// It detects a release that answers 400, 401 or 404 to everybody, which no server error ratio
    /// does. No rule of [`defaults`](Self::defaults) uses it, since the normal share depends on the
    /// clients. A public service answers 404 to scanners: set the threshold well above its usual
    /// share, or evaluate single routes. The status alone decides;
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
    /// It fires while the burn rate is above that of a [`BurnRate`] in both its windows. The
    /// defaults are 14.4 over an hour and 5 min, and 28.8 over 15 min and 75 s, if the objective
    /// allows them. They are its thresholds and windows, so it has no [`above`](Self::above) and no
    /// [`over`](Self::over). The value in the message is the lower one of the two windows.
    ///
    /// A process that is younger than a window evaluates the time since its start. So an outage
    /// that begins with the process fires at once, and [`min_errors`](Self::min_errors) guards
    /// against chance. Without traffic the alert resolves when its longest short window has been
    /// empty for its own length.
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

    /// Requests that end in a second. Compare it with a number. It has a value without any request
    /// too, but not before the lookout is as old as the window is long.
    #[doc(alias("rps", "traffic"))]
    pub fn throughput() -> Self {
        Self::new(Signal::Throughput).min_requests(0)
    }

    /// Requests in flight at the moment. Compare it with a number. It has no window.
    #[doc(alias("saturation", "concurrency"))]
    pub fn in_flight() -> Self {
        Self::new(Signal::InFlight).min_requests(0)
    }

    /// The age of the oldest request that waits for its response's head. Compare it with a duration
    /// of up to an hour. It has no window, and is exact to the second.
    ///
    /// Only this signal detects a hang, since the others see only requests that have ended.
    ///
    /// A slow client does not make a request old. A request whose response body has begun does not
    /// count, and the age of a request with a body counts from the last byte that the service read.
    /// The layer sees these bytes in axum's and tonic's bodies, and with
    /// [`bodies`](crate::observe::LookoutLayer::bodies) in any other, such as hyper's `Incoming`.
    /// Without `bodies`, the age of a request with such a body counts from its start.
    #[doc(alias("hang", "stuck", "timeout"))]
    pub fn oldest_in_flight() -> Self {
        Self::new(Signal::OldestInFlight).min_requests(0)
    }

    /// How late a small task runs that the lookout spawns on the application's runtime: the worst
    /// since the last tick, or its wait so far. Compare it with a duration of up to an hour. It has
    /// no window, and evaluates the service as a whole.
    ///
    /// It detects code that blocks the runtime (a blocking call, a long computation, a lock) on the
    /// tick after. The lookout spawns a task every 100 ms, so a shorter stall may be missed. One
    /// blocked worker among others hardly delays a task;
    /// [`oldest_in_flight`](Self::oldest_in_flight) shows its request.
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

    /// Sets the length of the window, from a second to an hour, or a range of lengths. In a range
    /// the shortest window with [`min_requests`](Self::min_requests) decides: so a busy service has
    /// a verdict within seconds, and a quiet one not after three requests. If a ratio is past its
    /// threshold with fewer than [`min_errors`](Self::min_errors), or without the
    /// [`confidence`](Self::confidence) of the rule, the next longer window decides.
    ///
    /// A window of more than a minute may be up to a minute longer. Defaults to 10 s to 60 s.
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

    /// Sets how many requests a verdict needs. With fewer in the window nothing fires, and a firing
    /// alert continues until the longest window has passed without a verdict. Defaults to 20, and
    /// to 0 for throughput and for an SLO, which counts them in its long windows. Signals without a
    /// window reject it.
    pub fn min_requests(mut self, requests: u64) -> Self {
        self.min_requests = requests;
        self
    }

    /// Sets how many failures a breach needs: slow requests for [`slow_ratio`](Self::slow_ratio),
    /// client errors for [`client_error_ratio`](Self::client_error_ratio). With fewer in the window
    /// there is no breach, whatever the ratio. That is a verdict, so it also resolves a firing
    /// alert. Only for a ratio with [`above`](Self::above), and for an SLO, which counts them in
    /// its long windows.
    ///
    /// Defaults to 0, and to 5 for an SLO. A service that fails exactly as often as its objective
    /// allows has 5 errors by chance, at a burn rate of 14.4, in less than one of 30,000 windows.
    /// It has 2 errors in one of 114.
    pub fn min_errors(mut self, errors: u64) -> Self {
        self.min_errors = errors;
        self
    }

    /// Sets the statistical confidence that an alert needs to fire, such as 0.95: more than 0.5 and
    /// less than 1. It excludes ratios that are past the threshold by chance. It does not apply
    /// when an alert resolves, so an alert does not come and go with the number of requests. Only
    /// for [`error_ratio`](Self::error_ratio), [`client_error_ratio`](Self::client_error_ratio),
    /// [`slow_ratio`](Self::slow_ratio) and [`slo`](Self::slo). Defaults to none: the ratio counts
    /// as it is.
    ///
    /// The rule compares the lower bound of Wilson's score interval, one-sided; with
    /// [`below`](Self::below) the upper bound. Above 1%, at 0.95, an alert needs 1 error in 20
    /// requests, 3 in 100, and 16 in 1,000. The confidence applies to each window alone. If the
    /// true ratio is at the threshold and errors are few, it is wrong more often than its number:
    /// at 0.95 in up to 14% of the windows where 2 errors are enough, and in 10% where 5 are. So
    /// set [`min_errors`](Self::min_errors) too.
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

    /// Evaluates each operation (method and route) separately, with an alert for each. By default a
    /// rule evaluates the requests that the service answers, all together.
    pub fn each_route(self) -> Self {
        self.of_scope(Scope::EachRoute)
    }

    /// Evaluates one route: `/orders/{id}` with all its methods, or `GET /orders/{id}`.
    pub fn route(self, route: impl Into<String>) -> Self {
        self.of_scope(Scope::Route(route.into()))
    }

    /// Evaluates the calls to one dependency, calls and attempts together. The name is the one
    /// given to [`client_layer`](crate::Lookout::client_layer) or
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

    /// Sets a sentence that explains the alert to the person on call. Defaults to none.
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

    /// Whether it fires when another one does, whatever is told of it then.
    pub(crate) fn fires_as(&self, other: &Self) -> bool {
        let told_as_other = Self {
            name: other.name.clone(),
            severity: other.severity,
            labels: other.labels.clone(),
            summary: other.summary.clone(),
            runbook: other.runbook.clone(),
            dashboard: other.dashboard.clone(),
            ..self.clone()
        };
        told_as_other == *other
    }

    /// Returns the name that was set, or the default name without a suffix.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.default_name())
    }
}

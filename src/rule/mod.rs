//! Rules: which signal, over which window, above or below what, and what to say of it.
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
mod read;
mod reason;
mod scope;
mod severity;
mod share;
mod signal;
mod threshold;
mod window_range;

use std::{collections::BTreeMap, time::Duration};

use self::problem::Setting;

#[cfg(feature = "toml")]
pub(crate) use self::signal::Unit;
pub use self::{
    burn_rate::BurnRate,
    check::RuleError,
    reason::Reason,
    severity::Severity,
    threshold::{Comparison, Threshold},
    window_range::WindowRange,
};
pub(crate) use self::{
    check::check,
    naming::with_names,
    read::{Reading, weight},
    scope::{Scope, method_and_route},
    signal::Signal,
};

/// A condition on what is watched, that raises an alert while it holds.
///
/// Made from a signal ([`Rule::error_ratio`], …) and a threshold ([`above`](Self::above) or
/// [`below`](Self::below)); the rest has defaults. What can't make sense is refused when the lookout
/// [starts](crate::LookoutBuilder::start).
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
    /// The mean time from request to end of response; exact. Compared with a duration.
    ///
    /// A stream (server-sent events, an upgrade, a body of unknown length that goes on for 10 s)
    /// counts with the time to its head, here and in the other signals of latency.
    pub fn mean_latency() -> Self {
        Self::new(Signal::MeanLatency)
    }

    /// The duration that a share `q` of the requests does not exceed, such as 0.99 for the p99.
    /// Compared with a duration.
    ///
    /// Whether it is above the threshold is decided exactly; the value told in the message is within
    /// 11.2 % of the true one.
    #[doc(alias("p99", "percentile", "histogram_quantile"))]
    pub fn latency_quantile(q: f64) -> Self {
        Self::new(Signal::LatencyQuantile(q))
    }

    /// The share of the requests that took longer than `slow`; exact. Compared with a number from 0
    /// to 1.
    #[doc(alias("apdex"))]
    pub fn slow_ratio(slow: Duration) -> Self {
        Self::new(Signal::SlowRatio(slow))
    }

    /// The share of the requests that failed ([`Outcome::is_error`](crate::Outcome::is_error));
    /// exact. Compared with a number from 0 to 1.
    #[doc(alias("error rate", "5xx"))]
    pub fn error_ratio() -> Self {
        Self::new(Signal::ErrorRatio)
    }

    /// The share of the requests whose answer rejects what the client asked for: a 4xx, and of gRPC
    /// [`GrpcStatus::is_client_error`](crate::GrpcStatus::is_client_error); exact. Compared with a number
    /// from 0 to 1.
    ///
    /// It sees a release that answers 400, 401 or 404 to everybody, which no error ratio of a server does. No
    /// rule of [`defaults`](Self::defaults) uses it: how many client errors are normal depends on the clients.
    /// A public service answers 404 to scanners, so set the threshold well above its usual share, or judge
    /// single routes. The status alone decides, whatever [`failure`](crate::LookoutBuilder::failure) says.
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

    /// How fast the error budget of an objective is spent, such as 0.999 for 99.9 % of the requests
    /// without a failure: the error ratio as a multiple of 1 − `objective`.
    ///
    /// It fires while the burn rate is above that of a [`BurnRate`] in both its windows: by default
    /// above 14.4 over an hour and 5 min, or above 28.8 over 15 min and 75 s, where the objective lets
    /// it. These are its thresholds and windows: it takes no [`above`](Self::above) and no
    /// [`over`](Self::over). The value told is the lower one of the two windows.
    ///
    /// The windows of a process that is younger than they are hold what there was since its start: so
    /// an outage that comes with it is told at once, and what guards against chance there is
    /// [`min_errors`](Self::min_errors). Without any traffic the alert ends when its longest short window
    /// has been empty for as long as it is.
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

    /// Requests that end, a second. Compared with a number; it is judged without any request, too,
    /// but not before the lookout is as old as the window is long.
    #[doc(alias("rps", "traffic"))]
    pub fn throughput() -> Self {
        Self::new(Signal::Throughput).min_requests(0)
    }

    /// Requests that have not ended yet, at the moment. Compared with a number; it has no window.
    #[doc(alias("saturation", "concurrency"))]
    pub fn in_flight() -> Self {
        Self::new(Signal::InFlight).min_requests(0)
    }

    /// The age of the oldest request that still waits for its response's head. Compared with a
    /// duration of up to an hour; it has no window.
    ///
    /// The only signal that sees a hang, since the others see only requests that have ended. It is exact
    /// to the second, however old the request is.
    ///
    /// A slow client makes no request stuck. A response whose body is under way does not count, and
    /// the age of a request with a body counts from the last byte that the service read. The layers see
    /// these bytes in axum's and tonic's bodies, and with [`bodies`](crate::observe::LookoutLayer::bodies)
    /// in any other, such as hyper's `Incoming`; elsewhere the age counts from the start.
    #[doc(alias("hang", "stuck", "timeout"))]
    pub fn oldest_in_flight() -> Self {
        Self::new(Signal::OldestInFlight).min_requests(0)
    }

    /// How late a tiny task that the lookout spawns on the application's runtime runs: the worst
    /// since the last tick, or how long it has been waiting. Compared with a duration of up to an
    /// hour; it has no window, and judges the service alone.
    ///
    /// It sees what blocks the runtime (a blocking call, a long computation, a lock that is waited for
    /// in a task) while it does, on the tick after. A task is spawned each 100 ms, so a stall that is
    /// shorter may go unseen. A worker that is blocked while others run hardly delays a task; it shows
    /// by the age of its request ([`oldest_in_flight`](Self::oldest_in_flight)).
    ///
    /// The runtime is the one that the lookout is started in, or the one given by
    /// [`runtime`](crate::LookoutBuilder::runtime); without any, the rule judges nothing.
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

    /// Fires while the signal is above the threshold: a [`Duration`] or a number, as the signal asks.
    pub fn above(self, threshold: impl Into<Threshold>) -> Self {
        self.compare(Comparison::Above, threshold.into())
    }

    /// Fires while the signal is below the threshold: a [`Duration`] or a number, as the signal asks.
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

    /// The length of the window, from a second to an hour; or a range of lengths, of which the
    /// shortest with [`min_requests`](Self::min_requests) in it decides: so a busy service is judged
    /// within seconds, and a quiet one not by three requests. Where a ratio is past its threshold by
    /// fewer than [`min_errors`](Self::min_errors), or without the [`confidence`](Self::confidence) that
    /// the rule asks for, the next longer window of the range decides.
    ///
    /// Above a minute a window may be up to a minute longer than asked. Defaults to 10 s to 60 s.
    #[doc(alias("window", "range"))]
    pub fn over(mut self, window: impl Into<WindowRange>) -> Self {
        self.over = window.into();
        self
    }

    /// How long the condition must hold before the alert fires. Defaults to 0: at once.
    #[doc(alias("for", "pending"))]
    pub fn hold_for(mut self, duration: Duration) -> Self {
        self.hold_for = duration;
        self
    }

    /// How long the alert goes on firing after the condition held last. Defaults to 0, and to a minute
    /// for an SLO, whose long windows swing about their threshold from one error to the next.
    pub fn keep_firing_for(mut self, duration: Duration) -> Self {
        self.keep_firing_for = duration;
        self
    }

    /// With fewer requests in the window there is no verdict: nothing fires by it, and what fires
    /// goes on until the longest window has passed without one. Defaults to 20, and to 0 for
    /// throughput and for an SLO, which asks it of its long windows. Signals without a window reject it.
    pub fn min_requests(mut self, requests: u64) -> Self {
        self.min_requests = requests;
        self
    }

    /// With fewer failures in the window, slow requests for [`slow_ratio`](Self::slow_ratio), or client errors
    /// for [`client_error_ratio`](Self::client_error_ratio),
    /// nothing is breached, whatever the ratio: that is a verdict, so it also ends what fires. Only of
    /// a ratio that fires above its threshold, and of an SLO, which asks it of its long windows.
    ///
    /// Defaults to 0, and to 5 for an SLO: the least that a service which fails just as often as its
    /// objective allows has by chance, at a burn rate of 14.4, in less than one of 30,000 windows; 2
    /// errors it has in one of 114.
    pub fn min_errors(mut self, errors: u64) -> Self {
        self.min_errors = errors;
        self
    }

    /// Fires only if so few requests as the window holds are enough to be sure that their ratio is
    /// beyond the threshold, and not by chance: such as 0.95, more than 0.5 and less than 1. Only of
    /// [`error_ratio`](Self::error_ratio), [`client_error_ratio`](Self::client_error_ratio),
    /// [`slow_ratio`](Self::slow_ratio) and [`slo`](Self::slo).
    ///
    /// What is compared is the lower bound of Wilson's score interval, one-sided; with
    /// [`below`](Self::below) the upper one. Above 1 %, at 0.95, it takes 1 error of 20 requests, 3 of
    /// 100, 16 of 1,000. It is a verdict on each window by itself; where the true ratio is just at the
    /// threshold, and errors are few, it is wrong more often than it says: at 0.95 in up to 14 % of the
    /// windows that 2 errors are enough for, and in 10 % where it takes 5. So keep
    /// [`min_errors`](Self::min_errors) beside it. An alert that fires ends by the ratio itself, so that it
    /// does not come and go with the number of requests. Defaults to none: the ratio is taken as it is.
    pub fn confidence(mut self, confidence: f64) -> Self {
        self.confidence = Some(confidence);
        self
    }

    /// The burn rates of an SLO, any of which it fires by; instead of the [default](Self::slo).
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

    /// Judges each operation (method and route) by itself, with an alert each. By default a rule
    /// judges the service as a whole, without what it asks of others.
    pub fn each_route(self) -> Self {
        self.of_scope(Scope::EachRoute)
    }

    /// Judges one route: `/orders/{id}` with all its methods, or `GET /orders/{id}`.
    pub fn route(self, route: impl Into<String>) -> Self {
        self.of_scope(Scope::Route(route.into()))
    }

    /// Judges what this process asks of one dependency, by the name that its
    /// [`client_layer`](crate::Lookout::client_layer) or [`dependency`](crate::Lookout::dependency) was
    /// given; calls and attempts together.
    pub fn dependency(self, name: impl Into<String>) -> Self {
        self.of_scope(Scope::Dependency(name.into()))
    }

    /// The name in messages and metrics, unique within a lookout. Defaults to one made from the signal
    /// and the scope: `HighErrorRatio`, `HighErrorRatioPerRoute`, `HighErrorRatioOnPostOrders`,
    /// `HighErrorRatioOfInventory`.
    ///
    /// Among rules of the same signal and scope the first keeps that name. A later one gets its severity
    /// as a suffix (`HighErrorRatioWarning`), then a number (`HighErrorRatioWarning2`).
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How urgent it is. Defaults to [`Severity::Warning`].
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// A label that goes with each alert, such as the team.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// A sentence for whoever is woken. Defaults to none.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// The address of the instructions for this alert. Messages link to it. Defaults to none.
    pub fn runbook(mut self, url: impl Into<String>) -> Self {
        self.runbook = Some(url.into());
        self
    }

    /// The address of a dashboard that shows the cause. Messages link to it, beside the runbook; webhooks and
    /// Alertmanager get it as the annotation `dashboard_url`. Defaults to none.
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

    /// The explicit name, or the default one without a suffix.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.default_name())
    }
}

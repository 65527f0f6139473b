//! Reports of failures in business code and background tasks.

mod call_site;
mod error;
mod evidence;
mod ledger;
mod observer;
mod panic_hook;
mod panic_queue;
mod reporter;
mod supervise;
#[cfg(feature = "tracing-layer")]
mod tracing_layer;

use std::{borrow::Cow, cell::Cell, fmt, sync::Arc, time::SystemTime};

use http::{HeaderMap, request::Parts};

use self::{
    call_site::CallSite,
    evidence::{Fields, Texts},
};
use crate::{
    alert::{Alert, Failure},
    causes::texts,
    observe::trace_id,
    rule::Severity,
    text::short,
};

#[cfg(feature = "state")]
pub(crate) use self::ledger::saved::SavedGroup;
pub(crate) use self::reporter::Reports;
#[cfg(feature = "tracing-layer")]
pub use self::tracing_layer::ReportLayer;
pub use self::{error::ReportableError, reporter::Reporter, supervise::TaskEnd};

/// A failure with its causes and its context, for [`Reporter::send`]. See the
/// [guide](crate::guide::errors).
///
/// Reports with the same name, error type, call site and [group](Self::grouped_by) share an alert.
/// Their texts may differ. The lookout sends the first report at once, and any report with a higher
/// severity than all before it. It counts the others, and sends their number and their distinct
/// texts each minute. The alert resolves after five minutes without a report.
///
/// The lookout sends up to ten alerts of reports per minute at once, and further ones in a batch
/// every ten seconds. It keeps up to 499 alerts of reports; reports past them share the alert
/// `OtherFailures`.
///
/// A report keeps up to 32 causes of up to 1,000 characters each, 4 KiB in total. The same limits
/// apply to its [fields](Self::field). All reports together use at most 8 MiB.
///
/// # Examples
///
/// ```
/// use tower_lookout::{Lookout, Report};
///
/// let lookout = Lookout::builder().service("orders").start()?;
/// let reporter = lookout.reporter();
/// let error = std::io::Error::other("the broker is down");
/// reporter.send(Report::of(&error).named("OrderEventLost").field("order", 4711));
/// # Ok::<_, tower_lookout::StartError>(())
/// ```
#[doc(alias("sentry", "event"))]
#[derive(Clone, Debug)]
#[must_use = "a report does nothing until a reporter sends it"]
pub struct Report {
    name: Cow<'static, str>,
    /// If `None`, the observer that sends the report sets it.
    group: Option<Cow<'static, str>>,
    severity: Severity,
    error_type: &'static str,
    causes: Vec<String>,
    fields: Fields,
    call_site: CallSite,
    is_lasting: bool,
    /// The number of reports that this one represents.
    count: u64,
}

thread_local! {
    static IS_OWN_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Turns off automatic reports on this thread, which delivers the reports.
pub(crate) fn own_this_thread() {
    IS_OWN_THREAD.set(true);
}

fn is_own_thread() -> bool {
    IS_OWN_THREAD.try_with(Cell::get).unwrap_or(true)
}

/// The maximum number of causes, and of fields, of a report.
const MAX_ITEMS: usize = 32;

/// The maximum length of a text, in characters.
const MAX_CHARS: usize = 1_000;

/// The maximum total size of a report's causes, and of its fields, in bytes.
const MAX_TOTAL_BYTES: usize = 4 << 10;

/// The maximum length of a name, in characters.
const MAX_NAME_CHARS: usize = 200;

/// The name of a report whose error type is unknown.
const UNKNOWN: &str = "Error";

impl Report {
    /// Creates a report of an error and its causes, named after the error's type. It contains the
    /// caller's source location.
    ///
    /// The type of an error behind `dyn Error`, such as a `Box<dyn Error>`, an `anyhow::Error` or
    /// an `eyre::Report`, is unknown. The name is then `Error`; set a better one with
    /// [`named`](Self::named).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Report;
    ///
    /// let error: Box<dyn std::error::Error + Send + Sync> = "the broker is down".into();
    /// let report = Report::of(&error).named("OrderEventLost");
    /// ```
    #[track_caller]
    pub fn of<K>(error: &(impl ReportableError<K> + ?Sized)) -> Self {
        let error_type = error.error_type();
        let end =
            error_type.char_indices().nth(MAX_NAME_CHARS).map_or(error_type.len(), |(end, _)| end);
        let name = if error_type.is_empty() { UNKNOWN } else { type_word(error_type) };
        let mut causes = Texts::default();
        for text in texts(error.as_error()) {
            causes.add(text);
        }
        Self { error_type: &error_type[..end], ..Self::with(name.into(), causes) }
    }

    /// Creates a report of a failure without an error value, from a name and a text.
    #[track_caller]
    pub fn new(name: impl Into<Cow<'static, str>>, text: impl fmt::Display) -> Self {
        let mut causes = Texts::default();
        causes.add(text);
        Self::with(name.into(), causes)
    }

    #[track_caller]
    fn with(name: Cow<'static, str>, causes: Texts) -> Self {
        Self {
            name: short(name, MAX_NAME_CHARS),
            group: None,
            severity: Severity::Critical,
            error_type: "",
            causes: causes.0,
            fields: Fields::default(),
            call_site: CallSite::caller(),
            is_lasting: false,
            count: 1,
        }
    }

    /// Sets the alert's name, such as `OrderEventLost`, up to 200 characters.
    ///
    /// Use a few fixed names, since each name is a separate alert. Defaults to the last segment of
    /// the error's type.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = short(name.into(), MAX_NAME_CHARS);
        self
    }

    /// Creates a separate alert for each `key`, up to 200 characters. The alert's title contains
    /// it.
    ///
    /// Use a few fixed keys. Defaults to the operation, such as `POST /orders`, for a report in a
    /// response's extensions, and otherwise to none. An empty key merges the reports of all
    /// operations.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Report;
    ///
    /// let report = Report::new("PaymentFailed", "declined").grouped_by("provider-a");
    /// ```
    pub fn grouped_by(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.group = Some(short(key.into(), MAX_NAME_CHARS));
        self
    }

    /// Sets the severity. The alert keeps the highest severity of its reports until it resolves.
    /// Defaults to [`Severity::Critical`].
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the source location.
    fn at(mut self, call_site: CallSite) -> Self {
        self.call_site = call_site;
        self
    }

    /// Keeps the alert firing without further reports, since the task does not restart.
    fn lasting(self) -> Self {
        Self { is_lasting: true, ..self }
    }

    /// Makes this report stand for `count` reports.
    fn times(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// Adds a field. The alert shows the fields of its last report.
    ///
    /// A report keeps up to 32 fields, 4 KiB in total, with names of up to 200 characters and
    /// values of up to 1,000.
    pub fn field(mut self, name: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        self.fields.add(name.into(), value);
        self
    }

    /// Adds the request's method, its route if axum's router matched one, and the ids in its
    /// headers `x-request-id` and `traceparent`.
    ///
    /// A report in a response's extensions gets them without this call; see the example of
    /// [`Reporter`](Reporter#impl-Observer-for-Reporter).
    pub fn request(self, head: &Parts) -> Self {
        #[cfg(feature = "axum")]
        let route = head.extensions.get::<axum::extract::MatchedPath>();
        #[cfg(feature = "axum")]
        let route = route.map(axum::extract::MatchedPath::as_str);
        #[cfg(not(feature = "axum"))]
        let route = None;
        self.of_request(&head.method, route, &head.headers)
    }

    /// Returns the alert that this report raises if it is the first of its group. Use it to test a
    /// notifier.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Report;
    ///
    /// let alert = Report::new("OrderEventLost", "no broker").field("order", 4711).to_alert();
    /// assert_eq!(alert.measured(), "no broker");
    /// assert_eq!(alert.summary.as_deref(), Some("order: 4711"));
    /// ```
    pub fn to_alert(&self) -> Alert {
        let failure = Failure {
            causes: self.causes.clone(),
            error_type: self.error_type.into(),
            call_site: self.call_site.to_string(),
            group: self.group.clone().unwrap_or_default(),
            fields: self.fields.clone().into_vec(),
            count: self.count,
            total: self.count,
            ..Failure::default()
        };
        let (name, origin) = (self.name.as_ref().into(), Arc::default());
        Alert::of_failure(&name, self.severity, failure, SystemTime::now(), &origin)
    }

    fn of_request(self, method: &http::Method, route: Option<&str>, headers: &HeaderMap) -> Self {
        let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
        let trace = headers.get("traceparent").and_then(|parent| trace_id(parent.as_bytes()));
        let request = match route {
            Some(route) => format!("{method} {route}"),
            None => method.to_string(),
        };
        let ids = [("request_id", request_id), ("trace_id", trace)];
        ids.into_iter()
            .filter_map(|(name, id)| Some((name, id?)))
            .fold(self.field("request", request), |report, (name, id)| report.field(name, id))
    }
}

/// The last segment of a type's path, without generic parameters.
fn type_word(path: &'static str) -> &'static str {
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

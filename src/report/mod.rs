//! Failures that no window shows: business code and background tasks report them, and they are told at
//! once.

mod call_site;
mod error;
mod evidence;
mod ledger;
mod observer;
mod panics;
mod reporter;
mod supervise;
#[cfg(feature = "tracing-layer")]
mod tracing_layer;

use std::{borrow::Cow, cell::Cell, fmt};

use http::{HeaderMap, request::Parts};

use self::{
    call_site::CallSite,
    evidence::{Fields, Texts},
};
use crate::{causes::texts, observe::trace_id, rule::Severity, text::short};

#[cfg(feature = "state")]
pub(crate) use self::ledger::saved::SavedKind;
pub(crate) use self::reporter::Reports;
#[cfg(feature = "tracing-layer")]
pub use self::tracing_layer::ReportLayer;
pub use self::{error::ReportableError, reporter::Reporter, supervise::TaskEnd};

/// A failure with its causes and its context, for [`Reporter::send`]. See the
/// [guide](crate::guide::errors).
///
/// Reports with the same name, error type, call site and [group](Self::grouped_by) are one alert,
/// whatever their text. The lookout sends the first report at once, and each one that is more
/// severe than all before it. It counts the others, and sends their number and their distinct texts
/// each minute. The alert resolves after five minutes without a report. At most ten report alerts a
/// minute are sent at once; the rest are sent together every ten seconds. Kinds after the 499th
/// share the alert `OtherFailures`.
///
/// A report keeps 32 causes of up to 1,000 characters, together up to 4 KiB, and as much of its
/// [fields](Self::field). All reports together use at most 8 MiB.
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
    /// None where the observer that sends it decides.
    group: Option<Cow<'static, str>>,
    severity: Severity,
    error_type: &'static str,
    causes: Vec<String>,
    fields: Fields,
    call_site: CallSite,
    lasts: bool,
    /// How many reports it stands for.
    count: u64,
}

thread_local! {
    static IS_OWN_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// What fails on this thread from now on is not reported by itself: it is what delivers reports.
pub(crate) fn own_this_thread() {
    IS_OWN_THREAD.set(true);
}

fn is_own_thread() -> bool {
    IS_OWN_THREAD.try_with(Cell::get).unwrap_or(true)
}

/// How many causes and how many fields a report keeps.
const MOST: usize = 32;

/// The length of a text, in characters.
const LONGEST: usize = 1_000;

/// The size of all causes of a report together, and of all its fields, in bytes.
const LONGEST_BYTES: usize = 4 << 10;

/// The length of a name, in characters.
const LONGEST_NAME: usize = 200;

/// The name of an error whose type is not known.
const UNKNOWN: &str = "Error";

impl Report {
    /// Of an error and its causes, under the name of its type, from where this is called. The type of an
    /// error behind `dyn Error` is not known, as in a `Box<dyn Error>`, an `anyhow::Error` or an
    /// `eyre::Report`: the name is then `Error`, until [`named`](Self::named) gives a better one.
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
            error_type.char_indices().nth(LONGEST_NAME).map_or(error_type.len(), |(end, _)| end);
        let name = if error_type.is_empty() { UNKNOWN } else { word(error_type) };
        let mut causes = Texts::default();
        for text in texts(error.as_error()) {
            causes.add(text);
        }
        Self { error_type: &error_type[..end], ..Self::with(name.into(), causes) }
    }

    /// Of a failure that is no error, said in words.
    #[track_caller]
    pub fn new(name: impl Into<Cow<'static, str>>, text: impl fmt::Display) -> Self {
        let mut causes = Texts::default();
        causes.add(text);
        Self::with(name.into(), causes)
    }

    #[track_caller]
    fn with(name: Cow<'static, str>, causes: Texts) -> Self {
        Self {
            name: short(name, LONGEST_NAME),
            group: None,
            severity: Severity::Critical,
            error_type: "",
            causes: causes.0,
            fields: Fields::default(),
            call_site: CallSite::caller(),
            lasts: false,
            count: 1,
        }
    }

    /// The alert's name, such as `OrderEventLost`, up to its 200th character: a few fixed ones, since each
    /// is an alert of its own. Defaults to the last word of the error's type.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = short(name.into(), LONGEST_NAME);
        self
    }

    /// Makes an alert of its own for each `key`, up to its 200th character; the alert's title shows the key.
    /// Use a few fixed keys. Defaults to the operation, such as `POST /orders`, where a layer's observer
    /// sends the report, and else to none; an empty key merges the reports of all operations.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Report;
    ///
    /// let report = Report::new("PaymentFailed", "declined").grouped_by("provider-a");
    /// ```
    pub fn grouped_by(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.group = Some(short(key.into(), LONGEST_NAME));
        self
    }

    /// How urgent it is; of a kind that comes several times the worst counts until it is over. Defaults
    /// to [`Severity::Critical`].
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Reported from elsewhere than where it was made.
    fn at(mut self, call_site: CallSite) -> Self {
        self.call_site = call_site;
        self
    }

    /// Not over by itself: what failed does not try again.
    fn lasting(self) -> Self {
        Self { lasts: true, ..self }
    }

    /// Stands for several reports.
    fn times(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// Context of the last report of a kind: up to 32 fields, together up to 4 KiB, each name up to its
    /// 200th character and each value up to its 1,000th.
    pub fn field(mut self, name: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        self.fields.add(name.into(), value);
        self
    }

    /// The request that it happened in: its method, the route where axum's router found one, and the ids
    /// that came with it as `x-request-id` and, if it is valid, `traceparent`. An error in the response's
    /// extensions is told with the route by which the request is counted: [`Reporter`] has an example.
    pub fn request(self, head: &Parts) -> Self {
        #[cfg(feature = "axum")]
        let route = head.extensions.get::<axum::extract::MatchedPath>();
        #[cfg(feature = "axum")]
        let route = route.map(axum::extract::MatchedPath::as_str);
        #[cfg(not(feature = "axum"))]
        let route = None;
        self.of_request(&head.method, route, &head.headers)
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

/// The last word of a type's path, without its parameters.
fn word(path: &'static str) -> &'static str {
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

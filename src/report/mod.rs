//! Failures that no window shows: business code and background tasks report them, and they are told at
//! once.

mod ledger;
mod observer;
mod panics;
mod reporter;
mod supervise;
#[cfg(feature = "tracing-layer")]
mod tracing_layer;

use std::{any::type_name, borrow::Cow, cell::Cell, error::Error, fmt, panic::Location};

use http::{HeaderMap, request::Parts};

use crate::{
    causes::{bounded, texts},
    observe::trace_id,
    rule::Severity,
};

#[cfg(feature = "state")]
pub(crate) use self::ledger::saved::SavedKind;
pub(crate) use self::reporter::Reports;
#[cfg(feature = "tracing-layer")]
pub use self::tracing_layer::ReportLayer;
pub use self::{reporter::Reporter, supervise::TaskEnd};

/// A failure with its causes and its context, for [`Reporter::send`].
///
/// Reports of one kind (name, error type and call site, whatever the text says) are one alert. Its first
/// report is told at once, and one that is more urgent than those before it; the others are counted, and
/// told each minute for as long as they come;
/// after five minutes without any it is resolved. However many kinds there are, at most ten alerts a
/// minute are told at once, and the rest each ten seconds together. Kinds past the 499th share the alert
/// `OtherFailures`.
///
/// Of a report 32 causes and 32 fields are kept, each text up to its 1,000th character.
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
#[derive(Clone, Debug)]
#[must_use = "a report is told when it is sent"]
pub struct Report {
    name: Cow<'static, str>,
    severity: Severity,
    error_type: &'static str,
    causes: Vec<String>,
    fields: Vec<(Cow<'static, str>, String)>,
    call_site: CallSite,
    lasts: bool,
}

/// A place in the code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CallSite {
    file: Cow<'static, str>,
    line: u32,
}

impl CallSite {
    #[track_caller]
    fn caller() -> Self {
        let location = Location::caller();
        Self { file: location.file().into(), line: location.line() }
    }

    /// Of what comes from several places, or is told by nobody.
    fn unknown() -> Self {
        Self { file: "".into(), line: 0 }
    }
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file.as_ref() {
            "" => f.write_str("several places"),
            file => write!(f, "{file}:{}", self.line),
        }
    }
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

/// No more causes are followed, nor fields taken.
const MOST: usize = 32;

impl Report {
    /// Of an error and its causes, under the name of its type, from where this is called.
    #[track_caller]
    pub fn of<E: Error + 'static>(error: &E) -> Self {
        Self::of_type(error, type_name::<E>())
    }

    /// Of an error whose type is not known. Give it a name by [`named`](Self::named).
    #[track_caller]
    pub fn of_dyn(error: &(dyn Error + 'static)) -> Self {
        Self::of_type(error, "dyn Error")
    }

    #[track_caller]
    fn of_type(error: &(dyn Error + 'static), error_type: &'static str) -> Self {
        let causes = texts(error);
        Self {
            name: word(error_type).into(),
            severity: Severity::Critical,
            error_type,
            causes,
            fields: Vec::new(),
            call_site: CallSite::caller(),
            lasts: false,
        }
    }

    /// Of a failure that is no error, said in words.
    #[track_caller]
    pub fn new(name: impl Into<Cow<'static, str>>, text: impl fmt::Display) -> Self {
        Self {
            name: name.into(),
            severity: Severity::Critical,
            error_type: "",
            causes: vec![bounded(text)],
            fields: Vec::new(),
            call_site: CallSite::caller(),
            lasts: false,
        }
    }

    /// The alert's name, such as `OrderEventLost`: a few fixed ones, since each is an alert of its own.
    /// Defaults to the last word of the error's type.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
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

    /// Context, told with the last report of a kind; up to 32 of them.
    pub fn field(mut self, name: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        if self.fields.len() < MOST {
            self.fields.push((name.into(), bounded(value)));
        }
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

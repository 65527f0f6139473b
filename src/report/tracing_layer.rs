use std::{
    borrow::Cow,
    cell::Cell,
    error::Error,
    fmt,
    sync::{Arc, LazyLock},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{
    CallSite, MAX_CHARS, MAX_NAME_CHARS, MAX_TOTAL_BYTES, Report, Reporter,
    evidence::{Fields, Texts},
    is_own_thread,
};
use crate::{causes::texts, rule::Severity, text::limited};

/// A `tracing` layer that reports logged errors; created by [`Reporter::tracing_layer`].
#[derive(Clone, Debug)]
#[must_use = "the layer does nothing until a subscriber has it"]
pub struct ReportLayer {
    reporter: Reporter,
    level: Level,
    severity: Severity,
    ignored: Arc<[Cow<'static, str>]>,
}

/// The name of an alert without the field [`NAME_FIELD`].
const NAME: &str = "ErrorLogged";

/// The field that names the alert.
const NAME_FIELD: &str = "report";

/// The lookout's own events are never reported: one about a failed report would cause the next.
const OWN_TARGET: &str = "tower_lookout";

/// The target of panics that [`Reporter::report_panics`] reports with their source location.
const CATCH_PANIC: &str = "tower_http::catch_panic";

thread_local! {
    /// Whether this thread is creating a report. It does not report events meanwhile.
    static IS_REPORTING: Cell<bool> = const { Cell::new(false) };
}

impl Reporter {
    /// Creates a `tracing` layer that reports each event of level `ERROR`. Needs the feature
    /// `tracing-layer`.
    ///
    /// The event's field `report` names the alert; use a few fixed names. Defaults to
    /// `ErrorLogged`. Each source location is a separate alert. The report's causes are the event's
    /// message and the causes of an error logged as `error = &error as &dyn Error`. The event's
    /// other fields, the fields of its spans, and its target become the report's fields.
    ///
    /// Set a filter, such as `.with_filter(LevelFilter::INFO)`: without one, `tracing` creates
    /// every event and span of the process, down to `TRACE`. The filter, or
    /// [`level`](ReportLayer::level), decides which events are reported. The layer ignores events
    /// of HTTP layers about a status ([`ignored_targets`](ReportLayer::ignored_targets)), since
    /// rules cover those. It also ignores the lookout's own events, and all events on the lookout's
    /// thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt};
    ///
    /// let lookout = tower_lookout::Lookout::builder().service("orders").start()?;
    /// let errors = lookout.reporter().tracing_layer();
    /// let ours = filter_fn(|metadata| metadata.target().starts_with("orders"));
    /// let subscriber = tracing_subscriber::registry().with(errors.with_filter(ours));
    /// tracing::subscriber::with_default(subscriber, || {
    ///     tracing::error!(target: "orders", report = "OrderEventLost", order = 4711, "not sent");
    /// });
    /// # Ok::<_, tower_lookout::StartError>(())
    /// ```
    pub fn tracing_layer(&self) -> ReportLayer {
        ReportLayer {
            reporter: self.clone(),
            level: Level::ERROR,
            severity: Severity::Warning,
            ignored: Arc::clone(&IGNORED),
        }
    }
}

static IGNORED: LazyLock<Arc<[Cow<'static, str>]>> =
    LazyLock::new(|| ReportLayer::IGNORED_TARGETS.iter().copied().map(Cow::Borrowed).collect());

impl ReportLayer {
    /// The default of ignored targets: layers and libraries that log single responses and
    /// connections, such as tower-http's `response failed`. Rules alert on failed requests instead.
    pub const IGNORED_TARGETS: &'static [&'static str] =
        &["tower_http::trace", "axum::rejection", "hyper", "h2", "tonic"];

    /// Ignores the events of these targets and of the modules in them, instead of those of
    /// [`IGNORED_TARGETS`](Self::IGNORED_TARGETS).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::ReportLayer;
    ///
    /// # fn layer(reporter: tower_lookout::Reporter) -> ReportLayer {
    /// let targets = ReportLayer::IGNORED_TARGETS.iter().copied().chain(["sqlx::query"]);
    /// reporter.tracing_layer().ignored_targets(targets)
    /// # }
    /// ```
    pub fn ignored_targets<T>(mut self, targets: impl IntoIterator<Item = T>) -> Self
    where
        T: Into<Cow<'static, str>>,
    {
        self.ignored = targets.into_iter().map(Into::into).collect();
        self
    }

    /// Reports events of this level and of more severe ones. Defaults to `ERROR`.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Sets the severity of the reports. Defaults to [`Severity::Warning`], since libraries also
    /// log errors from which a service recovers.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    fn accepts(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level && !self.ignores(metadata.target())
    }

    fn ignores(&self, target: &str) -> bool {
        is_within(target, OWN_TARGET)
            || self.ignored.iter().any(|ignored| is_within(target, ignored))
            || (self.reporter.reports_panics() && is_within(target, CATCH_PANIC))
    }

    fn report(&self, metadata: &Metadata<'static>, logged: Logged) -> Report {
        // All events from the `log` crate share one location and target; fields hold their own.
        let Logged { target, file, line, .. } = logged;
        let target = target.unwrap_or_else(|| metadata.target().to_owned());
        let file = file.map(Cow::from).or(metadata.file().map(Cow::from));
        let site = CallSite::new(
            file.unwrap_or_else(|| target.clone().into()),
            line.or(metadata.line()).unwrap_or(0),
        );
        let mut causes = Texts::default();
        for text in logged.message.into_iter().chain(logged.causes.0) {
            causes.add(text);
        }
        if causes.0.is_empty() {
            causes.add(format_args!("error logged by {target}"));
        }
        let report = Report::with(logged.name.unwrap_or(NAME.into()), causes).at(site);
        let fields = logged.fields.into_vec().into_iter().chain([("target".into(), target)]);
        fields
            .fold(report.severity(self.severity), |report, (name, value)| report.field(name, value))
    }
}

/// Whether the target is the module, or lies in it.
fn is_within(target: &str, module: &str) -> bool {
    let rest = target.strip_prefix(module);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl<S> Layer<S> for ReportLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut logged = Logged::default();
            attributes.record(&mut logged);
            span.extensions_mut().replace(SpanFields(logged.into_fields()));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut logged = Logged::default();
            values.record(&mut logged);
            let mut extensions = span.extensions_mut();
            if let Some(SpanFields(fields)) = extensions.get_mut() {
                for (name, value) in logged.into_fields().into_vec() {
                    // Another report layer may have added the field.
                    if !fields.contains(&name, &value) {
                        fields.add(name, value);
                    }
                }
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if !self.accepts(metadata) || is_own_thread() {
            return;
        }
        // The thread may have destroyed its thread-locals; the event is then ignored.
        if IS_REPORTING.try_with(|is_reporting| is_reporting.replace(true)).unwrap_or(true) {
            return;
        }
        // Resets the flag even if the `Debug` or `Display` of a value panics.
        let _reporting = Reporting;
        let mut logged = Logged::default();
        event.record(&mut logged);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                logged.fields.extend(fields);
            }
        }
        // An event from the `log` crate has its target in a field.
        if logged.target.as_deref().is_none_or(|target| !self.ignores(target)) {
            self.reporter.send(self.report(metadata, logged));
        }
    }
}

/// Resets [`IS_REPORTING`] when it is dropped.
struct Reporting;

impl Drop for Reporting {
    fn drop(&mut self) {
        IS_REPORTING.try_with(|is_reporting| is_reporting.set(false)).ok();
    }
}

/// The fields of a span.
struct SpanFields(Fields);

/// The values of an event or a span.
#[derive(Default)]
struct Logged {
    name: Option<Cow<'static, str>>,
    message: Option<String>,
    causes: Texts,
    fields: Fields,
    /// The source of an event from the `log` crate.
    target: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

impl Logged {
    fn into_fields(self) -> Fields {
        let mut fields = Fields::default();
        if let Some(name) = self.name {
            fields.add(NAME_FIELD.into(), name);
        }
        fields.extend(&self.fields);
        if !self.causes.0.is_empty() {
            fields.add("error".into(), self.causes.0.join(": "));
        }
        fields
    }

    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let text = |most| limited(value, most, MAX_TOTAL_BYTES);
        match field.name() {
            "message" => self.message = Some(text(MAX_CHARS)),
            NAME_FIELD => self.name = Some(text(MAX_NAME_CHARS).into()),
            "log.target" => self.target = Some(text(MAX_NAME_CHARS)),
            "log.file" => self.file = Some(text(MAX_CHARS)),
            "log.line" => self.line = text(MAX_NAME_CHARS).parse().ok(),
            "log.module_path" => {}
            name => self.fields.add(name.into(), value),
        }
    }
}

impl Visit for Logged {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_error(&mut self, _field: &Field, value: &(dyn Error + 'static)) {
        for text in texts(value) {
            self.causes.add(text);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}

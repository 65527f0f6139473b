use std::{borrow::Cow, cell::Cell, error::Error, fmt};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{CallSite, MOST, Report, Reporter, is_own_thread};
use crate::{
    causes::{bounded, texts},
    rule::Severity,
};

/// A layer of `tracing` that reports the errors that are logged; made by [`Reporter::tracing_layer`].
#[derive(Clone, Debug)]
#[must_use = "the layer does nothing until a subscriber has it"]
pub struct ReportLayer {
    reporter: Reporter,
    level: Level,
    severity: Severity,
}

/// What an alert is called that no field names.
const NAME: &str = "ErrorLogged";

/// The field that names the alert.
const NAME_FIELD: &str = "report";

/// Events of the lookout itself are reported to nobody: a report that fails would be the next one.
const OWN_TARGET: &str = "tower_lookout";

thread_local! {
    /// A report is made here, and what is logged meanwhile is not another.
    static IS_REPORTING: Cell<bool> = const { Cell::new(false) };
}

impl Reporter {
    /// A layer of `tracing` that reports each event of level `ERROR`. Feature `tracing-layer`; defaults to
    /// none.
    ///
    /// The alert is named by the event's field `report`, a few fixed names, or else `ErrorLogged`; each
    /// place in the code is an alert of its own, whatever the text says. Its message comes first, then
    /// the causes of an error that was logged as one (`error = &error as &dyn Error`); the other fields,
    /// those of the spans around it, and the target are the context.
    ///
    /// Give it a filter, such as `.with_filter(LevelFilter::INFO)`: a layer without one has `tracing` make every
    /// event and span of the process, down to `TRACE`. Which events it takes is up to that: one of `tracing_subscriber` by target, level, span or
    /// field, or [`level`](ReportLayer::level). Events of the lookout and on its own thread, such as
    /// those of an HTTP client that delivers, are never taken.
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
        ReportLayer { reporter: self.clone(), level: Level::ERROR, severity: Severity::Critical }
    }
}

impl ReportLayer {
    /// Takes events down to this level. Defaults to `ERROR`.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// How urgent they are. Defaults to [`Severity::Critical`].
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    fn takes(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level && !metadata.target().starts_with(OWN_TARGET)
    }

    fn report(&self, metadata: &Metadata<'static>, logged: Logged) -> Report {
        // What comes by way of the crate `log` has one place and one target for all, and its own in fields.
        let Logged { target, file, line, .. } = logged;
        let target = target.unwrap_or_else(|| metadata.target().to_owned());
        let file = file.map(Cow::from).or(metadata.file().map(Cow::from));
        let mut report = Report::new(logged.name.unwrap_or(NAME.into()), "").at(CallSite {
            file: file.unwrap_or_else(|| target.clone().into()),
            line: line.or(metadata.line()).unwrap_or(0),
        });
        report.causes = logged.message.into_iter().chain(logged.causes).take(MOST).collect();
        if report.causes.is_empty() {
            report.causes.push(format!("an error of {target}"));
        }
        let fields = logged.fields.into_iter().chain([("target", target)]);
        fields
            .fold(report.severity(self.severity), |report, (name, value)| report.field(name, value))
    }
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
                for field in logged.into_fields() {
                    // Another layer like this one may have been here.
                    if fields.len() < MOST && !fields.contains(&field) {
                        fields.push(field);
                    }
                }
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if !self.takes(metadata) || is_own_thread() {
            return;
        }
        // Its thread may be past its locals, and then nothing is known.
        if IS_REPORTING.try_with(|is_reporting| is_reporting.replace(true)).unwrap_or(true) {
            return;
        }
        // A value that panics as it is told must not end all reports of this thread.
        let _reporting = Reporting;
        let mut logged = Logged::default();
        event.record(&mut logged);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                logged.fields.extend_from_slice(fields);
            }
        }
        self.reporter.send(self.report(metadata, logged));
    }
}

/// A report is made until this is dropped.
struct Reporting;

impl Drop for Reporting {
    fn drop(&mut self) {
        IS_REPORTING.try_with(|is_reporting| is_reporting.set(false)).ok();
    }
}

/// The fields of a span, as they are told.
struct SpanFields(Vec<(&'static str, String)>);

/// What an event or a span says.
#[derive(Default)]
struct Logged {
    name: Option<Cow<'static, str>>,
    message: Option<String>,
    causes: Vec<String>,
    fields: Vec<(&'static str, String)>,
    /// Where an event of the crate `log` comes from.
    target: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

impl Logged {
    fn into_fields(self) -> Vec<(&'static str, String)> {
        let named = self.name.map(|name| (NAME_FIELD, name.into_owned()));
        let causes = (!self.causes.is_empty()).then(|| ("error", self.causes.join(": ")));
        named.into_iter().chain(self.fields).chain(causes).collect()
    }

    fn note(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = Some(value),
            NAME_FIELD => self.name = Some(value.into()),
            "log.target" => self.target = Some(value),
            "log.file" => self.file = Some(value),
            "log.line" => self.line = value.parse().ok(),
            "log.module_path" => {}
            name if self.fields.len() < MOST => self.fields.push((name, value)),
            _ => {}
        }
    }
}

impl Visit for Logged {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, bounded(value));
    }

    fn record_error(&mut self, _field: &Field, value: &(dyn Error + 'static)) {
        let left = MOST.saturating_sub(self.causes.len());
        self.causes.extend(texts(value).into_iter().take(left));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, bounded(format_args!("{value:?}")));
    }
}

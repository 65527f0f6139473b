use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use tower_service::Service;

use crate::notify::Notification;
use crate::{
    alert::{Alert, AlertStatus},
    rule::Severity,
    text::one_line,
};

/// Logs each alert as a `tracing` event: a firing one at `ERROR`, `WARN` or `INFO` by its severity,
/// a resolved one at `INFO`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Log;

impl Log {
    /// Creates the notifier.
    pub fn new() -> Self {
        Self
    }
}

#[cfg(feature = "toml")]
impl super::config::FromSection for Log {
    fn from_section(
        _section: &mut crate::document::Section<'_>,
        _secrets: &crate::document::Secrets<'_>,
    ) -> Option<Self> {
        Some(Self::new())
    }
}

impl Service<Notification> for Log {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        notification.iter().for_each(|(alert, changes)| log(alert, changes));
        ready(Ok(()))
    }
}

fn log(alert: &Alert, changes: u32) {
    let text = Notification::line_of(alert, changes);
    let top: Vec<_> = alert.top().iter().map(ToString::to_string).collect();
    let top = top.join("; ");
    let texts = alert.text_counts();
    let texts = (!texts.is_empty()).then(|| one_line(texts.join("; ")));
    match (alert.status, alert.severity) {
        (AlertStatus::Firing, Severity::Critical) => tracing::error!(top, texts, "{text}"),
        (AlertStatus::Firing, Severity::Warning) => tracing::warn!(top, texts, "{text}"),
        (AlertStatus::Firing, Severity::Info) | (AlertStatus::Resolved, _) => {
            tracing::info!(texts, "{text}");
        }
    }
}

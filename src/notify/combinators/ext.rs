use std::time::Duration;

use tower_service::Service;

use crate::notify::{Delivered, Matcher, Notification, OrElse, RepeatEvery, When};

/// Combines notifiers. Implemented for every tower service that takes a [`Notification`].
pub trait NotifierExt: Service<Notification, Response: Into<Delivered>> + Sized {
    /// Delivers an alert through `other` if this notifier fails or takes more than 5 s.
    ///
    /// An alert counts as delivered if either notifier accepts it. In a chain of three or more,
    /// each gets a share of 10 s, so that the last one is called even if the others hang. If all
    /// fail, the worker follows the error after which a retry is likely to succeed soonest. Repeats
    /// go to the last notifier that accepted the alert.
    ///
    /// Each failure of this notifier counts in `lookout_notifications_failed_total`, and the first
    /// of an outage is logged. `Retry-After` is honoured for each notifier. A
    /// [test](crate::Lookout::send_test) goes to both.
    ///
    /// A notifier that accepted a firing alert also gets the resolve, even if the other one has
    /// accepted the resolve already: the worker retries it every 30 s and with each change. A
    /// restart forgets such resolves.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::{Lookout, notify::{Log, NotifierExt, Slack}};
    ///
    /// # fn build() -> Result<(), tower_lookout::notify::AddressError> {
    /// let slack = Slack::new("https://hooks.slack.com/services/T000/B000/secret")?;
    /// let builder = Lookout::builder().notify_as("slack", slack.or_else(Log::default()));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("fallback"))]
    fn or_else<N>(self, other: N) -> OrElse<Self, N>
    where
        N: Service<Notification, Response: Into<Delivered>>,
    {
        OrElse::new(self, other)
    }

    /// Repeats each firing alert at `every`, at least 60 s, with the figures of its last change.
    /// The title of a repeat begins with `[STILL FIRING]`. A notifier that asks for repeats itself,
    /// such as [`Alertmanager`](crate::guide::notifiers), keeps its own interval.
    ///
    /// Independently of this, the alert of a repeated report is updated every minute, and resolves
    /// after five minutes without a report.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_lookout::{Lookout, notify::{NotifierExt, Slack}};
    ///
    /// # fn build() -> Result<(), tower_lookout::notify::AddressError> {
    /// let slack = Slack::new("https://hooks.slack.com/services/T000/B000/secret")?;
    /// let four_hours = Duration::from_secs(4 * 60 * 60);
    /// let builder = Lookout::builder().notify(slack.repeat_every(four_hours));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("repeat_interval"))]
    fn repeat_every(self, every: Duration) -> RepeatEvery<Self> {
        RepeatEvery::new(self, every)
    }

    /// Delivers only the alerts that `matcher` matches, and the resolves of alerts that this
    /// notifier accepted. Call it last, after the other methods and after layers of your own.
    ///
    /// An alert that no notifier matches is counted in `lookout_notifications_unrouted_total`, and
    /// logged once for each rule.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::{
    ///     Lookout,
    ///     notify::{Log, Matcher, NotifierExt},
    ///     rule::Severity,
    /// };
    ///
    /// let critical = Matcher::new().min_severity(Severity::Critical);
    /// let builder = Lookout::builder()
    ///     .notify_as("pager", Log::new().when(critical.clone()))
    ///     .notify_as("chat", Log::new().when(!critical));
    /// ```
    #[doc(alias("silence", "route"))]
    fn when(self, matcher: Matcher) -> When<Self> {
        When { notifier: self, matcher }
    }
}

impl<S: Service<Notification, Response: Into<Delivered>>> NotifierExt for S {}

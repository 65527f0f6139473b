use std::time::Duration;

use tower_service::Service;

use crate::notify::{Delivered, Matcher, Notification, OrElse, RepeatEvery, When};

/// Combines notifiers; for every tower service that takes a [`Notification`].
pub trait NotifierExt: Service<Notification, Response: Into<Delivered>> + Sized {
    /// Where this one fails, or takes more than 5 s, `other` is given the message at once, or what is
    /// left of it; what either took is delivered. Of three or more each has its share of ten seconds, so
    /// that the last one is asked though all before it hang. If both fail, it is tried again as that failure asks
    /// after which another try helps sooner. What is only told again, as [`Delivered`] asks for, is for
    /// whichever of the two took it last.
    ///
    /// A failure of this one counts in `lookout_notifications_failed_total` though `other` delivers, and
    /// the log has the first of several. Whoever asked to be left alone for a while is. A
    /// [test](crate::Lookout::send_test) goes to both.
    ///
    /// Whichever of the two was told that an alert fires is told the resolve, too, though the other one
    /// took that: this one again each 30 s, and with whatever comes. The next process does not know of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::{Lookout, Slack, notify::{Log, NotifierExt}};
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

    /// Tells what fires again when that has passed, a minute at least, since it was told; as
    /// `[STILL FIRING]`, with the figures of its last change. A notifier that asks for more, such as
    /// Alertmanager's, gets what it asks for.
    ///
    /// A report that comes again is told each minute in any case, and is over after five without any.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_lookout::{Lookout, Slack, notify::NotifierExt};
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

    /// Only for the alerts that `matcher` matches, and for the resolve of what it was told of. It comes
    /// last, after the others and layers of your own.
    ///
    /// An alert that is for none of the notifiers is counted in
    /// `lookout_notifications_unrouted_total`, and logged once a rule.
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

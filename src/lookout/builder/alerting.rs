use std::{sync::Arc, time::Duration};

use tower::ServiceExt;

use super::LookoutBuilder;
use crate::{
    alert::Alert,
    notify::{IntoNotifier, Matcher, NotifierQueue, Worker},
    rule::Rule,
};

/// Identity: the names of the service in alerts.
impl LookoutBuilder {
    /// Sets the service's name in alerts. Defaults to the name of the executable.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.origin.service = name.into();
        self
    }

    /// Sets the instance in alerts, which distinguishes replicas. Defaults to the host's name and
    /// the process ID, `host:4711`.
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.origin.instance = name.into();
        self
    }

    /// Sets the service's version in alerts, such as `env!("CARGO_PKG_VERSION")`. Defaults to none.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.origin.version = Some(version.into());
        self
    }
}

/// Alerting: the rules, the notifiers and the heartbeat.
impl LookoutBuilder {
    /// Adds a rule. Without rules the lookout only counts, and sends reports. See the
    /// [guide](crate::guide::rules).
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds rules, such as [`Rule::defaults`].
    pub fn rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// Adds a notifier, named after its type: `slack`, `log`. See the
    /// [guide](crate::guide::notifiers) for all receivers, and [`notify`](crate::notify) to write
    /// your own. The service returns `()`, or a [`Delivered`](crate::notify::Delivered) that asks
    /// for another call.
    ///
    /// A notifier receives every alert, or those that a [`Matcher`](crate::notify::Matcher)
    /// matches: `pagerduty.when(matcher)`, with
    /// [`NotifierExt::when`](crate::notify::NotifierExt::when).
    ///
    /// `None` adds nothing. [`Slack::from_env`](crate::notify::Slack::from_env) returns `None` if the
    /// variable is not set.
    ///
    /// The notifier runs on the lookout's thread, so it must not block. Put code that blocks into
    /// [`on_alert`](Self::on_alert), or into `tokio::task::spawn_blocking`.
    pub fn notify<N: IntoNotifier<K>, K>(self, notifier: N) -> Self {
        let name = type_word::<N::Notifier>();
        self.notify_as(name, notifier)
    }

    /// Adds a notifier under a name of your own, for its counters and log lines. If the name is
    /// taken, it gets a number: `slack-2`.
    ///
    /// After a restart, the state file returns the waiting alerts to the notifier with the same
    /// name, and for a built-in receiver also with the same address. Layers and `or_else` hide the
    /// address: if you have several of those, give each a name.
    pub fn notify_as<K>(mut self, name: impl Into<String>, notifier: impl IntoNotifier<K>) -> Self {
        if let Some((notifier, matcher)) = notifier.into_notifier() {
            let (name, address) = (name.into(), address_of(&notifier));
            let queue = self.queue(name, address, matcher);
            self.notifiers.push((Arc::clone(&queue), Worker::new(queue, notifier)));
        }
        self
    }

    pub(super) fn add(
        &mut self,
        name: String,
        matcher: Option<Matcher>,
        worker: impl FnOnce(Arc<NotifierQueue>) -> Worker,
    ) {
        let queue = self.queue(name, None, matcher);
        let worker = worker(Arc::clone(&queue));
        self.notifiers.push((queue, worker));
    }

    fn queue(
        &self,
        kind: String,
        address: Option<String>,
        matcher: Option<Matcher>,
    ) -> Arc<NotifierQueue> {
        let notifiers = self.notifiers.iter().map(|(queue, _)| queue);
        let heartbeats = self.heartbeats.iter().map(|(_, queue, _)| queue);
        let taken: Vec<_> = notifiers.chain(heartbeats).map(|queue| &queue.name).collect();
        let name = std::iter::once(kind.clone())
            .chain((2..).map(|number| format!("{kind}-{number}")))
            .find(|name| !taken.contains(&name))
            .unwrap_or_else(|| kind.clone());
        let queue = NotifierQueue::new(name, matcher);
        #[cfg(feature = "state")]
        let queue = queue.keyed(kind, address);
        #[cfg(not(feature = "state"))]
        let _ = address;
        Arc::new(queue)
    }

    /// Sends a heartbeat at this interval, at least a second: a dead-man's switch, since a dead
    /// process cannot send an alert. Defaults to none. See the
    /// [guide](crate::guide::operations#detect-a-dead-process).
    ///
    /// The receiver is usually [`Ping`](crate::notify::Ping), for a service that raises an alarm
    /// when it is not called in time, or [`Alertmanager`](crate::notify::Alertmanager). There the
    /// alert `Watchdog` fires until four minutes after the last beat, so send one every minute or
    /// two. Any other notifier works too. The receiver gets only the alert `Watchdog`, with the
    /// severity `info`. Its counters have the name `heartbeat`.
    ///
    /// The tick that evaluates the rules sends the beat, and the beat takes the path of every
    /// alert. So a missing beat means that the evaluation or the delivery does not work. A failed
    /// beat is retried, and merged with the next one. The shutdown sends no beat: if you stop a
    /// service for good, stop the receiver's check too.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "webhook")]
    /// # fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use tower_lookout::{Lookout, notify::Ping};
    ///
    /// let ping = Ping::new("https://hc-ping.com/your-uuid-here")?;
    /// let builder = Lookout::builder().heartbeat(Duration::from_secs(60), ping);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("deadman", "watchdog", "healthcheck"))]
    pub fn heartbeat<K>(mut self, every: Duration, notifier: impl IntoNotifier<K>) -> Self {
        // The matcher is ignored, since the notifier receives only this alert.
        let Some((notifier, _)) = notifier.into_notifier() else { return self };
        let queue = self.queue("heartbeat".to_owned(), None, None);
        // The next beat repeats the alert.
        let once = notifier.map_response(|_| ());
        let worker = Worker::new(Arc::clone(&queue), once);
        self.heartbeats.push((every.max(Duration::from_secs(1)), queue, worker));
        self
    }

    /// Calls `hook` for each alert that fires or resolves, one at a time. It runs on its own
    /// thread, so it may block. A panic in it counts as a failed delivery, and is not retried.
    /// [`send_test`](crate::Lookout::send_test) calls it too; [`Alert::is_test`] marks such an
    /// alert.
    #[doc(alias("callback", "hook"))]
    pub fn on_alert(mut self, hook: impl Fn(&Alert) + Send + Sync + 'static) -> Self {
        self.add("on_alert".to_owned(), None, |queue| Worker::of_closure(queue, hook));
        self
    }
}

/// Distinguishes a notifier in the state file from others of its type. `None` if it has no address.
#[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
fn address_of<N: 'static>(notifier: &N) -> Option<String> {
    crate::notify::address_hash(notifier)
}

#[cfg(not(all(feature = "state", any(feature = "_http", feature = "email"))))]
fn address_of<N>(_notifier: &N) -> Option<String> {
    None
}

/// The last word of a type's path, in lower case and without its type parameters: `slack`. A
/// combinator has the name of its inner notifier.
fn type_word<T>() -> String {
    let combinator = concat!(env!("CARGO_CRATE_NAME"), "::notify::");
    let is_combinator = |path: &str| path.starts_with(combinator) && !path.contains(',');
    let mut name = std::any::type_name::<T>();
    while let Some((path, inner)) = name.split_once('<')
        && is_combinator(path)
    {
        name = inner;
    }
    let path = name.split(['<', ',', '>']).next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{Log, NotifierExt};

    fn word<T>(_: T) -> String {
        type_word::<T>()
    }

    #[test]
    fn a_notifier_is_named_after_its_type_and_a_combinator_after_its_inner_notifier() {
        let func = tower::service_fn(|_: crate::notify::Notification| async {
            Ok::<_, std::convert::Infallible>(())
        });
        assert_eq!(word(Log::new()), "log");
        assert_eq!(word(func), "servicefn");
        assert_eq!(word(Log::new().or_else(func)), "log");
        assert_eq!(word(func.or_else(Log::new())), "servicefn");
    }
}

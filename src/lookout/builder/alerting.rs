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

    /// Sets the instance in alerts, which tells replicas apart. Defaults to the host's name and the
    /// process ID, `host:4711`.
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
    /// your own. The service returns `()`, or a [`Delivered`](crate::notify::Delivered) to be
    /// called again.
    ///
    /// A notifier receives every alert, or those that a [`Matcher`](crate::notify::Matcher)
    /// matches: `pagerduty.when(matcher)`, with
    /// [`NotifierExt::when`](crate::notify::NotifierExt::when).
    ///
    /// `None` adds nothing. [`Slack::from_env`](crate::Slack::from_env) returns it if the variable
    /// is not set.
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
    /// After a restart with a state file, a notifier gets its waiting alerts back by its name, and
    /// a built-in receiver also by its address. Layers and `or_else` hide the address: if you have
    /// several of those, give each a name.
    pub fn notify_as<K>(mut self, name: impl Into<String>, notifier: impl IntoNotifier<K>) -> Self {
        if let Some((notifier, matcher)) = notifier.into_notifier() {
            let (name, address) = (name.into(), address_of(&notifier));
            let mailbox = self.mailbox(name, address, matcher);
            self.notifiers.push((Arc::clone(&mailbox), Worker::new(mailbox, notifier)));
        }
        self
    }

    pub(super) fn add(
        &mut self,
        name: String,
        matcher: Option<Matcher>,
        worker: impl FnOnce(Arc<NotifierQueue>) -> Worker,
    ) {
        let mailbox = self.mailbox(name, None, matcher);
        let worker = worker(Arc::clone(&mailbox));
        self.notifiers.push((mailbox, worker));
    }

    fn mailbox(
        &self,
        kind: String,
        address: Option<String>,
        matcher: Option<Matcher>,
    ) -> Arc<NotifierQueue> {
        let notifiers = self.notifiers.iter().map(|(mailbox, _)| mailbox);
        let heartbeats = self.heartbeats.iter().map(|(_, mailbox, _)| mailbox);
        let taken: Vec<_> = notifiers.chain(heartbeats).map(|mailbox| &mailbox.name).collect();
        let name = std::iter::once(kind.clone())
            .chain((2..).map(|number| format!("{kind}-{number}")))
            .find(|name| !taken.contains(&name))
            .unwrap_or_else(|| kind.clone());
        let mailbox = NotifierQueue::new(name, matcher);
        #[cfg(feature = "state")]
        let mailbox = mailbox.keyed(kind, address);
        #[cfg(not(feature = "state"))]
        let _ = address;
        Arc::new(mailbox)
    }

    /// Sends a heartbeat at this interval, at least a second: a dead-man's switch, since a dead
    /// process cannot send an alert. Defaults to none. See the
    /// [guide](crate::guide::operations#detect-a-dead-process).
    ///
    /// The receiver is [`Ping`](crate::notify::Ping), for a service that alarms when it is not
    /// called in time. Or it is [`Alertmanager`](crate::notify::Alertmanager), where the alert
    /// `Watchdog` fires until four minutes after the last beat, so beat every minute or two. Or it
    /// is any notifier. It receives the alert `Watchdog` with the severity `info`, and no other.
    /// Its counters have the name `heartbeat`.
    ///
    /// A beat comes from the tick that evaluates the rules, and takes the path of every message. So
    /// a missing beat means that one of them does not work. A failed beat is retried, and merged
    /// with the next. The shutdown sends no beat: if you stop a service for good, stop the
    /// receiver's check too.
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
        // It receives one alert only, whatever its matcher is.
        let Some((notifier, _)) = notifier.into_notifier() else { return self };
        let mailbox = self.mailbox("heartbeat".to_owned(), None, None);
        // The next beat repeats the alert.
        let once = notifier.map_response(|_| ());
        let worker = Worker::new(Arc::clone(&mailbox), once);
        self.heartbeats.push((every.max(Duration::from_secs(1)), mailbox, worker));
        self
    }

    /// Calls `hook` for each alert that fires or resolves, one at a time, on a thread of its own
    /// where it may block. A panic in it counts as a failed delivery, and is not retried.
    /// [`send_test`](crate::Lookout::send_test) calls it too; [`Alert::is_test`] marks such an
    /// alert.
    #[doc(alias("callback", "hook"))]
    pub fn on_alert(mut self, hook: impl Fn(&Alert) + Send + Sync + 'static) -> Self {
        self.add("on_alert".to_owned(), None, |mailbox| Worker::of_closure(mailbox, hook));
        self
    }
}

/// Distinguishes a notifier from others of its type in the state file, if its type has an address.
#[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
fn address_of<N: 'static>(notifier: &N) -> Option<String> {
    crate::notify::address_hash(notifier)
}

#[cfg(not(all(feature = "state", any(feature = "_http", feature = "email"))))]
fn address_of<N>(_notifier: &N) -> Option<String> {
    None
}

/// The last word of a type's path, in lower case and without its parameters: `slack`. A combinator has
/// the name of its inner notifier.
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
    fn a_notifier_has_the_name_of_its_type_and_a_combinator_that_of_its_inner_notifier() {
        let func = tower::service_fn(|_: crate::notify::Notification| async {
            Ok::<_, std::convert::Infallible>(())
        });
        assert_eq!(word(Log::new()), "log");
        assert_eq!(word(func), "servicefn");
        assert_eq!(word(Log::new().or_else(func)), "log");
        assert_eq!(word(func.or_else(Log::new())), "servicefn");
    }
}

use std::{sync::Arc, time::Duration};

use tower::ServiceExt;

use super::LookoutBuilder;
use crate::{
    alert::Alert,
    notify::{IntoNotifier, Mailbox, Matcher, Worker},
    rule::Rule,
};

/// Who is watched, what is wrong with it, and who hears of that.
impl LookoutBuilder {
    /// The service's name in alerts. Defaults to the name of the executable.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.origin.service = name.into();
        self
    }

    /// The instance in alerts, to tell replicas apart. Defaults to the host's name and the process
    /// id, `host:4711`.
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.origin.instance = name.into();
        self
    }

    /// The service's version in alerts, such as `env!("CARGO_PKG_VERSION")`. Defaults to none.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.origin.version = Some(version.into());
        self
    }

    /// Adds a rule. Without any, the lookout only counts.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds rules, such as [`Rule::defaults`].
    pub fn rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// Adds a notifier, called after its type: `slack`, `log`. See [`notify`](crate::notify). It
    /// answers `()`, or with [`Delivered`](crate::notify::Delivered) when it is to be told again.
    ///
    /// It is told of every alert, or of those that a
    /// [`Matcher`](crate::notify::Matcher) matches: `pagerduty.when(matcher)`, by
    /// [`NotifierExt::when`](crate::notify::NotifierExt::when).
    ///
    /// `None` adds nothing, as [`Slack::from_env`](crate::Slack::from_env) returns it where the variable
    /// is not set.
    ///
    /// It runs on the lookout's thread, so it must not block: what does belongs into
    /// [`on_alert`](Self::on_alert), or into `tokio::task::spawn_blocking`.
    pub fn notify<N: IntoNotifier<K>, K>(self, notifier: N) -> Self {
        let name = type_word::<N::Notifier>();
        self.notify_as(name, notifier)
    }

    /// Adds a notifier under a name of your own, by which its counters and log lines are told. Where
    /// the name is taken it gets a number, `slack-2`.
    ///
    /// After a restart a notifier gets its waiting alerts back by its name, and by the address of a built-in
    /// receiver (`state_path`). Layers and `or_else` hide the address: give several of those a name each.
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
        worker: impl FnOnce(Arc<Mailbox>) -> Worker,
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
    ) -> Arc<Mailbox> {
        let notifiers = self.notifiers.iter().map(|(mailbox, _)| mailbox);
        let heartbeats = self.heartbeats.iter().map(|(_, mailbox, _)| mailbox);
        let taken: Vec<_> = notifiers.chain(heartbeats).map(|mailbox| &mailbox.name).collect();
        let name = std::iter::once(kind.clone())
            .chain((2..).map(|number| format!("{kind}-{number}")))
            .find(|name| !taken.contains(&name))
            .unwrap_or_else(|| kind.clone());
        let mailbox = Mailbox::new(name, matcher);
        #[cfg(feature = "state")]
        let mailbox = mailbox.keyed(kind, address);
        #[cfg(not(feature = "state"))]
        let _ = address;
        Arc::new(mailbox)
    }

    /// Tells a receiver so often that this process is alive, at least a second apart: a dead-man's
    /// switch, since what a dead process can't report is reported by its silence. Defaults to none.
    ///
    /// The receiver is [`Ping`](crate::notify::Ping), for a service that alarms when its address is not
    /// called in time; or [`Alertmanager`](crate::notify::Alertmanager), where the alert `Watchdog` then
    /// fires until four minutes after the last beat, so beat each minute or two; or any notifier. It
    /// gets the alert `Watchdog`, of severity `info`, and no other; its counters have the name
    /// `heartbeat`.
    ///
    /// A beat comes from the tick by which rules are judged, and goes the way of every message, so that
    /// silence means that one of them does not work. A beat that fails is tried again, and merged with
    /// the next. At the shutdown nothing is said: whoever stops a service for good stops the receiver's
    /// check, too.
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
        // It is for the one alert that it gets, whatever it was made for.
        let Some((notifier, _)) = notifier.into_notifier() else { return self };
        let mailbox = self.mailbox("heartbeat".to_owned(), None, None);
        // What asks to be told again is: by the next beat.
        let once = notifier.map_response(|_| ());
        let worker = Worker::new(Arc::clone(&mailbox), once);
        self.heartbeats.push((every.max(Duration::from_secs(1)), mailbox, worker));
        self
    }

    /// Calls `hook` for each alert that fires or is resolved, one after the other, on a thread of its own where
    /// it may block for as long as it likes. A panic in it counts as a failed delivery, and is not tried
    /// again. [`send_test`](crate::Lookout::send_test) calls it, too, with what
    /// [`Alert::is_test`] tells from an alert.
    #[doc(alias("callback", "hook"))]
    pub fn on_alert(mut self, hook: impl Fn(&Alert) + Send + Sync + 'static) -> Self {
        self.add("on_alert".to_owned(), None, |mailbox| Worker::of_hook(mailbox, hook));
        self
    }
}

/// What tells a notifier from others of its type in the state file, where its type shows it.
#[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
fn address_of<N: 'static>(notifier: &N) -> Option<String> {
    crate::notify::address_hash(notifier)
}

#[cfg(not(all(feature = "state", any(feature = "_http", feature = "email"))))]
fn address_of<N>(_notifier: &N) -> Option<String> {
    None
}

/// The last word of a type's path, in lower case and without its parameters: `slack`. One of our
/// combinators is called after what it is around.
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
    fn a_notifier_is_called_after_its_type_and_a_combinator_after_what_it_is_around() {
        let func = tower::service_fn(|_: crate::notify::Notification| async {
            Ok::<_, std::convert::Infallible>(())
        });
        assert_eq!(word(Log::new()), "log");
        assert_eq!(word(func), "servicefn");
        assert_eq!(word(Log::new().or_else(func)), "log");
        assert_eq!(word(func.or_else(Log::new())), "servicefn");
    }
}

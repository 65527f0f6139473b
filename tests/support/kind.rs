//! The notifiers that post over HTTP, for tests that run against each of them.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{fmt::Debug, future::Future, time::Duration};

use futures_util::future::join_all;
use serde_json::Value;
use tower::Service;
use tower_lookout::{
    Lookout, LookoutBuilder, Rule,
    notify::{Delivered, DeliveryError, Discord, Notification, PagerDuty, Slack, SlackBot, Teams},
    prometheus::Scrape,
};

use crate::{
    receiver::{Receiver, Reply},
    support::{eventually, start, sum},
};

/// A notifier that posts over HTTP, and the format of its posts and responses.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Adds the notifier with this URL, and returns its `Debug` output as well.
    pub(crate) add: fn(LookoutBuilder, &str) -> (LookoutBuilder, String),
    /// The receiver's response to a post that it accepts.
    pub(crate) taken: Reply,
    /// The field of a post that contains the alert's state, and its values `firing` and `resolved`.
    pub(crate) state: fn(&Value) -> &Value,
    pub(crate) firing: &'static str,
    pub(crate) resolved: &'static str,
    /// The states that are posted for an alert that resolved before it was delivered.
    pub(crate) late: &'static [&'static str],
}

/// The kinds, one per line. Each passes each test.
pub(crate) static KINDS: &[Kind] = &[
    Kind {
        name: "slack",
        add: |builder, url| add(builder, Slack::new(url).unwrap()),
        taken: Reply::Answer(200, "", "ok"),
        state: |post| &post["blocks"][0]["text"]["text"],
        firing: "🔴 [FIRING] HighInFlight · test",
        resolved: "🟢 [RESOLVED] HighInFlight · test",
        late: &["🟢 [RESOLVED] HighInFlight · test"],
    },
    Kind {
        name: "slackbot",
        add: |builder, url| {
            add(builder, SlackBot::new("xoxb-1-s3cret", "#alerts").unwrap().url(url).unwrap())
        },
        taken: Reply::Answer(200, "", r#"{"ok":true}"#),
        state: |post| &post["blocks"][0]["text"]["text"],
        firing: "🔴 [FIRING] HighInFlight · test",
        resolved: "🟢 [RESOLVED] HighInFlight · test",
        late: &["🟢 [RESOLVED] HighInFlight · test"],
    },
    Kind {
        name: "discord",
        add: |builder, url| add(builder, Discord::new(url).unwrap()),
        taken: Reply::Answer(204, "", ""),
        state: |post| &post["embeds"][0]["title"],
        firing: "🔴 \\[FIRING\\] HighInFlight · test",
        resolved: "🟢 \\[RESOLVED\\] HighInFlight · test",
        late: &["🟢 \\[RESOLVED\\] HighInFlight · test"],
    },
    Kind {
        name: "teams",
        add: |builder, url| add(builder, Teams::new(url).unwrap()),
        taken: Reply::Answer(202, "", ""),
        state: |post| &post["attachments"][0]["content"]["body"][0]["items"][0]["text"],
        firing: "🔴 \\[FIRING\\] HighInFlight · test",
        resolved: "🟢 \\[RESOLVED\\] HighInFlight · test",
        late: &["🟢 \\[RESOLVED\\] HighInFlight · test"],
    },
    Kind {
        name: "pagerduty",
        add: |builder, url| add(builder, PagerDuty::new(KEY).unwrap().url(url).unwrap()),
        taken: Reply::Answer(202, "", "{}"),
        state: |post| &post["event_action"],
        firing: "trigger",
        resolved: "resolve",
        late: &["trigger", "resolve"],
    },
];

const KEY: &str = "0123456789abcdef0123456789s3cret";

fn add<N>(builder: LookoutBuilder, notifier: N) -> (LookoutBuilder, String)
where
    N: Service<Notification, Error = DeliveryError> + Debug + Send + 'static,
    N::Response: Into<Delivered>,
    N::Future: Send,
{
    let debug = format!("{notifier:?}");
    (builder.notify(notifier), debug)
}

/// Runs a test for each kind concurrently.
pub(crate) async fn each<F: Future<Output = ()>>(test: impl Fn(&'static Kind) -> F) {
    join_all(KINDS.iter().map(test)).await;
}

impl Kind {
    pub(crate) fn receiver(&self, script: impl IntoIterator<Item = Reply>) -> Receiver {
        Receiver::taking(self.taken, script)
    }

    /// A lookout whose only alert fires while a request is in flight.
    pub(crate) fn lookout(&self, url: &str) -> (Lookout, Scrape) {
        start(|builder| {
            let builder = builder.rule(Rule::in_flight().above(0));
            (self.add)(builder.shutdown_timeout(Duration::ZERO), url).0
        })
    }

    /// The states in the accepted posts.
    pub(crate) fn taken(&self, receiver: &Receiver) -> Vec<String> {
        let posts = receiver.taken();
        posts.iter().map(|post| (self.state)(&post.body).as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the accepted posts have these states.
    pub(crate) async fn delivered(&self, seconds: u64, receiver: &Receiver, states: &[&str]) {
        let what = format!("{states:?} by {}", self.name);
        eventually(seconds, &what, || (self.taken(receiver).len() == states.len()).then_some(()))
            .await;
        assert_eq!(self.taken(receiver), states, "{}", self.name);
    }

    /// The notifier's counters: sent, failed, retried, dropped.
    pub(crate) fn counters(&self, scrape: &Scrape) -> [f64; 4] {
        let text = scrape.render();
        ["sent", "failed", "retried", "dropped"].map(|kind| {
            let name = format!("lookout_notifications_{kind}_total");
            sum(&text, &name, &[("notifier", self.name)])
        })
    }

    pub(crate) async fn counted(&self, seconds: u64, scrape: &Scrape, counters: [f64; 4]) {
        let what = format!("{counters:?} of {}", self.name);
        eventually(seconds, &what, || (self.counters(scrape) == counters).then_some(())).await;
    }
}

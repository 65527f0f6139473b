//! The table of the HTTP receivers. Each receiver has one row, and passes each test that uses the
//! table.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{fmt::Debug, future::Future, time::Duration};

use futures_util::future::join_all;
use serde_json::Value;
use tower::{Service, ServiceExt, util::BoxService};
use tower_lookout::{
    Lookout, LookoutBuilder, Rule,
    notify::{
        Alertmanager, Delivered, DeliveryError, Discord, Notification, Opsgenie, PagerDuty, Ping,
        Slack, SlackBot, Teams, Telegram, Webhook,
    },
    prometheus::Scrape,
};

use crate::{
    receiver::{Receiver, Reply},
    support::{eventually, start, sum},
};

pub(crate) type Notifier = BoxService<Notification, Delivered, DeliveryError>;

/// A receiver with the format of its posts and responses. Its secrets contain `s3cret`.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Creates the notifier with this URL, and its `Debug` output.
    pub(crate) notifier: fn(&str) -> (Notifier, String),
    /// The parts of a hostile text that would have an effect. No post may contain them; see
    /// `faults.rs`.
    pub(crate) dangers: &'static [&'static str],
    /// The receiver's response to a post that it accepts.
    pub(crate) accepting: Reply,
    /// How the notifier reads the body of a successful response.
    pub(crate) success: Success,
    /// The delay after a 429 without `Retry-After`, in seconds.
    pub(crate) delay: u64,
    /// Finds the state of the alert in a post; `None` if the posts do not contain it, or not in the
    /// first line of a field.
    pub(crate) state: Option<fn(&Value) -> &Value>,
    /// The state of a firing alert.
    pub(crate) firing: &'static str,
    pub(crate) resolved: &'static str,
    /// The states that are posted for an alert that resolved before it was delivered.
    pub(crate) late: &'static [&'static str],
}

/// How a notifier reads the body of a successful response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Success {
    /// The notifier ignores the body.
    Ignored,
    /// The notifier rejects a body that the receiver never sends.
    Checked,
    /// The same, but if an incomplete body begins with a failure, the notifier retries.
    CheckedWhenIncomplete,
}

/// The default values of a row.
const DEFAULT: Kind = Kind {
    name: "",
    notifier: |_| panic!("a row sets it"),
    dangers: &["\u{1b}"],
    accepting: Reply::Response(202, "", ""),
    success: Success::Ignored,
    delay: 1,
    state: None,
    firing: "",
    resolved: "",
    late: &[],
};

/// The rows of the table.
pub(crate) static KINDS: &[Kind] = &[
    Kind {
        name: "slack",
        notifier: |url| boxed(Slack::new(url).unwrap()),
        dangers: &["<!channel>", "\u{1b}"],
        accepting: Reply::Response(200, "", "ok"),
        success: Success::Checked,
        state: Some(|post| &post["blocks"][0]["text"]["text"]),
        firing: "🔴 [FIRING] HighInFlight · test",
        resolved: "🟢 [RESOLVED] HighInFlight · test",
        late: &["🟢 [RESOLVED] HighInFlight · test"],
        ..DEFAULT
    },
    Kind {
        name: "slackbot",
        notifier: |url| boxed(SlackBot::new("xoxb-1-s3cret", "#alerts").unwrap().url(url).unwrap()),
        dangers: &["<!channel>", "\u{1b}"],
        accepting: Reply::Response(200, "", r#"{"ok":true}"#),
        success: Success::CheckedWhenIncomplete,
        state: Some(|post| &post["blocks"][0]["text"]["text"]),
        firing: "🔴 [FIRING] HighInFlight · test",
        resolved: "🟢 [RESOLVED] HighInFlight · test",
        late: &["🟢 [RESOLVED] HighInFlight · test"],
        ..DEFAULT
    },
    Kind {
        name: "discord",
        notifier: |url| boxed(Discord::new(url).unwrap()),
        dangers: &["[x](http://x)", "\u{1b}"],
        accepting: Reply::Response(204, "", ""),
        state: Some(|post| &post["embeds"][0]["title"]),
        firing: "🔴 \\[FIRING\\] HighInFlight · test",
        resolved: "🟢 \\[RESOLVED\\] HighInFlight · test",
        late: &["🟢 \\[RESOLVED\\] HighInFlight · test"],
        ..DEFAULT
    },
    Kind {
        name: "teams",
        notifier: |url| boxed(Teams::new(url).unwrap()),
        dangers: &["[x](http://x)", "\u{1b}"],
        state: Some(|post| &post["attachments"][0]["content"]["body"][0]["items"][0]["text"]),
        firing: "🔴 \\[FIRING\\] HighInFlight · test",
        resolved: "🟢 \\[RESOLVED\\] HighInFlight · test",
        late: &["🟢 \\[RESOLVED\\] HighInFlight · test"],
        ..DEFAULT
    },
    Kind {
        name: "telegram",
        notifier: |url| boxed(Telegram::new("123:s3cret", "-100").unwrap().url(url).unwrap()),
        dangers: &["<script>", "<!channel>", "\u{1b}"],
        accepting: Reply::Response(200, "", r#"{"ok":true}"#),
        success: Success::Checked,
        state: Some(|post| &post["text"]),
        firing: "<b>🔴 [FIRING] HighInFlight · test</b>",
        resolved: "<b>🟢 [RESOLVED] HighInFlight · test</b>",
        late: &["<b>🟢 [RESOLVED] HighInFlight · test</b>"],
        ..DEFAULT
    },
    Kind {
        name: "pagerduty",
        notifier: |url| {
            let pagerduty = PagerDuty::new("0123456789abcdef0123456789s3cret").unwrap();
            boxed(pagerduty.url(url).unwrap())
        },
        accepting: Reply::Response(202, "", "{}"),
        // PagerDuty's limit is per minute.
        delay: 60,
        state: Some(|post| &post["event_action"]),
        firing: "trigger",
        resolved: "resolve",
        late: &["trigger", "resolve"],
        ..DEFAULT
    },
    Kind {
        name: "opsgenie",
        notifier: |url| boxed(Opsgenie::new("s3cret").unwrap().url(url).unwrap()),
        ..DEFAULT
    },
    Kind {
        name: "webhook",
        notifier: |url| {
            let webhook = Webhook::new(url).unwrap();
            boxed(webhook.header("authorization", "Bearer s3cret").unwrap())
        },
        // The program that receives the post escapes the texts.
        dangers: &[],
        ..DEFAULT
    },
    Kind {
        name: "alertmanager",
        notifier: |url| {
            let alertmanager = Alertmanager::new([url]).unwrap();
            boxed(alertmanager.header("authorization", "Bearer s3cret").unwrap())
        },
        // Alertmanager's templates escape the texts.
        dangers: &[],
        ..DEFAULT
    },
    Kind { name: "ping", notifier: |url| boxed(Ping::new(url).unwrap()), ..DEFAULT },
];

fn boxed<N>(notifier: N) -> (Notifier, String)
where
    N: Service<Notification, Error = DeliveryError> + Debug + Send + 'static,
    N::Response: Into<Delivered>,
    N::Future: Send,
{
    let debug = format!("{notifier:?}");
    (BoxService::new(notifier.map_response(Into::into)), debug)
}

/// Returns the receivers whose posts contain the state of an alert.
pub(crate) fn with_state() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(|kind| kind.state.is_some())
}

/// Runs a test concurrently for each receiver whose posts contain the state of an alert.
pub(crate) async fn each<F: Future<Output = ()>>(test: impl Fn(&'static Kind) -> F) {
    join_all(with_state().map(test)).await;
}

impl Kind {
    pub(crate) fn receiver(&self, script: impl IntoIterator<Item = Reply>) -> Receiver {
        Receiver::replying(self.accepting, script)
    }

    /// Adds the notifier with this URL to a builder.
    pub(crate) fn add(&self, builder: LookoutBuilder, url: &str) -> LookoutBuilder {
        builder.notify_as(self.name, (self.notifier)(url).0)
    }

    /// Starts a lookout with one alert, which fires while a request is in flight.
    pub(crate) fn lookout(&self, url: &str) -> (Lookout, Scrape) {
        start(|builder| {
            let builder = builder.rule(Rule::in_flight().above(0));
            self.add(builder.shutdown_timeout(Duration::ZERO), url)
        })
    }

    /// Returns the states in the accepted posts.
    pub(crate) fn accepted(&self, receiver: &Receiver) -> Vec<String> {
        let state = self.state.unwrap();
        let line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        receiver.accepted().iter().map(|post| line(state(&post.body).as_str().unwrap())).collect()
    }

    /// Waits until the accepted posts contain these states.
    pub(crate) async fn delivered(&self, seconds: u64, receiver: &Receiver, states: &[&str]) {
        let event = format!("{states:?} by {}", self.name);
        eventually(seconds, &event, || {
            (self.accepted(receiver).len() == states.len()).then_some(())
        })
        .await;
        assert_eq!(self.accepted(receiver), states, "{}", self.name);
    }

    /// Returns the notifier's counters: sent, failed, retried, dropped.
    pub(crate) fn counters(&self, scrape: &Scrape) -> [f64; 4] {
        let text = scrape.render();
        ["sent", "failed", "retried", "dropped"].map(|kind| {
            let name = format!("lookout_notifications_{kind}_total");
            sum(&text, &name, &[("notifier", self.name)])
        })
    }

    pub(crate) async fn counted(&self, seconds: u64, scrape: &Scrape, counters: [f64; 4]) {
        let event = format!("{counters:?} of {}", self.name);
        eventually(seconds, &event, || (self.counters(scrape) == counters).then_some(())).await;
    }
}

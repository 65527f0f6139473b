//! Each fault with each receiver: whether and when it is retried, and that no error or log contains
//! a secret, or unescaped text of an alert or a response.
//!
//! The worker's tests (retries, delays, counters) are in `src/notify/dispatch/worker_tests.rs`, in
//! virtual time. `receivers.rs` and `email.rs` test both together.

#![cfg(all(
    feature = "alertmanager",
    feature = "discord",
    feature = "email",
    feature = "opsgenie",
    feature = "pagerduty",
    feature = "prometheus",
    feature = "slack",
    feature = "teams",
    feature = "webhook"
))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/fault.rs"]
mod fault;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/mail_server.rs"]
mod mail_server;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::{error::Error, sync::Arc, time::Duration};

use futures_util::future::join_all;
use mail_parser::MessageParser;
use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};
use tower::{Service, ServiceExt, service_fn, util::BoxService};
use tower_lookout::{
    Report,
    notify::{
        Alertmanager, DeliveryError, Discord, Email, Notification, Opsgenie, PagerDuty, Ping,
        Slack, SlackBot, Teams, Webhook,
    },
};

use fault::Fault;
use logs::{Logs, assert_no_secret};
use mail_server::{Fault as MailFault, MailServer};
use receiver::{Receiver, Reply};
use support::start;

type Notifier = BoxService<Notification, (), DeliveryError>;

/// A receiver's name, and the notifier for a URL.
type Named = (&'static str, fn(&str) -> Notifier);

/// Each HTTP receiver, with its secrets.
const RECEIVERS: [Named; 9] = [
    ("slack", |url| boxed(Slack::new(url).unwrap())),
    ("slackbot", |url| boxed(SlackBot::new("xoxb-s3cret", "#alerts").unwrap().url(url).unwrap())),
    ("discord", |url| boxed(Discord::new(url).unwrap())),
    ("teams", |url| boxed(Teams::new(url).unwrap())),
    ("pagerduty", |url| {
        boxed(PagerDuty::new("0123456789abcdef0123456789s3cret").unwrap().url(url).unwrap())
    }),
    ("opsgenie", |url| boxed(Opsgenie::new("s3cret").unwrap().url(url).unwrap())),
    ("webhook", |url| {
        boxed(Webhook::new(url).unwrap().header("authorization", "Bearer s3cret").unwrap())
    }),
    ("alertmanager", |url| {
        boxed(Alertmanager::new([url]).unwrap().header("authorization", "Bearer s3cret").unwrap())
    }),
    ("ping", |url| boxed(Ping::new(url).unwrap())),
];

fn boxed<N>(notifier: N) -> Notifier
where
    N: Service<Notification, Error = DeliveryError> + std::fmt::Debug + Send + 'static,
    N::Future: Send,
{
    let debug = format!("{notifier:?}");
    assert!(!debug.contains("s3cret"), "{debug}");
    BoxService::new(notifier.map_response(|_| ()))
}

/// The outcome of a delivery, by its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    /// Retried with backoff.
    Retried,
    /// Retried after this number of seconds.
    RetriedAfter(u64),
    /// Retried slowly, and logged as an error once: a misconfiguration.
    Broken,
    /// Dropped and counted.
    Rejected,
    /// Timed out by the worker after 10 s, and retried.
    Hangs,
}

use Fate::{Broken, Hangs, Rejected, Retried, RetriedAfter, Taken};

/// A response that repeats the request, as some do.
const fn answer(status: u16, retry_after: &'static str) -> Fault {
    Fault::Reply(Reply::Answer(status, retry_after, "s3cret <!channel> \u{1b}[31m"))
}

/// A date beyond the longest delay.
const DATE: &str = "Fri, 31 Dec 2100 23:59:59 GMT";

/// A fault, its outcome, and the receivers with another outcome.
type Row = (Fault, Fate, &'static [(&'static str, Fate)]);

#[rustfmt::skip]
const FAULTS: [Row; 29] = [
    (Fault::Refused, Retried, &[]),
    (Fault::NoSuchHost, Retried, &[]),
    (Fault::NoTls, Retried, &[]),
    (Fault::Untrusted, Retried, &[]),
    (Fault::Closed, Retried, &[]),
    // A retry might post an accepted message twice.
    (Fault::BrokenOff(200), Taken, &[]),
    (Fault::BrokenOff(500), Retried, &[]),
    // The same for a response that does not end in time. The beginning of a bot's may be a failure.
    (Fault::Endless(200, ""), Taken, &[]),
    (Fault::Endless(200, r#"{"ok":false,"error":"inter"#), Taken, &[("slackbot", Retried)]),
    (Fault::Endless(404, ""), Broken, &[]),
    (Fault::Endless(500, ""), Retried, &[]),
    (Fault::Reply(Reply::Hang), Hangs, &[]),
    // Most receivers ignore the body of a success. Slack reports errors in it.
    (answer(200, ""), Taken, &[("slack", Rejected), ("slackbot", Rejected)]),
    (answer(302, ""), Broken, &[]),
    (answer(400, ""), Rejected, &[]),
    (answer(401, ""), Broken, &[]),
    (answer(403, ""), Broken, &[]),
    (answer(404, ""), Broken, &[]),
    (answer(408, ""), Retried, &[]),
    (answer(410, ""), Broken, &[]),
    (answer(413, ""), Rejected, &[]),
    (answer(429, "7"), RetriedAfter(7), &[]),
    (answer(429, DATE), RetriedAfter(3_600), &[]),
    // PagerDuty's limit is per minute.
    (answer(429, ""), RetriedAfter(1), &[("pagerduty", RetriedAfter(60))]),
    (answer(500, ""), Retried, &[]),
    (answer(500, "7"), Retried, &[]),
    (answer(502, ""), Retried, &[]),
    (answer(503, ""), Retried, &[]),
    (answer(503, "7"), RetriedAfter(7), &[]),
];

/// The same for mail, with SMTP replies (RFC 5321 §4.2). A reply is logged, except the reply to the
/// login, which may contain the password.
#[rustfmt::skip]
const MAIL_FAULTS: [(MailFault, Fate); 17] = [
    (MailFault::None, Taken),
    (MailFault::Drop(""), Retried),
    (MailFault::Drop("DATA"), Retried),
    (MailFault::Hang("RCPT"), Hangs),
    (MailFault::Answer("", "421 4.3.2 \u{1b}[31mshutting down"), Retried),
    (MailFault::Answer("", "HTTP/1.1 200 OK"), Retried),
    (MailFault::Answer("", "554 5.3.2 \u{1b}[31mno mail here"), Broken),
    (MailFault::Answer("AUTH", "454 4.7.0 s3cret try later"), Retried),
    (MailFault::Answer("AUTH", "535 5.7.8 s3cret wrong"), Broken),
    (MailFault::Answer("MAIL", "451 4.3.0 \u{1b}[31mlocal error"), Retried),
    (MailFault::Answer("MAIL", "550 5.7.1 \u{1b}[31mnot from you"), Broken),
    (MailFault::Answer("RCPT", "450 4.2.0 \u{1b}[31mgreylisted"), Retried),
    (MailFault::Answer("RCPT", "550 5.1.1 \u{1b}[31munknown"), Broken),
    (MailFault::Answer("DATA", "452 4.3.1 \u{1b}[31mno space"), Retried),
    (MailFault::Answer(".", "451 4.3.0 \u{1b}[31mnot stored"), Retried),
    (MailFault::Answer(".", "552 5.3.4 \u{1b}[31mtoo large"), Rejected),
    (MailFault::Answer(".", "554 5.6.0 \u{1b}[31mrefused for what it is"), Rejected),
];

/// Mail server addresses that can't be reached.
const MAIL_URLS: [(&str, Fate); 4] = [
    ("smtp://lookout:s3cret@127.0.0.1:1?tls=none", Retried),
    ("smtp://NO_SUCH_HOST?tls=none", Retried),
    // A server without TLS, for an address that requires it.
    ("smtps://lookout:s3cret@SERVER", Retried),
    ("smtp://lookout:s3cret@SERVER", Broken),
];

/// An alert whose texts would have an effect if they were not escaped.
async fn hostile() -> Notification {
    let (sender, mut received) = mpsc::unbounded_channel();
    let sender = Arc::new(sender);
    let (lookout, _scrape) = start(|builder| {
        builder.notify(service_fn(move |notification: Notification| {
            let sender = Arc::clone(&sender);
            async move { sender.send(notification) }
        }))
    });
    let report = Report::new("Lost", HOSTILE).field("who", HOSTILE);
    lookout.reporter().send(report);
    timeout(Duration::from_secs(5), received.recv()).await.unwrap().unwrap()
}

const HOSTILE: &str = "<!channel> @everyone [x](http://x) <script> \u{1b}[31m\r\nSubject: x";

/// Delivers a message once, and checks that its error contains no secret.
async fn deliver(
    mut notifier: Notifier,
    notification: Notification,
    expected: Fate,
    what: &str,
) -> Fate {
    let call = notifier.ready().await.unwrap().call(notification);
    // A hanging receiver hangs for ever: the worker's own tests cover its timeout.
    let limit = Duration::from_secs(if expected == Hangs { 2 } else { 20 });
    let Ok(delivered) = timeout(limit, call).await else { return Hangs };
    let Err(error) = delivered else { return Taken };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    for word in ["\u{1b}", "\r", "\n", "<!channel>", "@everyone"] {
        assert!(!text.contains(word), "{what}: {text}");
    }
    let debug = format!("{error:?}");
    for secret in ["s3cret", "AHMzY3JldA"] {
        assert!(!text.contains(secret) && !debug.contains(secret), "{what}: {text} {debug}");
    }
    let after = debug.split_once("RetryAfter(").and_then(|(_, rest)| rest.split_once(')'));
    match (error.to_string().as_str(), after) {
        ("not delivered yet", Some((wait, _))) => {
            RetriedAfter(wait.trim_end_matches('s').parse::<f64>().unwrap().ceil() as u64)
        }
        ("not delivered", None) => Retried,
        ("the notifier is misconfigured", None) => Broken,
        ("the receiver rejected the message", None) => Rejected,
        other => panic!("{what}: {other:?}"),
    }
}

fn email(url: &str) -> Notifier {
    boxed(Email::new(url, "alerts@example.com", ["oncall@example.com"]).unwrap())
}

/// A receiver with a fault, and the expected outcome.
struct Case {
    what: String,
    notifier: Notifier,
    expected: Fate,
    /// The receiver that records the posts, if one gets them.
    receiver: Option<Receiver>,
}

/// Each receiver with each fault.
async fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, notifier) in RECEIVERS {
        for (fault, usual, exceptions) in FAULTS {
            let other = exceptions.iter().find(|(receiver, _)| *receiver == name);
            let (url, receiver) = fault.serve().await;
            cases.push(Case {
                what: format!("{name} {fault:?}"),
                notifier: notifier(&url),
                expected: other.map_or(usual, |(_, fate)| *fate),
                receiver,
            });
        }
    }
    for (fault, expected) in MAIL_FAULTS {
        let notifier = email(&MailServer::new([fault]).serve().await);
        let what = format!("email {fault:?}");
        cases.push(Case { what, notifier, expected, receiver: None });
    }
    for (url, expected) in MAIL_URLS {
        let served = MailServer::new([]).serve().await;
        let server = served.split(['@', '?']).nth(1).unwrap();
        let what = url.replace("SERVER", server).replace("NO_SUCH_HOST", &"x".repeat(64));
        cases.push(Case { notifier: email(&what), what, expected, receiver: None });
    }
    cases
}

#[tokio::test]
async fn each_fault_is_classified_by_each_receiver_without_showing_a_secret() {
    // This is the only test in this binary that captures logs.
    let logs = Logs::of_all();
    let hostile = hostile().await;
    let cases = cases().await.into_iter().map(|case| {
        let hostile = hostile.clone();
        async move {
            let Case { what, notifier, expected, receiver } = case;
            let fate = deliver(notifier, hostile, expected, &what).await;
            // The worker decides when to retry.
            let posts = receiver.map_or(1, |receiver| receiver.posts().len());
            let is_wrong = fate != expected || posts != 1;
            is_wrong.then(|| format!("{what}: {fate:?}, not {expected:?}; {posts} posts"))
        }
    });
    let wrong: Vec<_> = join_all(cases).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let logs = logs.text();
    assert!(logs.contains("hyper_util"), "the client's lines are looked at, too");
    assert_no_secret(&logs);
}

/// The parts of [`HOSTILE`] that would have an effect at each receiver. Alertmanager and webhooks
/// get texts unescaped, since their consumers escape them.
const DANGERS: [(&str, &[&str]); 8] = [
    ("slack", &["<!channel>", "\u{1b}"]),
    ("slackbot", &["<!channel>", "\u{1b}"]),
    ("discord", &["[x](http://x)", "\u{1b}"]),
    ("teams", &["[x](http://x)", "\u{1b}"]),
    ("pagerduty", &["\u{1b}"]),
    ("opsgenie", &["\u{1b}"]),
    ("webhook", &[]),
    ("alertmanager", &[]),
];

#[tokio::test]
async fn user_text_is_inert_at_each_receiver() {
    let hostile = hostile().await;
    for ((name, notifier), (receiver, dangers)) in RECEIVERS.iter().zip(DANGERS) {
        assert_eq!(*name, receiver);
        let server = Receiver::new([]);
        let url = server.serve().await;
        notifier(&url).oneshot(hostile.clone()).await.ok();
        let posts = server.posts();
        let mut texts = Vec::new();
        posts.iter().for_each(|post| strings(&post.body, &mut texts));
        assert!(texts.iter().any(|text| text.contains("everyone")), "{name} got: {texts:?}");
        for danger in dangers {
            assert!(
                !texts.iter().any(|text| text.contains(danger)),
                "{name} {danger:?}: {texts:?}"
            );
        }
        if receiver == "discord" {
            assert_eq!(posts[0].body["allowed_mentions"]["parse"], serde_json::json!([]));
        }
    }

    let server = MailServer::new([]);
    email(&server.serve().await).oneshot(hostile).await.unwrap();
    let raw = server.mails()[0].raw.clone();
    let mail = MessageParser::default().parse(raw.as_bytes()).unwrap();
    let (head, _) = raw.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.lines().filter(|line| line.starts_with("Subject:")).count(), 1, "{head}");
    let (html, text) = (mail.body_html(0).unwrap(), mail.body_text(0).unwrap());
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
    assert!(text.contains("<script>") && !format!("{text}{html}").contains('\u{1b}'), "{text}");
}

fn strings(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, texts)),
        _ => {}
    }
}

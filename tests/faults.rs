//! Each fault with each receiver: whether and when the delivery is retried. No error or log
//! contains a secret, or unescaped text of an alert or a response.
//!
//! The worker's tests (retries, delays, counters) are in `src/notify/dispatch/worker_tests.rs`, in
//! virtual time. `receivers.rs` and `email.rs` test both together.

#![cfg(all(feature = "prometheus", feature = "receivers"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/fault.rs"]
mod fault;
#[path = "support/kind.rs"]
mod kind;
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
    notify::{Email, Notification},
};

use fault::Fault;
use kind::{KINDS, Kind, Notifier, Success};
use logs::{Logs, assert_no_secret};
use mail_server::{Fault as MailFault, MailServer};
use receiver::{Receiver, Reply};
use support::start;

/// The outcome of a delivery, according to its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Accepted,
    /// Retried with backoff.
    Retried,
    /// Retried after this number of seconds.
    RetriedAfter(u64),
    /// Retried slowly, and logged as an error once: a misconfiguration.
    Misconfigured,
    /// Dropped and counted.
    Rejected,
    /// Timed out by the worker after 10 s, and retried.
    TimedOut,
}

use Outcome::{Accepted, Misconfigured, Rejected, Retried, RetriedAfter, TimedOut};

/// A response that repeats parts of the request, as some receivers do.
const fn response(status: u16, retry_after: &'static str) -> Fault {
    Fault::Reply(Reply::Response(status, retry_after, "s3cret <!channel> \u{1b}[31m"))
}

/// A date beyond the longest delay.
const DATE: &str = "Fri, 31 Dec 2100 23:59:59 GMT";

/// A fault, and its outcome with a receiver.
type Row = (Fault, fn(&Kind) -> Outcome);

const FAULTS: [Row; 29] = [
    (Fault::Refused, |_| Retried),
    (Fault::NoSuchHost, |_| Retried),
    (Fault::NoTls, |_| Retried),
    (Fault::Untrusted, |_| Retried),
    (Fault::Closed, |_| Retried),
    // A retry might post an accepted message twice.
    (Fault::BrokenOff(200), |_| Accepted),
    (Fault::BrokenOff(500), |_| Retried),
    // The same applies to a response that does not end in time. But the start of a bot's response
    // may show a failure.
    (Fault::Endless(200, ""), |_| Accepted),
    (Fault::Endless(200, r#"{"ok":false,"error":"inter"#), |kind| match kind.success {
        Success::CheckedWhenIncomplete => Retried,
        _ => Accepted,
    }),
    (Fault::Endless(404, ""), |_| Misconfigured),
    (Fault::Endless(500, ""), |_| Retried),
    (Fault::Reply(Reply::Hang), |_| TimedOut),
    (response(200, ""), |kind| if kind.success == Success::Ignored { Accepted } else { Rejected }),
    (response(302, ""), |_| Misconfigured),
    (response(400, ""), |_| Rejected),
    (response(401, ""), |_| Misconfigured),
    (response(403, ""), |_| Misconfigured),
    (response(404, ""), |_| Misconfigured),
    (response(408, ""), |_| Retried),
    (response(410, ""), |_| Misconfigured),
    (response(413, ""), |_| Rejected),
    (response(429, "7"), |_| RetriedAfter(7)),
    (response(429, DATE), |_| RetriedAfter(3_600)),
    (response(429, ""), |kind| RetriedAfter(kind.delay)),
    (response(500, ""), |_| Retried),
    (response(500, "7"), |_| Retried),
    (response(502, ""), |_| Retried),
    (response(503, ""), |_| Retried),
    (response(503, "7"), |_| RetriedAfter(7)),
];

/// Each fault of a mail server, with SMTP replies (RFC 5321 §4.2), and the outcome. Replies are
/// logged, except the reply to the login, which may contain the password.
const MAIL_FAULTS: [(MailFault, Outcome); 17] = [
    (MailFault::None, Accepted),
    (MailFault::Drop(""), Retried),
    (MailFault::Drop("DATA"), Retried),
    (MailFault::Hang("RCPT"), TimedOut),
    (MailFault::Reply("", "421 4.3.2 \u{1b}[31mshutting down"), Retried),
    (MailFault::Reply("", "HTTP/1.1 200 OK"), Retried),
    (MailFault::Reply("", "554 5.3.2 \u{1b}[31mno mail here"), Misconfigured),
    (MailFault::Reply("AUTH", "454 4.7.0 s3cret try later"), Retried),
    (MailFault::Reply("AUTH", "535 5.7.8 s3cret wrong"), Misconfigured),
    (MailFault::Reply("MAIL", "451 4.3.0 \u{1b}[31mlocal error"), Retried),
    (MailFault::Reply("MAIL", "550 5.7.1 \u{1b}[31mnot from you"), Misconfigured),
    (MailFault::Reply("RCPT", "450 4.2.0 \u{1b}[31mgreylisted"), Retried),
    (MailFault::Reply("RCPT", "550 5.1.1 \u{1b}[31munknown"), Misconfigured),
    (MailFault::Reply("DATA", "452 4.3.1 \u{1b}[31mno space"), Retried),
    (MailFault::Reply(".", "451 4.3.0 \u{1b}[31mnot stored"), Retried),
    (MailFault::Reply(".", "552 5.3.4 \u{1b}[31mtoo large"), Rejected),
    (MailFault::Reply(".", "554 5.6.0 \u{1b}[31mcontent rejected"), Rejected),
];

/// Mail server addresses that cannot be reached.
const MAIL_URLS: [(&str, Outcome); 4] = [
    ("smtp://lookout:s3cret@127.0.0.1:1?tls=none", Retried),
    ("smtp://NO_SUCH_HOST?tls=none", Retried),
    // The address requires TLS, but the server does not support it.
    ("smtps://lookout:s3cret@SERVER", Retried),
    ("smtp://lookout:s3cret@SERVER", Misconfigured),
];

/// Creates an alert whose texts would have an effect if they were not escaped.
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
    expected: Outcome,
    case: &str,
) -> Outcome {
    let call = notifier.ready().await.unwrap().call(notification);
    // A hanging receiver never responds. The worker's tests cover the timeout.
    let limit = Duration::from_secs(if expected == TimedOut { 2 } else { 20 });
    let Ok(delivered) = timeout(limit, call).await else { return TimedOut };
    let Err(error) = delivered else { return Accepted };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    for word in ["\u{1b}", "\r", "\n", "<!channel>", "@everyone"] {
        assert!(!text.contains(word), "{case}: {text}");
    }
    let debug = format!("{error:?}");
    for secret in ["s3cret", "AHMzY3JldA"] {
        assert!(!text.contains(secret) && !debug.contains(secret), "{case}: {text} {debug}");
    }
    let after = debug.split_once("RetryAfter(").and_then(|(_, rest)| rest.split_once(')'));
    match (error.to_string().as_str(), after) {
        ("not delivered yet", Some((wait, _))) => {
            RetriedAfter(wait.trim_end_matches('s').parse::<f64>().unwrap().ceil() as u64)
        }
        ("not delivered", None) => Retried,
        ("the notifier is misconfigured", None) => Misconfigured,
        ("the receiver rejected the message", None) => Rejected,
        other => panic!("{case}: {other:?}"),
    }
}

fn email(url: &str) -> Notifier {
    let email = Email::new(url, "alerts@example.com", ["oncall@example.com"]).unwrap();
    assert!(!format!("{email:?}").contains("s3cret"), "{email:?}");
    BoxService::new(email)
}

/// A receiver with a fault, and the expected outcome.
struct Case {
    name: String,
    notifier: Notifier,
    expected: Outcome,
    /// The receiver that records the posts, if the fault lets it receive any.
    receiver: Option<Receiver>,
}

/// Returns each receiver with each fault.
async fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS {
        for (fault, expected) in FAULTS {
            let (url, receiver) = fault.serve().await;
            let (notifier, debug) = (kind.notifier)(&url);
            assert!(!debug.contains("s3cret"), "{debug}");
            let name = format!("{} {fault:?}", kind.name);
            cases.push(Case { name, notifier, expected: expected(kind), receiver });
        }
    }
    for (fault, expected) in MAIL_FAULTS {
        let notifier = email(&MailServer::new([fault]).serve().await);
        let name = format!("email {fault:?}");
        cases.push(Case { name, notifier, expected, receiver: None });
    }
    for (url, expected) in MAIL_URLS {
        let served = MailServer::new([]).serve().await;
        let server = served.split(['@', '?']).nth(1).unwrap();
        let name = url.replace("SERVER", server).replace("NO_SUCH_HOST", &"x".repeat(64));
        cases.push(Case { notifier: email(&name), name, expected, receiver: None });
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
            let Case { name, notifier, expected, receiver } = case;
            let outcome = deliver(notifier, hostile, expected, &name).await;
            // The worker decides when to retry.
            let posts = receiver.map_or(1, |receiver| receiver.posts().len());
            let is_wrong = outcome != expected || posts != 1;
            is_wrong.then(|| format!("{name}: {outcome:?}, not {expected:?}; {posts} posts"))
        }
    });
    let wrong: Vec<_> = join_all(cases).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let logs = logs.text();
    assert!(logs.contains("hyper_util"), "the client's lines are looked at, too");
    assert_no_secret(&logs);
}

#[tokio::test]
async fn text_of_users_has_no_effect_at_any_receiver() {
    let hostile = hostile().await;
    // A ping has no body.
    for Kind { name, notifier, dangers, .. } in KINDS.iter().filter(|kind| kind.name != "ping") {
        let server = Receiver::new([]);
        let url = server.serve().await;
        notifier(&url).0.oneshot(hostile.clone()).await.ok();
        let posts = server.posts();
        let mut texts = Vec::new();
        posts.iter().for_each(|post| strings(&post.body, &mut texts));
        assert!(texts.iter().any(|text| text.contains("everyone")), "{name} got: {texts:?}");
        for danger in *dangers {
            assert!(
                !texts.iter().any(|text| text.contains(danger)),
                "{name} {danger:?}: {texts:?}"
            );
        }
        if *name == "discord" {
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

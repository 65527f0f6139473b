//! A lookout delivers to the notifiers of a file.

#![cfg(all(
    feature = "pagerduty",
    feature = "prometheus",
    feature = "slack",
    feature = "toml",
    feature = "webhook"
))]

#[path = "support/file.rs"]
mod file;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use tower_lookout::Rule;

use file::File;
use logs::{Logs, assert_no_secret};
use receiver::{Receiver, Reply};
use support::{eventually, start, sum};

/// Creates a rule that fires at the first tick, since no request is in flight.
fn idle() -> Rule {
    Rule::in_flight().below(1).named("Idle")
}

#[tokio::test]
async fn the_notifier_of_a_file_gets_the_alerts_and_its_fallback_gets_those_that_fail() {
    let slack = Receiver::new([]);
    let pagerduty = Receiver::replying(Reply::Response(404, "", ""), []);
    let webhook = Receiver::new([]);
    let file = File::new(
        "lookout.toml",
        &format!(
            "
            [[notifier]]
            kind = 'slack'
            url = {{ file = 'slack' }}

            [[notifier]]
            kind = 'pagerduty'
            name = 'oncall'
            routing_key = {{ env = 'CARGO_PKG_NAME' }}
            url = '{}'
            or_else = 'webhook'

            [[notifier]]
            kind = 'webhook'
            url = {{ file = 'webhook' }}
            headers = {{ authorization = {{ file = 'token' }} }}
            ",
            pagerduty.serve().await
        ),
    );
    file.beside("slack", &format!("{}\n", slack.serve().await));
    file.beside("webhook", &webhook.serve().await);
    file.beside("token", "Bearer s3cret\n");
    let (lookout, scrape) = start(|builder| builder.rule(idle()).config(file.path()));

    for receiver in [&slack, &pagerduty, &webhook] {
        eventually(5, "a post", || (!receiver.posts().is_empty()).then_some(())).await;
    }
    assert_eq!(slack.posts()[0].titles(), ["🔴 [FIRING] Idle · test"]);
    assert_eq!(pagerduty.posts()[0].body["routing_key"], env!("CARGO_PKG_NAME"));
    let post = &webhook.posts()[0];
    assert_eq!(post.body["alerts"][0]["labels"]["alertname"], "Idle");
    assert_eq!(post.headers["authorization"], "Bearer s3cret");
    lookout.shutdown().await;
    let text = scrape.render();
    for (notifier, sent) in [("slack", 1.0), ("oncall", 1.0), ("webhook", 0.0)] {
        let labels = [("notifier", notifier)];
        assert_eq!(sum(&text, "lookout_notifications_sent_total", &labels), sent, "{notifier}");
    }
    assert_eq!(
        webhook.posts().len(),
        1,
        "the fallback gets only the alerts that the first notifier fails to deliver"
    );
}

#[tokio::test]
async fn an_alert_goes_to_the_notifiers_whose_when_matches() {
    let [critical, others] = [Receiver::new([]), Receiver::new([])];
    let file = File::new(
        "lookout.toml",
        "
        [[rule]]
        name = 'Idle'
        signal = 'in_flight'
        below = 1

        [[rule]]
        name = 'Silent'
        signal = 'in_flight'
        below = 2
        severity = 'critical'
        labels = { team = 'shop' }

        [[notifier]]
        kind = 'slack'
        name = 'oncall'
        url = { file = 'critical' }
        when = { min_severity = 'critical', labels = { team = ['shop', 'payments'] } }
        repeat_every = '4h'

        [[notifier]]
        kind = 'slack'
        url = { file = 'others' }
        when = { not = { min_severity = 'critical' } }
        ",
    );
    file.beside("critical", &critical.serve().await);
    file.beside("others", &others.serve().await);
    let (lookout, _) = start(|builder| builder.config(file.path()));
    for (receiver, title) in [(&critical, "Silent"), (&others, "Idle")] {
        eventually(5, "a post", || (!receiver.posts().is_empty()).then_some(())).await;
        assert_eq!(receiver.posts()[0].titles(), [format!("🔴 [FIRING] {title} · test")]);
    }
    lookout.shutdown().await;
    assert_eq!(critical.posts().len() + others.posts().len(), 2);
}

#[tokio::test]
async fn changed_notifiers_need_a_restart_and_a_missing_secret_fails_the_reload() {
    let logs = Logs::of_all();
    let receiver = Receiver::new([]);
    let text = "[[notifier]]\nkind = 'slack'\nurl = { file = 'slack' }\n";
    let file = File::new("lookout.toml", text);
    file.beside("slack", &receiver.serve().await);
    let (lookout, _) = start(|builder| builder.rule(idle()).config(file.path()));
    assert!(lookout.reload().await.unwrap().needs_restart.is_empty());

    file.write(&format!("{text}[[notifier]]\nkind = 'log'\n"));
    let reloaded = lookout.reload().await.unwrap();
    assert_eq!(
        reloaded.needs_restart,
        ["the notifiers of the file have changed: alerts go to the old ones until a restart"]
    );
    file.write("[[notifier]]\nkind = 'slack'\nurl = { file = 's3cret' }\n");
    let error = lookout.reload().await.unwrap_err().to_string();
    assert!(error.contains("lookout.toml:3: notifier.url: its file can't be read: "), "{error}");
    lookout.shutdown().await;
    assert!(!error.contains("s3cret"), "{error}");
    assert_no_secret(&logs.text());
}

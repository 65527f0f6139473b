//! Silences, inhibitions, the quiet time and acknowledgements, with a Slack over real sockets.

#![cfg(all(feature = "prometheus", feature = "slack", feature = "state", feature = "toml"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/file.rs"]
mod file;
#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::{fs, time::Duration};

use tower_lookout::{
    Lookout, LookoutBuilder, Rule, StartError,
    alert::SuppressionKind,
    notify::{Matcher, Slack},
    prometheus::Scrape,
    suppress::{Inhibition, Silence},
};

use file::File;
use in_flight::request;
use logs::Logs;
use receiver::Receiver;
use support::{eventually, start, sum};

const MINUTE: Duration = Duration::from_secs(60);

/// A lookout whose alert fires while a request is in flight.
fn lookout(url: &str, set: impl FnOnce(LookoutBuilder) -> LookoutBuilder) -> (Lookout, Scrape) {
    start(|builder| {
        let builder = builder.instance("one").rule(Rule::in_flight().above(0));
        set(builder.notify(Slack::new(url).unwrap()).shutdown_timeout(Duration::from_secs(2)))
    })
}

fn high() -> Matcher {
    Matcher::new().rule("HighInFlight")
}

fn silence(duration: Duration) -> Silence {
    Silence::new(high(), duration).by("anna").because("the <deploy>")
}

fn titles(slack: &Receiver) -> Vec<String> {
    slack.accepted().iter().flat_map(|post| post.titles()).collect()
}

async fn posted(slack: &Receiver, count: usize) {
    eventually(6, &format!("{count} posts"), || (slack.accepted().len() >= count).then_some(()))
        .await;
    assert_eq!(slack.accepted().len(), count);
}

fn text(slack: &Receiver, post: usize) -> String {
    slack.accepted()[post].body.to_string()
}

async fn fires(lookout: &Lookout) {
    eventually(4, "the alert", || (!lookout.status().alerts.is_empty()).then_some(())).await;
}

fn suppressed(scrape: &Scrape, reason: &str) -> f64 {
    let name = "lookout_notifications_suppressed_total";
    sum(&scrape.render(), name, &[("reason", reason)])
}

const FIRING: &str = "🔴 [FIRING] HighInFlight · test";
const RESOLVED: &str = "🟢 [RESOLVED] HighInFlight · test";

#[tokio::test]
async fn a_silenced_alert_fires_in_the_status_and_is_sent_with_a_note_when_the_silence_ends() {
    let (slack, logs) = (Receiver::new([]), Logs::of_all());
    let (lookout, scrape) = lookout(&slack.serve().await, |builder| builder);
    let id = lookout.silence(silence(MINUTE)).unwrap();
    let held = request(&lookout);
    fires(&lookout).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(slack.posts().is_empty());
    let status = lookout.status();
    let by = status.alerts[0].suppressed.clone().unwrap();
    assert_eq!((by.kind, &*by.by), (SuppressionKind::Silence, "anna"));
    assert_eq!((status.silences[0].id, &*status.silences[0].reason), (id, "the <deploy>"));
    let json: serde_json::Value = serde_json::from_str(&status.to_json()).unwrap();
    assert_eq!(json["alerts"][0]["suppressed"]["kind"], "silence");
    assert_eq!(json["silences"][0]["matcher"], "alertname=\"HighInFlight\"");
    let text_of = scrape.render();
    assert_eq!(sum(&text_of, "lookout_alert_state", &[("rule", "HighInFlight")]), 2.0);
    assert_eq!(sum(&text_of, "lookout_silences", &[]), 1.0);
    assert_eq!(suppressed(&scrape, "silence"), 1.0);
    lookout.end_silence(id, "anna").unwrap();
    posted(&slack, 1).await;
    assert!(text(&slack, 0).contains("Silenced by anna from"), "{}", text(&slack, 0));
    assert!(text(&slack, 0).contains("the &lt;deploy&gt;"), "{}", text(&slack, 0));
    drop(held);
    posted(&slack, 2).await;
    assert_eq!(titles(&slack), [FIRING, RESOLVED]);
    lookout.shutdown().await;
    for line in ["silence added", "silence started", "alert suppressed", "silence ended early"] {
        assert!(logs.text().contains(line), "{line}\n{}", logs.text());
    }
}

#[tokio::test]
async fn an_alert_that_resolves_during_its_silence_is_never_sent() {
    let slack = Receiver::new([]);
    let (lookout, scrape) =
        lookout(&slack.serve().await, |builder| builder.silence(silence(MINUTE)));
    let held = request(&lookout);
    fires(&lookout).await;
    drop(held);
    eventually(4, "the resolve", || (suppressed(&scrape, "silence") == 2.0).then_some(())).await;
    lookout.shutdown().await;
    assert!(slack.posts().is_empty());
}

#[tokio::test]
async fn a_silence_until_resolved_and_an_acknowledgement_need_a_firing_alert() {
    let slack = Receiver::new([]);
    let (lookout, scrape) = lookout(&slack.serve().await, |builder| builder);
    let until = || Silence::until_resolved(high()).by("anna").because("known");
    let error = lookout.silence(until()).unwrap_err().to_string();
    let expected = "matcher: no alert of alertname=\"HighInFlight\" fires: set a duration";
    assert_eq!(error, expected);
    let error = lookout.acknowledge(7, "anna", "looking").unwrap_err().to_string();
    assert!(error.starts_with("no alert with the fingerprint 0000000000000007 fires: "), "{error}");
    let held = request(&lookout);
    posted(&slack, 1).await;
    let alert = lookout.status().alerts[0].clone();
    lookout.acknowledge(alert.fingerprint(), "anna", "looking").unwrap();
    lookout.silence(until()).unwrap();
    let name = "lookout_alerts_acknowledged";
    let is_counted = || (sum(&scrape.render(), name, &[]) == 1.0).then_some(());
    eventually(4, "the acknowledgement", is_counted).await;
    drop(held);
    posted(&slack, 2).await;
    assert!(text(&slack, 1).contains("Acknowledged by anna at"), "{}", text(&slack, 1));
    let has_ended = || lookout.status().silences.is_empty().then_some(());
    eventually(4, "the end of the silence", has_ended).await;
    lookout.shutdown().await;
    let error = lookout.silence(silence(MINUTE)).unwrap_err().to_string();
    assert_eq!(error, "the lookout has ended, and sends no more alerts");
}

#[tokio::test]
async fn an_inhibited_alert_is_not_sent_while_its_source_fires() {
    let slack = Receiver::new([]);
    let (lookout, scrape) = lookout(&slack.serve().await, |builder| {
        let target = Matcher::new().rule("AnyInFlight");
        builder
            .rule(Rule::in_flight().above(0).named("AnyInFlight"))
            .inhibition(Inhibition::new(high(), target).equal(["service"]))
    });
    let held = request(&lookout);
    posted(&slack, 1).await;
    let alerts = lookout.status().alerts;
    let inhibited = alerts.iter().find(|alert| &*alert.name == "AnyInFlight").unwrap();
    let by = inhibited.suppressed.clone().unwrap();
    assert_eq!(
        (by.kind, &*by.reason),
        (SuppressionKind::Inhibition, "[FIRING] HighInFlight · test")
    );
    drop(held);
    posted(&slack, 2).await;
    lookout.shutdown().await;
    assert_eq!(titles(&slack), [FIRING, RESOLVED]);
    assert_eq!(suppressed(&scrape, "inhibition"), 2.0);
}

#[tokio::test]
async fn after_the_quiet_time_an_alert_that_still_fires_is_sent() {
    let slack = Receiver::new([]);
    let quiet = Duration::from_secs(3);
    let (lookout, _) = lookout(&slack.serve().await, |builder| builder.quiet_after_start(quiet));
    let _held = request(&lookout);
    fires(&lookout).await;
    assert!(slack.posts().is_empty());
    posted(&slack, 1).await;
    assert!(text(&slack, 0).contains("since the service had just started"), "{}", text(&slack, 0));
    lookout.shutdown().await;
}

#[tokio::test]
async fn a_silence_survives_a_restart_with_its_unsent_alert() {
    let (slack, state) = (Receiver::new([]), File::new("lookout.json", ""));
    fs::remove_file(state.path()).unwrap();
    let url = slack.serve().await;
    let set = |builder: LookoutBuilder| {
        let rule = Rule::in_flight().above(0).named("Held").keep_firing_for(MINUTE);
        builder.rule(rule).state_path(state.path())
    };
    let (first, _) = lookout(&url, set);
    let any = Matcher::new().label("service", "test");
    let silence = Silence::new(any, MINUTE).by("anna").because("deploy");
    let id = first.silence(silence).unwrap();
    let held = request(&first);
    eventually(4, "both", || (first.status().alerts.len() == 2).then_some(())).await;
    drop(held);
    first.shutdown().await;
    let (second, _) = lookout(&url, set);
    assert_eq!(second.status().silences[0].id, id);
    let alerts = second.status().alerts;
    assert!(alerts.iter().all(|alert| alert.suppressed.is_some()), "{alerts:?}");
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    assert!(slack.posts().is_empty(), "HighInFlight resolved and was never sent");
    second.end_silence(id, "anna").unwrap();
    posted(&slack, 1).await;
    second.shutdown().await;
    assert_eq!(titles(&slack), ["🔴 [FIRING] Held · test"]);
}

#[tokio::test]
async fn a_reload_replaces_the_silences_of_the_file() {
    let slack = Receiver::new([]);
    let silence = "[[maintenance]]\nfrom = 2026-01-01T00:00:00Z\nuntil = 2026-01-01T01:00:00Z\n\
                   by = 'ops'\nreason = 'upgrade'\n";
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now());
    let end = humantime::format_rfc3339_seconds(std::time::SystemTime::now() + MINUTE);
    let active = silence.replace("2026-01-01T00:00:00Z", &now.to_string());
    let active = active.replace("2026-01-01T01:00:00Z", &end.to_string());
    let file = File::new("lookout.toml", &format!("defaults = false\n{active}"));
    let (lookout, scrape) = lookout(&slack.serve().await, |builder| builder.config(file.path()));
    let _held = request(&lookout);
    fires(&lookout).await;
    assert_eq!(suppressed(&scrape, "maintenance"), 1.0);
    file.write(&format!("defaults = false\n{silence}"));
    lookout.reload().await.unwrap();
    posted(&slack, 1).await;
    assert!(text(&slack, 0).contains("In a maintenance window of ops from"));
    lookout.shutdown().await;
}

#[test]
fn invalid_controls_are_rejected_at_the_start() {
    let start = |set: &dyn Fn(LookoutBuilder) -> LookoutBuilder| -> StartError {
        set(Lookout::builder()).start().unwrap_err()
    };
    let error = start(&|builder| builder.silence(Silence::new(high(), MINUTE).by("anna")));
    let expected = "silence: because: \"\" is empty: set a reason, such as \"deploy\"";
    assert_eq!(error.to_string(), expected);
    let error = start(&|builder| builder.quiet_after_start(120 * MINUTE));
    assert_eq!(error.to_string(), "quiet_after_start: 2h is longer than 1h: set a shorter time");
    let error = start(&|builder| builder.inhibition(Inhibition::new(high(), Matcher::new())));
    assert!(error.to_string().starts_with("inhibition: target: has no condition"), "{error}");
}

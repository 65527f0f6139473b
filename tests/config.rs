//! A lookout starts with the rules of a file, and replaces them while it runs.

#![cfg(all(feature = "prometheus", feature = "toml"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/docs.rs"]
mod docs;
#[path = "support/file.rs"]
mod file;
mod support;

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use file::File;
use support::eventually;
use tower_lookout::{Lookout, LookoutBuilder, ReloadError, Rule};

/// The received messages, by title.
type Messages = Arc<Mutex<Vec<String>>>;

fn watch(builder: LookoutBuilder) -> (Lookout, Messages) {
    let received = Messages::default();
    let messages = Arc::clone(&received);
    let builder = builder.service("orders").on_alert(move |alert| {
        messages.lock().unwrap().push(format!("{}: {}", alert.title(), alert.measured()));
    });
    (builder.start().unwrap(), received)
}

async fn wait_for(received: &Messages, messages: &[&str]) {
    let is_received = || {
        let received = received.lock().unwrap();
        assert!(received.len() <= messages.len(), "{received:?}");
        (received.len() == messages.len()).then(|| assert_eq!(*received, messages))
    };
    eventually(5, "the messages", is_received).await;
}

/// A rule that fires at the first tick, since no request is in flight.
const IDLE: &str = "
    [[rule]]
    name = 'Idle'
    signal = 'in_flight'
    below = 1
    ";
const IDLE_FIRES: &str = "[FIRING] Idle · orders: requests in flight 0";

#[tokio::test]
async fn a_reload_keeps_unchanged_rules_and_resolves_removed_ones() {
    let file = File::new("lookout.toml", IDLE);
    let builder = Lookout::builder().rule(Rule::in_flight().below(2).named("Code"));
    let (lookout, received) = watch(builder.config(file.path()));
    let code_fires = "[FIRING] Code · orders: requests in flight 0";
    wait_for(&received, &[code_fires, IDLE_FIRES]).await;

    file.write(&format!("{IDLE}\n[[rule]]\nname = 'New'\nsignal = 'in_flight'\nbelow = 3"));
    let reloaded = lookout.reload().await.unwrap();
    assert_eq!(reloaded.to_string(), "rules: 2 kept, 0 changed, 1 added, 0 removed");
    let new_fires = "[FIRING] New · orders: requests in flight 0";
    wait_for(&received, &[code_fires, IDLE_FIRES, new_fires]).await;

    file.write("[[rule]]\nname = 'New'\nsignal = 'in_flight'\nbelow = 3");
    let reloaded = lookout.reload().await.unwrap();
    assert_eq!(reloaded.to_string(), "rules: 2 kept, 0 changed, 0 added, 1 removed");
    let idle_ends =
        "[RESOLVED] Idle · orders: requests in flight unknown: the rule was removed or changed";
    wait_for(&received, &[code_fires, IDLE_FIRES, new_fires, idle_ends]).await;
    lookout.shutdown().await;
}

#[tokio::test]
async fn an_invalid_file_leaves_the_rules_unchanged() {
    let file = File::new("lookout.toml", IDLE);
    let (lookout, received) = watch(Lookout::builder().config(file.path()));
    wait_for(&received, &[IDLE_FIRES]).await;
    file.write("[[rule]]\nsignal = 'in_flight'\nbelow = '1'");
    let error = lookout.reload().await.unwrap_err();
    let path = file.path().display();
    assert_eq!(
        error.to_string(),
        format!("{path}:3: rule.below: \"1\" is not a number: write one without quotes")
    );
    fs::remove_file(file.path()).unwrap();
    assert!(matches!(lookout.reload().await, Err(ReloadError::Config(_))));

    file.write(IDLE);
    let reloaded = lookout.reload().await.unwrap();
    assert_eq!((reloaded.kept, reloaded.changed), (1, 0));
    wait_for(&received, &[IDLE_FIRES]).await;
    lookout.shutdown().await;
}

#[tokio::test]
async fn an_unusable_file_fails_the_start() {
    let error = Lookout::builder().config("no/such.toml").start().unwrap_err();
    assert!(error.to_string().starts_with("no/such.toml: can't be read: "), "{error}");
}

#[tokio::test]
async fn replacing_rules_checks_them_like_the_start() {
    let (lookout, received) = watch(Lookout::builder().config_str(IDLE));
    wait_for(&received, &[IDLE_FIRES]).await;
    assert!(matches!(lookout.reload().await, Err(ReloadError::NoFile)));
    let error = lookout.replace_rules([Rule::error_ratio()]).await.unwrap_err();
    assert!(error.to_string().starts_with("rule `HighErrorRatio`: has no threshold"));

    let idle = || Rule::in_flight().below(1).named("Idle");
    let reloaded = lookout.replace_rules([idle()]).await.unwrap();
    assert_eq!((reloaded.kept, reloaded.changed), (1, 0));
    let slow = Rule::latency_quantile(0.99).above(Duration::from_millis(320));
    let exact = Rule::latency_quantile(0.9).above(Duration::from_millis(500));
    let reloaded = lookout.replace_rules([idle(), slow, exact]).await.unwrap();
    assert_eq!(
        reloaded.needs_restart,
        ["rule `HighLatencyP99`: the threshold 320ms is accurate to 11% until a restart"],
        "500 ms is a bucket's bound"
    );
    wait_for(&received, &[IDLE_FIRES]).await;
    lookout.shutdown().await;
    let error = lookout.replace_rules([idle()]).await;
    assert!(matches!(error, Err(ReloadError::Ended)), "{error:?}");
}

/// Returns the example file, and each file in the docs.
#[cfg(feature = "slack")]
fn files() -> Vec<String> {
    let example = fs::read_to_string(docs::root().join("examples/lookout.toml")).unwrap();
    let pages = docs::pages().into_iter();
    let in_docs = pages.map(|(_, text)| docs::code(&text, "toml").collect::<Vec<_>>().join("\n"));
    in_docs.filter(|text| !text.is_empty()).chain([example]).collect()
}

#[test]
#[cfg(feature = "slack")]
fn a_lookout_starts_with_the_example_and_with_each_file_of_the_docs() {
    let files = files();
    assert!(files.len() > 1, "{} files", files.len());
    for text in files {
        let secret = "url = { env = \"SLACK_WEBHOOK_URL\" }";
        assert!(text.contains(secret));
        let text = text.replace(secret, "url = 'http://127.0.0.1:9/services'");
        let text = format!("allow_inline_secrets = true\n{text}");
        let _lookout = Lookout::builder().config_str(text).start().unwrap();
    }
}

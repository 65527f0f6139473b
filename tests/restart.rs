//! SIGKILL or SIGTERM ends a process during an alert, and the next process continues the alert.
//! Each process is this test binary, which runs its ignored test `process`.

#![cfg(all(
    feature = "prometheus",
    feature = "signal",
    feature = "state",
    feature = "webhook",
    unix
))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/file.rs"]
mod file;
#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::{
    env, fs,
    io::{Read, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio, exit},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    net::TcpListener,
};
use tower_lookout::{Lookout, Report, Rule, notify::Webhook, shutdown_signal};

use file::File;
use in_flight::request;
use receiver::{Receiver, Reply};
use support::{Process, eventually};

const URL: &str = "LOOKOUT_TEST_URL";
const STATE: &str = "LOOKOUT_TEST_STATE";
const INSTANCE: &str = "LOOKOUT_TEST_INSTANCE";

/// A service that executes the lines of its input. Its alert fires while it holds a request.
#[tokio::test]
#[ignore = "the other tests start it as a process"]
async fn process() {
    let (Ok(url), Ok(state)) = (env::var(URL), env::var(STATE)) else { return };
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr);
    subscriber.with_env_filter("tower_lookout=warn").init();
    let mut builder = Lookout::builder();
    if let Ok(instance) = env::var(INSTANCE) {
        builder = builder.instance(instance);
    }
    let lookout = builder
        .service("orders")
        .rule(Rule::in_flight().above(0))
        .notify(Webhook::new(url).unwrap())
        .state_path(state)
        .shutdown_timeout(Duration::from_secs(2))
        .start()
        .unwrap();
    let mut lines = BufReader::new(stdin()).lines();
    let mut held = None;
    let execute_lines = async {
        while let Ok(Some(line)) = lines.next_line().await {
            match line.as_str() {
                "hold" => held = Some(request(&lookout)),
                "release" => held = None,
                name => lookout.reporter().send(Report::new(name.to_owned(), "requested")),
            }
        }
    };
    tokio::select! {
        () = shutdown_signal() => lookout.shutdown().await,
        () = execute_lines => {}
    }
    // Exit here, since the runtime would wait for the next line.
    exit(0);
}

struct Service(Process);

impl Service {
    fn start(url: &str, state: &Path) -> Self {
        Self::named(None, url, state)
    }

    /// Starts a process. Without a name, it is a new instance.
    fn named(instance: Option<&str>, url: &str, state: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.envs(instance.map(|instance| (INSTANCE, instance)));
        command.args(["--exact", "process", "--ignored", "--nocapture"]);
        command.env(URL, url).env(STATE, state);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(Process::spawn(&mut command))
    }

    fn send(&mut self, line: &str) {
        writeln!(self.0.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Sends SIGKILL, and returns the log.
    fn kill(mut self) -> String {
        self.0.0.kill().unwrap();
        self.log()
    }

    /// Sends SIGTERM, and returns the exit status and the log.
    fn terminate(mut self) -> (ExitStatus, String) {
        let id = self.0.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let log = self.log();
        (self.0.0.wait().unwrap(), log)
    }

    /// Waits for the process to end, and returns its log.
    fn log(&mut self) -> String {
        let mut log = String::new();
        self.0.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

/// Returns the accepted alerts by status and name.
fn accepted(receiver: &Receiver) -> Vec<String> {
    let posts = receiver.accepted();
    let alerts = posts.iter().flat_map(|post| post.body["alerts"].as_array().unwrap());
    let word = |alert: &serde_json::Value, key: &str| alert[key].as_str().unwrap().to_owned();
    alerts
        .map(|alert| format!("{} {}", word(alert, "status"), word(&alert["labels"], "alertname")))
        .collect()
}

async fn wait_for(receiver: &Receiver, expected: &[&str]) {
    eventually(10, &format!("{expected:?}"), || {
        let accepted = accepted(receiver);
        (accepted.len() >= expected.len()).then_some(())
    })
    .await;
    assert_eq!(accepted(receiver), expected);
}

/// Waits until the saved state meets the condition.
async fn has_saved(state: &File, condition: impl Fn(&str) -> bool) {
    eventually(15, "the state", || {
        fs::read_to_string(state.path()).ok().filter(|text| condition(text)).map(drop)
    })
    .await;
}

/// Returns whether the alert fires and is delivered. Checking only the queue would not do, since it
/// is also empty after a start without alerts.
fn is_delivered(state: &str) -> bool {
    state.contains("HighInFlight") && !state.contains("\"queue\":{")
}

const FIRING: &str = "firing HighInFlight";
const RESOLVED: &str = "resolved HighInFlight";

#[tokio::test]
async fn after_a_kill_a_firing_alert_is_not_sent_again_but_its_resolve_is_sent() {
    let alive = "firing Alive";
    for (instance, messages) in [
        (None, [vec![FIRING], vec![alive], vec![RESOLVED]]),
        // Each message also lists the other firing alerts of the instance.
        (Some("one"), [vec![FIRING], vec![FIRING, alive], vec![alive, RESOLVED]]),
    ] {
        let (receiver, state) = (Receiver::new([]), no_file());
        let url = receiver.serve().await;
        let mut service = Service::named(instance, &url, state.path());
        service.send("hold");
        wait_for(&receiver, &messages[..1].concat()).await;
        has_saved(&state, is_delivered).await;
        service.kill();

        let mut service = Service::named(instance, &url, state.path());
        service.send("hold");
        // The process is alive: it sends another alert, but not the first one again.
        service.send("Alive");
        wait_for(&receiver, &messages[..2].concat()).await;
        service.send("release");
        wait_for(&receiver, &messages.concat()).await;
        let posts = receiver.accepted();
        let [first, .., last] = &posts[..] else { panic!("several posts") };
        let alert = |post: &receiver::Post| {
            let alerts = post.body["alerts"].as_array().unwrap();
            let found = alerts.iter().find(|a| a["labels"]["alertname"] == "HighInFlight");
            found.cloned().unwrap()
        };
        let (first_alert, last_alert) = (alert(first), alert(last));
        for field in ["fingerprint", "startsAt"] {
            assert_eq!(first_alert[field], last_alert[field], "the receiver sees one alert");
        }
        assert_eq!(first.body["groupKey"], last.body["groupKey"], "the receiver sees one group");
    }
}

#[tokio::test]
async fn the_next_process_resolves_an_alert_whose_condition_has_ended() {
    let (receiver, state) = (Receiver::new([]), no_file());
    let url = receiver.serve().await;
    let mut service = Service::start(&url, state.path());
    service.send("hold");
    wait_for(&receiver, &[FIRING]).await;
    has_saved(&state, is_delivered).await;
    service.kill();
    let _service = Service::start(&url, state.path());
    wait_for(&receiver, &[FIRING, RESOLVED]).await;
}

#[tokio::test]
async fn the_next_process_delivers_the_alerts_of_a_killed_process() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let state = no_file();
    let mut service = Service::start(&receiver::url(address), state.path());
    service.send("OrderEventLost");
    has_saved(&state, |text| text.contains("waiting\":[{")).await;
    service.kill();

    let receiver = Receiver::new([]);
    let url = receiver.serve_at(address).await;
    let _service = Service::start(&url, state.path());
    wait_for(&receiver, &["firing OrderEventLost"]).await;
}

#[tokio::test]
async fn repeated_reports_are_in_the_file_before_they_are_sent() {
    let (receiver, state) = (Receiver::new([]), no_file());
    let mut service = Service::start(&receiver.serve().await, state.path());
    service.send("OrderEventLost");
    wait_for(&receiver, &["firing OrderEventLost"]).await;
    // The delivery and the next tick trigger writes, which include the repeats so far. Nothing else
    // triggers a write for later repeats.
    for unsent in [100, 200, 300] {
        for _ in 0..100 {
            service.send("OrderEventLost");
        }
        has_saved(&state, |text| text.contains(&format!("\"unsent\":{unsent}"))).await;
    }
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_the_service_runs() {
    let (receiver, state) = (Receiver::new([]), File::new("lookout.json", "{\"version\":1,"));
    let mut service = Service::start(&receiver.serve().await, state.path());
    service.send("Alive");
    wait_for(&receiver, &["firing Alive"]).await;
    let log = service.kill();
    assert!(log.contains("WARN") && log.contains("set-aside"), "{log}");
    let aside = state.path().with_file_name("lookout.json.set-aside");
    assert_eq!(fs::read_to_string(aside).unwrap(), "{\"version\":1,");
}

#[tokio::test]
async fn the_first_alert_after_an_unusable_state_notes_that_earlier_alerts_are_unknown() {
    for is_unknown in [true, false] {
        let state = File::new("unknown.json", "{");
        if !is_unknown {
            // On the first start there are no earlier alerts.
            fs::remove_file(state.path()).unwrap();
        }
        let (sender, alerts) = std::sync::mpsc::channel();
        let lookout = Lookout::builder()
            .state_path(state.path())
            .on_alert(move |alert| sender.send(alert.unknown_before.is_some()).unwrap())
            .start()
            .unwrap();
        lookout.reporter().send(Report::new("Lost", "no broker answers"));
        let found = eventually(5, "the alert", || alerts.try_recv().ok()).await;
        assert_eq!(found, is_unknown);
        lookout.shutdown().await;
    }
}

#[tokio::test]
async fn a_terminated_process_delivers_its_alerts_before_it_exits() {
    let (receiver, state) = (Receiver::new([Reply::Response(503, "", "")]), no_file());
    let mut service = Service::start(&receiver.serve().await, state.path());
    service.send("OrderEventLost");
    eventually(10, "an attempt", || (receiver.posts().len() == 1).then_some(())).await;
    let (ended, log) = tokio::task::spawn_blocking(|| service.terminate()).await.unwrap();
    assert!(ended.success(), "{ended} {log}");
    assert_eq!(accepted(&receiver), ["firing OrderEventLost"]);
}

#[tokio::test]
async fn undelivered_alerts_of_a_terminated_process_are_logged_and_kept() {
    let (receiver, state) = (Receiver::new([Reply::Hang]), no_file());
    let url = receiver.serve().await;
    let mut service = Service::start(&url, state.path());
    service.send("OrderEventLost");
    eventually(10, "an attempt", || (receiver.posts().len() == 1).then_some(())).await;
    let (ended, log) = tokio::task::spawn_blocking(|| service.terminate()).await.unwrap();
    assert!(ended.success(), "{ended} {log}");
    assert!(log.contains("OrderEventLost") && log.contains("saved for the next start"), "{log}");
    let _service = Service::start(&url, state.path());
    wait_for(&receiver, &["firing OrderEventLost"]).await;
}

#[test]
fn a_directory_as_state_path_is_rejected_and_not_changed() {
    let file = no_file();
    let folder = file.path().parent().unwrap().to_owned();
    for (path, expected) in [
        (folder.clone(), "is a directory: use a file in it"),
        (folder.join(".."), "is not the path of a file"),
    ] {
        let error = Lookout::builder().state_path(&path).start().unwrap_err().to_string();
        assert!(error.starts_with("state_path: ") && error.contains(expected), "{error}");
    }
    assert!(folder.is_dir());
}

/// Returns a path without a file.
fn no_file() -> File {
    let file = File::new("lookout.json", "");
    fs::remove_file(file.path()).unwrap();
    file
}

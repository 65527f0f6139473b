//! Processes that end in the middle of an alert, by SIGKILL or by SIGTERM, and what the next one makes of
//! it. Each is this test binary again, for its ignored test `process` alone.

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

/// A service that does as it is told by the lines of its input. Its alert fires while a request is held.
#[tokio::test]
#[ignore = "it is what the other tests start"]
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
    let obeys = async {
        while let Ok(Some(line)) = lines.next_line().await {
            match line.as_str() {
                "hold" => held = Some(request(&lookout)),
                "let go" => held = None,
                name => lookout.reporter().send(Report::new(name.to_owned(), "asked for")),
            }
        }
    };
    tokio::select! {
        () = shutdown_signal() => lookout.shutdown().await,
        () = obeys => {}
    }
    // Else the read of the next line would be waited for.
    exit(0);
}

struct Service(Process);

impl Service {
    fn start(url: &str, state: &Path) -> Self {
        Self::called(None, url, state)
    }

    /// Without a name it is another instance than the process before.
    fn called(instance: Option<&str>, url: &str, state: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.envs(instance.map(|instance| (INSTANCE, instance)));
        command.args(["--exact", "process", "--ignored", "--nocapture"]);
        command.env(URL, url).env(STATE, state);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(Process::spawn(&mut command))
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// SIGKILL.
    fn kill(mut self) -> String {
        self.0.0.kill().unwrap();
        self.log()
    }

    /// SIGTERM; gives how it ended, and what it logged.
    fn terminate(mut self) -> (ExitStatus, String) {
        let id = self.0.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let log = self.log();
        (self.0.0.wait().unwrap(), log)
    }

    /// To its end.
    fn log(&mut self) -> String {
        let mut log = String::new();
        self.0.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

/// What was taken, each alert by its status and name.
fn told(receiver: &Receiver) -> Vec<String> {
    let posts = receiver.taken();
    let alerts = posts.iter().flat_map(|post| post.body["alerts"].as_array().unwrap());
    let word = |alert: &serde_json::Value, key: &str| alert[key].as_str().unwrap().to_owned();
    alerts
        .map(|alert| format!("{} {}", word(alert, "status"), word(&alert["labels"], "alertname")))
        .collect()
}

async fn is_told(receiver: &Receiver, expected: &[&str]) {
    eventually(10, &format!("{expected:?}"), || {
        let told = told(receiver);
        (told.len() >= expected.len()).then_some(())
    })
    .await;
    assert_eq!(told(receiver), expected);
}

/// Waits until the file says so.
async fn has_saved(state: &File, what: impl Fn(&str) -> bool) {
    eventually(15, "the state", || {
        fs::read_to_string(state.path()).ok().filter(|text| what(text)).map(drop)
    })
    .await;
}

/// That the alert fires, and that nobody waits to be told it. The file of a quiet start has no waiting
/// notifiers either, but no alert.
fn is_delivered(state: &str) -> bool {
    state.contains("HighInFlight") && !state.contains("\"queue\":{")
}

const FIRING: &str = "firing HighInFlight";
const RESOLVED: &str = "resolved HighInFlight";

#[tokio::test]
async fn an_alert_that_fires_when_its_process_is_killed_is_not_told_again_and_its_end_is() {
    let alive = "firing Alive";
    for (instance, messages) in [
        (None, [vec![FIRING], vec![alive], vec![RESOLVED]]),
        // A message of this receiver names what fires besides, of the same instance.
        (Some("one"), [vec![FIRING], vec![FIRING, alive], vec![alive, RESOLVED]]),
    ] {
        let (receiver, state) = (Receiver::new([]), no_file());
        let url = receiver.serve().await;
        let mut service = Service::called(instance, &url, state.path());
        service.say("hold");
        is_told(&receiver, &messages[..1].concat()).await;
        has_saved(&state, is_delivered).await;
        service.kill();

        let mut service = Service::called(instance, &url, state.path());
        service.say("hold");
        // It is alive and has something to say, but not that.
        service.say("Alive");
        is_told(&receiver, &messages[..2].concat()).await;
        service.say("let go");
        is_told(&receiver, &messages.concat()).await;
        let posts = receiver.taken();
        let [first, .., last] = &posts[..] else { panic!("several posts") };
        let alert = |post: &receiver::Post| {
            let alerts = post.body["alerts"].as_array().unwrap();
            let found = alerts.iter().find(|a| a["labels"]["alertname"] == "HighInFlight");
            found.cloned().unwrap()
        };
        let (first_alert, last_alert) = (alert(first), alert(last));
        for field in ["fingerprint", "startsAt"] {
            assert_eq!(first_alert[field], last_alert[field], "one alert to a receiver");
        }
        assert_eq!(first.body["groupKey"], last.body["groupKey"], "of one group");
    }
}

#[tokio::test]
async fn an_alert_that_is_over_when_the_next_process_starts_is_resolved_by_that() {
    let (receiver, state) = (Receiver::new([]), no_file());
    let url = receiver.serve().await;
    let mut service = Service::start(&url, state.path());
    service.say("hold");
    is_told(&receiver, &[FIRING]).await;
    has_saved(&state, is_delivered).await;
    service.kill();
    let _service = Service::start(&url, state.path());
    is_told(&receiver, &[FIRING, RESOLVED]).await;
}

#[tokio::test]
async fn what_was_not_delivered_when_the_process_was_killed_is_by_the_next_one() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let state = no_file();
    let mut service = Service::start(&receiver::url(address), state.path());
    service.say("OrderEventLost");
    has_saved(&state, |text| text.contains("waiting\":[{")).await;
    service.kill();

    let receiver = Receiver::new([]);
    let url = receiver.serve_at(address).await;
    let _service = Service::start(&url, state.path());
    is_told(&receiver, &["firing OrderEventLost"]).await;
}

#[tokio::test]
async fn reports_that_repeat_are_in_the_file_before_they_are_told() {
    let (receiver, state) = (Receiver::new([]), no_file());
    let mut service = Service::start(&receiver.serve().await, state.path());
    service.say("OrderEventLost");
    is_told(&receiver, &["firing OrderEventLost"]).await;
    // That it was delivered is written, too, and with it what has repeated by then; and so is, at the next
    // tick, that it was told. What has repeated after that has no other reason.
    for untold in [100, 200, 300] {
        for _ in 0..100 {
            service.say("OrderEventLost");
        }
        has_saved(&state, |text| text.contains(&format!("\"untold\":{untold}"))).await;
    }
}

#[tokio::test]
async fn a_file_that_is_damaged_is_set_aside_and_stops_nothing() {
    let (receiver, state) = (Receiver::new([]), File::new("lookout.json", "{\"version\":1,"));
    let mut service = Service::start(&receiver.serve().await, state.path());
    service.say("Alive");
    is_told(&receiver, &["firing Alive"]).await;
    let log = service.kill();
    assert!(log.contains("WARN") && log.contains("set-aside"), "{log}");
    let aside = state.path().with_file_name("lookout.json.set-aside");
    assert_eq!(fs::read_to_string(aside).unwrap(), "{\"version\":1,");
}

#[tokio::test]
async fn the_first_alert_after_a_state_of_no_use_says_that_nothing_is_known_of_earlier_ones() {
    for is_unknown in [true, false] {
        let state = File::new("unknown.json", "{");
        if !is_unknown {
            // The very first start: there is nothing to know.
            fs::remove_file(state.path()).unwrap();
        }
        let (sent, told) = std::sync::mpsc::channel();
        let lookout = Lookout::builder()
            .state_path(state.path())
            .on_alert(move |alert| sent.send(alert.unknown_before.is_some()).unwrap())
            .start()
            .unwrap();
        lookout.reporter().send(Report::new("Lost", "no broker answers"));
        let said = eventually(5, "the alert", || told.try_recv().ok()).await;
        assert_eq!(said, is_unknown);
        lookout.shutdown().await;
    }
}

#[tokio::test]
async fn a_process_that_is_told_to_end_delivers_first_what_it_has() {
    let (receiver, state) = (Receiver::new([Reply::Answer(503, "", "")]), no_file());
    let mut service = Service::start(&receiver.serve().await, state.path());
    service.say("OrderEventLost");
    eventually(10, "a try", || (receiver.posts().len() == 1).then_some(())).await;
    let (ended, log) = tokio::task::spawn_blocking(|| service.terminate()).await.unwrap();
    assert!(ended.success(), "{ended} {log}");
    assert_eq!(told(&receiver), ["firing OrderEventLost"]);
}

#[tokio::test]
async fn what_a_process_could_not_deliver_before_it_had_to_end_is_named_and_kept() {
    let (receiver, state) = (Receiver::new([Reply::Hang]), no_file());
    let url = receiver.serve().await;
    let mut service = Service::start(&url, state.path());
    service.say("OrderEventLost");
    eventually(10, "a try", || (receiver.posts().len() == 1).then_some(())).await;
    let (ended, log) = tokio::task::spawn_blocking(|| service.terminate()).await.unwrap();
    assert!(ended.success(), "{ended} {log}");
    assert!(log.contains("OrderEventLost") && log.contains("kept for the next start"), "{log}");
    let _service = Service::start(&url, state.path());
    is_told(&receiver, &["firing OrderEventLost"]).await;
}

#[test]
fn a_directory_is_no_place_for_the_state_and_is_left_alone() {
    let file = no_file();
    let folder = file.path().parent().unwrap().to_owned();
    for (path, says) in [
        (folder.clone(), "is a directory: use a file in it"),
        (folder.join(".."), "is not the path of a file"),
    ] {
        let error = Lookout::builder().state_path(&path).start().unwrap_err().to_string();
        assert!(error.starts_with("state_path: ") && error.contains(says), "{error}");
    }
    assert!(folder.is_dir());
}

/// Where a file may come.
fn no_file() -> File {
    let file = File::new("lookout.json", "");
    fs::remove_file(file.path()).unwrap();
    file
}

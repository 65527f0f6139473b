//! Shared helpers: a lookout with its own recorder, values from its scrape, and waits with a
//! deadline.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may stop, and reports a skip")]

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tower_lookout::{
    Lookout, LookoutBuilder,
    prometheus::{self, Scrape},
};

/// Starts a lookout with its own recorder and returns the recorder's scrape.
pub(crate) fn start(set: impl FnOnce(LookoutBuilder) -> LookoutBuilder) -> (Lookout, Scrape) {
    let (recorder, scrape) = prometheus::build().unwrap();
    let lookout = set(Lookout::builder().service("test").recorder(recorder)).start().unwrap();
    (lookout, scrape)
}

/// Returns the sum of all series of `name` that have each of these labels.
pub(crate) fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    series(text, name)
        .filter(|(found, _)| {
            labels.iter().all(|(key, value)| found.contains(&format!("{key}=\"{value}\"")))
        })
        .map(|(_, value)| value)
        .sum()
}

/// Returns the series of a metric, each with its labels and its value.
pub(crate) fn series<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let is_series = labels.is_empty() || labels.starts_with('{');
        is_series.then(|| (labels, value.parse().unwrap()))
    })
}

/// Polls until `find` returns `Some`, for at most `seconds`.
pub(crate) async fn eventually<T>(
    seconds: u64,
    event: &str,
    mut find: impl FnMut() -> Option<T>,
) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within {seconds} s: {event}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Finds a program that a test needs. If it is absent, prints that the test is skipped, or fails if
/// `LOOKOUT_REQUIRE_SERVERS=1` is set.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    programs(&[name], name, |_| true)
}

/// Finds the first program on the search path that has one of these names and fits the test. A
/// machine may have several programs with one name, such as the system's Python and that of a
/// version manager.
pub(crate) fn programs(
    names: &[&str],
    needed: &str,
    is_fit: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let search_path = env::var_os("PATH").unwrap_or_default();
    let found = first_fit(env::split_paths(&search_path), names, is_fit);
    if found.is_none() {
        let required = env::var("LOOKOUT_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
        assert!(!required, "{needed} is required, and the search path has none");
        println!("skipped: the search path has no {needed}");
    }
    found
}

pub(crate) fn first_fit(
    folders: impl IntoIterator<Item = PathBuf>,
    names: &[&str],
    is_fit: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    folders
        .into_iter()
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .filter(|path| path.is_file())
        .find(|path| is_fit(path))
}

/// Fails if promtool reports a problem in the scrape. Does nothing where promtool is absent.
pub(crate) fn check_with_promtool(scrape: &str) {
    let Some(promtool) = program("promtool") else { return };
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = check.stdin.take().unwrap();
    // Write and read concurrently, since either pipe may fill up.
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(scrape.as_bytes()).unwrap());
        check.wait_with_output().unwrap()
    });
    let output_text =
        String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output_text.is_empty(), "promtool: {output_text}");
}

/// A child process that is killed at the end of the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

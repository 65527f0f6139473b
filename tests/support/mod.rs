//! What several tests need: a lookout with a recorder of its own, figures read from its scrape, and
//! waiting with a deadline.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may stop, and says so")]

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

/// A running lookout and the scrape of its own recorder.
pub(crate) fn start(set: impl FnOnce(LookoutBuilder) -> LookoutBuilder) -> (Lookout, Scrape) {
    let (recorder, scrape) = prometheus::build().unwrap();
    let lookout = set(Lookout::builder().service("test").recorder(recorder)).start().unwrap();
    (lookout, scrape)
}

/// The sum of all series of `name` that have each of these labels.
pub(crate) fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    series(text, name)
        .filter(|(found, _)| {
            labels.iter().all(|(key, value)| found.contains(&format!("{key}=\"{value}\"")))
        })
        .map(|(_, value)| value)
        .sum()
}

/// The series of a metric: labels and value.
pub(crate) fn series<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let is_it = labels.is_empty() || labels.starts_with('{');
        is_it.then(|| (labels, value.parse().unwrap()))
    })
}

/// Polls until `find` gives something, for so many seconds at most.
pub(crate) async fn eventually<T>(
    seconds: u64,
    what: &str,
    mut find: impl FnMut() -> Option<T>,
) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within {seconds} s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A program that a test needs. Where it is absent the test is skipped with a line that says so,
/// or fails if `LOOKOUT_REQUIRE_SERVERS=1` is set.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    programs(&[name], name, |_| true)
}

/// The first program of the search path that has one of these names and is fit for the test: a
/// machine may have several of a name, such as a Python of the system and one of a version manager.
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

/// Fails if promtool has anything to say against a scrape; skipped where there is none.
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
    // Beside the reading, since either pipe may be full.
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(scrape.as_bytes()).unwrap());
        check.wait_with_output().unwrap()
    });
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "promtool: {said}");
}

/// A child process that ends with the test.
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

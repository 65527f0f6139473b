//! A process that cannot start threads for a while, like one in a container at its thread limit,
//! still calls closures and writes the state. The process is this test binary, which runs its
//! ignored test.

#![cfg(all(feature = "prometheus", feature = "state", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/file.rs"]
mod file;
mod support;

use std::{
    env, fs,
    io::{BufRead, BufReader, Write, stdin},
    process::{Command, Stdio, exit},
    sync::mpsc,
    thread,
};

use tower_lookout::{Lookout, Report};

use file::File;
use support::{Process, eventually, program};

const STATE: &str = "LOOKOUT_TEST_STATE";

/// Reports each line of the input, and prints each alert that the closure receives.
#[test]
#[ignore = "the other test starts it as a process"]
fn process() {
    let Ok(state) = env::var(STATE) else { return };
    let lookout = Lookout::builder()
        .on_alert(|alert| println!("called with {}", alert.name))
        .state_path(state)
        .start()
        .unwrap();
    for name in stdin().lines() {
        lookout.reporter().send(Report::new(name.unwrap(), "sent by the test"));
    }
    exit(0);
}

fn threads(process: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    tasks.filter_map(|task| name(task.ok()?)).map(|name| name.trim().to_owned()).collect()
}

fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn closures_are_called_once_and_the_state_is_written_while_no_thread_can_start() {
    let Some(prlimit) = program("prlimit") else { return };
    let state = File::new("state.json", "");
    fs::remove_file(state.path()).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "process", "--ignored", "--nocapture"]).env(STATE, state.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::spawn(&mut command);
    let (id, mut input) = (process.0.id(), process.0.stdin.take().unwrap());
    let output = BufReader::new(process.0.stdout.take().unwrap());
    let (sent, lines) = mpsc::channel();
    thread::spawn(move || {
        output.lines().map_while(Result::ok).try_for_each(|line| sent.send(line))
    });
    let mut calls = Vec::new();
    let mut is_called = |name: &str| {
        calls.extend(lines.try_iter().filter(|line| line.starts_with("called with ")));
        calls.iter().filter(|line| line.ends_with(name)).count()
    };
    let has_saved =
        |name: &str| fs::read_to_string(state.path()).is_ok_and(|text| text.contains(name));
    let limit = |bytes: &str| {
        let limit = format!("--as={bytes}:");
        let limited = Command::new(&prlimit).args(["--pid", &id.to_string(), &limit]).status();
        assert!(limited.unwrap().success());
    };

    eventually(20, "the first write", || has_saved("version").then_some(())).await;
    // An idle thread of tokio would hide the shortage.
    let is_idle = || !threads(id).iter().any(|name| name.starts_with("tokio-"));
    eventually(20, "no idle thread", || is_idle().then_some(())).await;
    // The stack of a thread takes 2 MiB.
    limit(&(memory(id) + (1 << 20)).to_string());
    writeln!(input, "DuringShortage").unwrap();
    eventually(20, "the call", || (is_called("DuringShortage") > 0).then_some(())).await;
    eventually(20, "the state", || has_saved("DuringShortage").then_some(())).await;
    limit("unlimited");
    writeln!(input, "Afterwards").unwrap();
    eventually(20, "the next call", || (is_called("Afterwards") > 0).then_some(())).await;
    eventually(20, "the next state", || has_saved("Afterwards").then_some(())).await;
    assert_eq!(is_called("DuringShortage"), 1);
}

//! Runs the examples that end by themselves, like a user. They print the counts of their requests.

#![cfg(all(feature = "hyper", feature = "prometheus", feature = "reqwest", feature = "tonic"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{env, process::Stdio, time::Duration};

use support::sum;
use tokio::{process::Command, time::timeout};

/// Runs an example, which cargo puts next to the tests, and returns its output.
async fn output(example: &str) -> String {
    let test = env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(example);
    assert!(path.is_file(), "build it first: cargo build -p examples --example {example}");
    let run = Command::new(path).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(Duration::from_secs(30), run).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{example}: {errors}\n{printed}");
    printed.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

/// Fails unless exactly these series of `name` are printed, each once and with its value.
fn check(text: &str, name: &str, expected: &[(&[(&str, &str)], f64)]) {
    for (labels, value) in expected {
        assert_eq!(sum(text, name, labels), *value, "{name} {labels:?} in\n{text}");
    }
    let all: f64 = expected.iter().map(|(_, value)| value).sum();
    assert_eq!(sum(text, name, &[]), all, "no other {name} in\n{text}");
}

#[tokio::test]
async fn the_grpc_example_prints_every_call_on_both_sides() {
    const CHECK: (&str, &str) = ("rpc_method", "grpc.health.v1.Health/Check");
    const WATCH: (&str, &str) = ("rpc_method", "grpc.health.v1.Health/Watch");
    const LIST: &str = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const OLD_LIST: &str = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
    let status = |name| ("rpc_response_status_code", name);
    let outcome = |name| ("outcome", name);
    let text = output("tonic").await;

    let server: &[(&[_], f64)] = &[
        (&[CHECK, status("OK"), outcome("success")], 3.0),
        (&[CHECK, status("NOT_FOUND"), outcome("success")], 1.0),
        (&[("rpc_method", LIST), status("OK"), outcome("success")], 1.0),
        (&[("rpc_method", "_OTHER"), status("UNIMPLEMENTED"), outcome("failure")], 1.0),
        (&[WATCH, status("none"), outcome("cancelled")], 1.0),
    ];
    check(&text, "rpc_server_calls_total", server);
    let client: &[(&[_], f64)] = &[
        (&[CHECK, status("OK"), outcome("success")], 3.0),
        (&[CHECK, status("NOT_FOUND"), outcome("failure")], 1.0),
        (&[("rpc_method", LIST), status("OK"), outcome("success")], 1.0),
        (&[("rpc_method", OLD_LIST), status("UNIMPLEMENTED"), outcome("failure")], 1.0),
        (&[WATCH, status("none"), outcome("cancelled")], 1.0),
    ];
    check(&text, "rpc_client_calls_total", client);
    for side in ["server", "client"] {
        let open: &[(&[_], f64)] = &[(&[WATCH, ("kind", "grpc")], 1.0)];
        check(&text, &format!("rpc_{side}_active_streams"), open);
    }
    let streams: &[(&[_], f64)] = &[(&[WATCH], 1.0), (&[("rpc_method", LIST)], 1.0)];
    check(&text, "rpc_server_stream_duration_seconds_count", streams);
}

#[tokio::test]
async fn the_client_example_prints_calls_attempts_errors_and_the_alert() {
    let text = output("client").await;
    let [inventory, payments] = ["inventory", "payments"].map(|name| ("dependency", name));
    let [call, attempt] = ["logical", "attempt"].map(|name| ("call", name));
    let outcome = |name| ("outcome", name);

    let requests: &[(&[_], f64)] = &[
        (&[inventory, call, outcome("success")], 15.0),
        (&[inventory, call, outcome("failure")], 20.0),
        (&[inventory, call, outcome("error")], 1.0),
        (&[inventory, attempt, outcome("success")], 3.0),
        (&[inventory, attempt, outcome("failure")], 63.0),
        (&[inventory, attempt, outcome("error")], 1.0),
    ];
    check(&text, "http_client_requests_total", requests);
    let errors: &[(&[_], f64)] = &[
        (&[inventory, call, ("error_type", "timeout")], 1.0),
        (&[inventory, attempt, ("error_type", "timeout")], 1.0),
        (&[payments, call, ("error_type", "connect")], 1.0),
    ];
    check(&text, "http_client_request_duration_seconds_count", errors);
    check(&text, "http_client_ready_wait_seconds_count", &[(&[inventory, call], 1.0)]);
    let state: &[(&[_], f64)] = &[(&[("rule", "HighErrorRatioOfInventory"), inventory], 2.0)];
    check(&text, "lookout_alert_state", state);
    let alerts = text.lines().filter(|line| line.starts_with("[FIRING]")).collect::<Vec<_>>();
    let [alert] = alerts[..] else { panic!("{alerts:?}") };
    assert!(
        alert.starts_with("[FIRING] HighErrorRatioOfInventory · inventory: error ratio"),
        "{alert}"
    );
}

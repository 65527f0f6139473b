//! The alerts on faults that a process cannot see itself.

use crate::unit::{Case, Scenario, check};

fn case() -> Case {
    Case::with(|builder| builder)
}

/// Three replicas, of which `a:3` has these values.
fn replicas(series: &str, last: &str, scenario: Scenario) -> Scenario {
    let of = |instance: &str| series.replace("instance=\"\"", &format!("instance=\"{instance}\""));
    let usual = "0+100x400";
    let scenario = scenario.raw(&of("a:1"), usual).raw(&of("a:2"), usual);
    scenario.raw(&of("a:3"), last)
}

fn three() -> Scenario {
    let age = "0+15x400";
    Scenario::empty().instance("a:1", age).instance("a:2", age).instance("a:3", age)
}

#[tokio::test]
async fn a_target_that_is_gone_down_flapping_or_without_metrics_fires() {
    let up = r#"up{job="test",instance="a:2"}"#;
    let names = ["LookoutTargetsAbsent", "LookoutInstanceDown", "LookoutScrapesFail"];
    let silent =
        names.into_iter().fold(Scenario::new(), |scenario, name| scenario.firing("20m", name, 0));
    let silent = silent.firing("20m", "LookoutMetricsAbsent", 0).firing("20m", "LookoutStopped", 0);
    check([case()
        .scenario(silent)
        .scenario(
            Scenario::empty()
                .raw(r#"up{job="other",instance="a:1"}"#, "1+0x400")
                .firing("4m", "LookoutTargetsAbsent", 0)
                .firing("6m", "LookoutTargetsAbsent", 1),
        )
        .scenario(
            Scenario::new()
                .raw(up, "1+0x12 0+0x380")
                .firing("3m30s", "LookoutInstanceDown", 0)
                .firing("5m", "LookoutInstanceDown", 1),
        )
        .scenario(
            Scenario::new()
                .raw(up, "1 1 0 1 1 1 0 1 1 1 0 1 1 1 0 1 1 1 0 1 1 1 0 1 1 1 0 1 1 1 0 1 1 1 0 1 1 1 1 1 1")
                .expects(
                    "9m30s",
                    r#"count(ALERTS{alertname="LookoutScrapesFail"}) or vector(0)"#,
                    &[("{}", 1.0)],
                ),
        )
        .scenario(
            Scenario::new()
                .raw(up, "1+0x400")
                .firing("4m", "LookoutMetricsAbsent", 0)
                .firing("6m", "LookoutMetricsAbsent", 1),
        )
        .scenario(
            Scenario::empty()
                .instance("a:1", "0+15x12 180+0x380")
                .firing("3m", "LookoutStopped", 0)
                .firing("6m", "LookoutStopped", 1),
        )]);
}

#[tokio::test]
async fn notifications_that_fail_are_dropped_or_are_not_routed_fire() {
    let notifier = r#"notifier="slack""#;
    let of = |name: &str| format!("lookout_notifications_{name}_total");
    let quiet = "0+0x400";
    let failing = |sent: &str, count| {
        Scenario::new()
            .series(&of("failed"), notifier, "0+0x12 1+1x380")
            .series(&of("sent"), notifier, sent)
            .firing("2m", "LookoutNotificationsFail", 0)
            .firing("5m", "LookoutNotificationsFail", count)
    };
    check([case().scenario(failing(quiet, 1)).scenario(failing("0+0x12 1+1x380", 0)).scenario(
        Scenario::new()
            .series(&of("dropped"), notifier, "0+0x12 1+0x380")
            .series(&of("unrouted"), "", "0+0x12 1+0x380")
            .firing("2m", "LookoutNotificationsDropped", 0)
            .firing("5m", "LookoutNotificationsDropped", 1)
            .firing("5m", "LookoutNotificationsUnrouted", 1)
            .firing("20m", "LookoutNotificationsDropped", 0),
    )]);
}

#[tokio::test]
async fn a_replica_that_is_worse_than_the_others_fires() {
    let requests = |outcome: &str| {
        format!(r#"http_server_requests_total{{job="test",instance="",outcome="{outcome}"}}"#)
    };
    let failing = |last: &str| {
        let scenario = replicas(&requests("success"), "0+100x400", three());
        let failures = requests("failure").replace("instance=\"\"", "instance=\"a:3\"");
        scenario.raw(&failures, last)
    };
    let all_fail = replicas(&requests("failure"), "0+100x400", failing("_x400"));
    let histogram = |suffix: &str| {
        format!(r#"http_server_request_duration_seconds_{suffix}{{job="test",instance=""}}"#)
    };
    let slower = |sum: &str| {
        let scenario = replicas(&histogram("count"), "0+100x400", three());
        let sum_of = |instance: &str, values: &str, scenario: Scenario| {
            let series =
                histogram("sum").replace("instance=\"\"", &format!("instance=\"{instance}\""));
            scenario.raw(&series, values)
        };
        let scenario = sum_of("a:1", "0+10x400", scenario);
        sum_of("a:3", sum, sum_of("a:2", "0+10x400", scenario))
    };
    let alone = Scenario::new().requests("/a", "0+20x400", "0+10x400");
    check([case()
        .scenario(failing("0+5x400").expects(
            "12m",
            r#"count by (instance) (ALERTS{alertname="LookoutReplicaFailsMore",alertstate="firing"})"#,
            &[(r#"{instance="a:3"}"#, 1.0)],
        ))
        .scenario(all_fail.firing("12m", "LookoutReplicaFailsMore", 0))
        .scenario(alone.firing("12m", "LookoutReplicaFailsMore", 0))
        .scenario(slower("0+30x400").firing("12m", "LookoutReplicaSlower", 1))
        .scenario(slower("0+15x400").firing("12m", "LookoutReplicaSlower", 0))]);
}

#[tokio::test]
async fn a_critical_report_fires_at_its_first_count() {
    let name = "lookout_reports_total";
    let labels = r#"report="OrderLost",severity="critical""#;
    check([case().scenario(
        Scenario::new()
            .series(name, labels, "_x12 1+0x380")
            .series(name, r#"report="Cache",severity="warning""#, "0+1x400")
            .firing("2m45s", "LookoutCriticalReport", 0)
            .firing("3m", "LookoutCriticalReport", 1)
            .firing("9m", "LookoutCriticalReport", 0),
    )]);
}

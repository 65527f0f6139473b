//! An alert survives the state file with every field.

use super::*;
use crate::{
    alert::{DistinctTexts, SuppressionKind, TextCount, test_alert},
    operation::{Call, Dependency, MethodLabel, Protocol, System, Traffic},
};

fn read(alert: &Alert) -> Alert {
    let text = serde_json::to_string(&SavedAlert(alert.clone())).unwrap();
    serde_json::from_str::<SavedAlert>(&text).unwrap().0
}

/// Compares the `Debug` outputs, which contain every field.
fn survives(alert: &Alert) {
    assert_eq!(format!("{:?}", read(alert)), format!("{alert:?}"));
}

fn operation(is_grpc: bool, dependency: Option<(&str, Call)>, method: &str) -> Operation {
    let dependency = dependency.map(|(name, call)| Dependency { name: name.into(), call });
    let is_call = dependency.as_ref().is_some_and(|dependency| dependency.system().is_some());
    let protocol = match is_grpc {
        true => Protocol::Grpc,
        false if is_call => Protocol::Call,
        false => Protocol::Http,
    };
    let traffic = Arc::new(Traffic { protocol, dependency });
    Operation::new(traffic, MethodLabel::named(method), "/orders/{id}")
}

#[test]
fn an_alert_of_a_rule_survives_with_every_field() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
    survives(&alert);
    let breach = alert.breach_mut().unwrap();
    breach.top = vec![Contribution {
        operation: operation(false, None, "POST"),
        share: 0.75,
        detail: "9 of 400 failed (2.25%), 75% of all failures".to_owned(),
    }];
    breach.comparison = Comparison::Below;
    breach.window = None;
    alert.labels.insert("team".to_owned(), "shop \"é\"\n".to_owned());
    alert.summary = Some("Too many\nfail".to_owned());
    alert.runbook = Some("https://wiki.example.com".to_owned());
    alert.dashboard = Some("https://grafana.example.com".to_owned());
    alert.starts_at += Duration::from_nanos(123_456_789);
    alert.acknowledged = Some(Acknowledgement::new("anna", "on it", alert.starts_at));
    for kind in SuppressionKind::ALL {
        let (by, reason) = ("anna".to_owned(), "deploy".to_owned());
        let (since, ended_at) = (alert.starts_at, Some(alert.starts_at));
        alert.suppressed = Some(Suppression { kind, by, reason, since, ended_at });
        survives(&alert);
    }
    survives(&alert);
    survives(&test_alert("A", AlertStatus::Firing).resolved_by_removal(SystemTime::now()));
    survives(&Alert::of_notice(Notice::Watchdog));
    for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
        survives(&Alert { severity, ..test_alert("A", AlertStatus::Firing) });
    }
}

#[test]
fn every_target_and_every_operation_survives() {
    let mut targets = vec![
        Target::Service,
        Target::Route("/orders/{id}".to_owned()),
        Target::Dependency("inventory".to_owned()),
        Target::CallSite("src/orders.rs:42".to_owned()),
    ];
    for is_grpc in [true, false] {
        let calls = [
            Call::Logical,
            Call::Attempt,
            Call::Operation(System::Database("postgresql".into())),
            Call::Operation(System::Messaging("kafka".into())),
            Call::Operation(System::Other),
        ];
        let calls = calls.map(|call| Some(("inventory", call)));
        for dependency in calls.into_iter().chain([None]) {
            for method in ["GET", "QUERY", "_OTHER"] {
                targets.push(Target::Operation(operation(is_grpc, dependency.clone(), method)));
            }
        }
    }
    for target in targets {
        survives(&Alert { target, ..test_alert("A", AlertStatus::Firing) });
    }
}

#[test]
fn every_signal_survives() {
    for signal in [
        Signal::MeanLatency,
        Signal::LatencyQuantile(0.999),
        Signal::SlowRatio(Duration::from_millis(250)),
        Signal::ErrorRatio,
        Signal::Throughput,
        Signal::InFlight,
        Signal::OldestInFlight,
        Signal::RuntimeLag,
        Signal::BurnRate { objective: 0.999 },
    ] {
        let mut alert = test_alert("A", AlertStatus::Firing);
        alert.breach_mut().unwrap().signal = signal;
        survives(&alert);
    }
}

#[test]
fn a_report_survives_with_its_evidence() {
    let failure = Failure {
        causes: vec!["not sent".to_owned(), "no broker".to_owned()],
        error_type: "orders::EventError".into(),
        call_site: "src/orders.rs:42".to_owned(),
        group: "POST /orders".into(),
        fields: vec![("order".into(), "4711".to_owned())],
        count: 312,
        texts: DistinctTexts {
            listed: vec![TextCount { text: "not sent: no broker".to_owned(), count: 300 }],
            others: 12,
        },
        over: Duration::from_secs(60),
        total: 313,
    };
    let origin = test_alert("A", AlertStatus::Firing).origin;
    let name = "OrderEventLost".into();
    let alert =
        Alert::of_failure(&name, Severity::Critical, failure, SystemTime::UNIX_EPOCH, &origin);
    survives(&alert);
}

#[test]
fn numbers_without_a_json_form_do_not_damage_the_file() {
    let mut alert = test_alert("A", AlertStatus::Firing);
    let breach = alert.breach_mut().unwrap();
    (breach.value, breach.peak) = (Some(f64::NAN), f64::INFINITY);
    let read = read(&alert);
    let breach = read.breach().unwrap();
    assert_eq!(breach.value, None);
    assert!(breach.peak.is_nan());
}

#[test]
fn an_instant_out_of_range_is_clamped_on_write_and_rejected_on_read() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let after = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    let of = |starts_at| read(&Alert { starts_at, ..test_alert("A", AlertStatus::Firing) });
    assert_eq!(of(before).starts_at, SystemTime::UNIX_EPOCH);
    assert!(of(after).starts_at < after);
    let text = serde_json::to_string(&SavedAlert(test_alert("A", AlertStatus::Firing))).unwrap();
    let starts_at = "2026-11-18T11:06:40.000000000Z";
    assert!(text.contains(starts_at), "{text}");
    for bad in ["10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "yesterday", ""] {
        let text = text.replace(starts_at, bad);
        assert!(serde_json::from_str::<SavedAlert>(&text).is_err(), "{bad}");
    }
}

#[test]
fn a_firing_alert_is_written_again_unless_only_its_requests_change() {
    let firing = || test_alert("A", AlertStatus::Firing);
    assert!(is_same_in_file(&firing(), &firing().with_requests(1, 1)));
    let labels = BTreeMap::from([("team".to_owned(), "payments".to_owned())]);
    for changed in [
        Alert { severity: Severity::Info, ..firing() },
        Alert { labels, ..firing() },
        Alert { summary: Some("another".to_owned()), ..firing() },
        Alert { runbook: Some("https://runbooks.example.com".to_owned()), ..firing() },
        Alert { is_relabelled: true, ..firing() },
        firing().with_value(0.9),
    ] {
        assert!(!is_same_in_file(&firing(), &changed), "{changed:?}");
    }
}

//! All metrics have the prefix and the constant labels, lookouts with different names share a
//! process, and invalid names are rejected.

#![cfg(all(feature = "axum", feature = "prometheus", feature = "tonic"))]

#[path = "support/echo.rs"]
mod echo;
#[path = "support/shop.rs"]
mod shop;
mod support;

use std::{collections::BTreeSet, sync::Arc};

use tower_lookout::{GrpcType, Lookout, LookoutBuilder, Preset, Rule, prometheus};

use shop::{PRESETS, call_grpc, check, send_http};
use support::{eventually, series, start, sum};

fn shop_names(builder: LookoutBuilder) -> LookoutBuilder {
    builder.prefix("shop").constant_label("team", "checkout").constant_label("zone", "eu \"1\"")
}

#[tokio::test]
async fn a_prefix_and_constant_labels_are_on_every_metric() {
    for preset in PRESETS {
        let rule = Rule::error_ratio().above(0.5).min_requests(1).each_route();
        let (lookout, scrape) = start(|builder| shop_names(builder).preset(preset).rule(rule));
        send_http(&lookout).await;
        call_grpc(&lookout).await;
        let text = eventually(5, "a tick", || {
            let text = scrape.render();
            let throughput = "shop_http_server_throughput_requests_per_second_count";
            let is_complete = [throughput, "shop_lookout_alert_state"]
                .iter()
                .all(|name| series(&text, name).next().is_some());
            is_complete.then_some(text)
        })
        .await;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if line.starts_with('#') {
                assert!(line.split(' ').nth(2).unwrap().starts_with("shop_"), "{line}");
            } else {
                let labels = r#"team="checkout",zone="eu \"1\""#;
                assert!(line.starts_with("shop_") && line.contains(labels), "{preset:?}: {line}");
            }
        }
        let has_bound = |end: &str, bound: &str| {
            let bound = format!("le=\"{bound}\"");
            let mut buckets = text.lines().filter(|line| line.contains(&format!("{end}_bucket{{")));
            buckets.any(|line| line.contains(&bound))
        };
        assert!(has_bound("throughput_requests_per_second", "2000"));
        assert!(has_bound("_seconds", "0.075") && !has_bound("_seconds", "2000"));
        assert!(!text.contains("shop_axum"), "a prefix replaces the preset's prefix");
        check(&text);
    }
}

#[tokio::test]
async fn without_head_durations_there_is_no_histogram_of_heads() {
    let (lookout, scrape) = start(|builder| builder.without_head_durations());
    send_http(&lookout).await;
    call_grpc(&lookout).await;
    let durations = "http_server_request_duration_seconds_count";
    let text = eventually(5, "all requests", || {
        let text = scrape.render();
        (sum(&text, durations, &[]) == 9.0).then_some(text)
    })
    .await;
    assert!(!text.contains("response_head_duration"), "{text}");
    assert!(sum(&text, "rpc_server_stream_duration_seconds_count", &[]) > 0.0);
    check(&text);
}

#[tokio::test]
async fn two_lookouts_with_different_presets_share_a_process_and_a_recorder() {
    let (recorder, shared) = prometheus::build().unwrap();
    let recorder = Arc::new(recorder);
    let in_shared = |preset, name: &str| {
        let builder = Lookout::builder().recorder(Arc::clone(&recorder));
        builder.preset(preset).constant_label("app", name).start().unwrap()
    };
    let (one, other) = (in_shared(Preset::SpringBoot, "a"), in_shared(Preset::AxumPrometheus, "b"));
    let (third, alone) = start(|builder| builder.preset(Preset::AxumPrometheus).prefix("shop"));
    for lookout in [&one, &other, &third] {
        send_http(lookout).await;
    }
    let counts = |text: &str| {
        [
            "http_server_requests_seconds_count",
            "axum_http_requests_total",
            "axum_http_requests_duration_seconds_count",
            "shop_http_requests_total",
            "shop_http_requests_duration_seconds_count",
        ]
        .map(|name| sum(text, name, &[]))
    };
    for (scrape, expected) in
        [(&shared, [9.0, 9.0, 9.0, 0.0, 0.0]), (&alone, [0.0, 0.0, 0.0, 9.0, 9.0])]
    {
        let text = eventually(5, "all requests", || {
            let text = scrape.render();
            (counts(&text) == expected).then_some(text)
        })
        .await;
        check(&text);
    }
}

/// Returns the error of a builder with these settings.
#[expect(clippy::unwrap_used, reason = "a test may stop")]
fn rejected(set: &dyn Fn(LookoutBuilder) -> LookoutBuilder) -> String {
    set(Lookout::builder().service("test")).start().map(drop).unwrap_err().to_string()
}

#[tokio::test]
async fn an_invalid_prefix_or_label_is_rejected_with_the_fix() {
    for (prefix, expected) in [
        ("", r#"prefix: "" cannot start a name: use letters, digits and _, no digit first"#),
        ("1st", r#"prefix: "1st" cannot start a name: use letters, digits and _, no digit first"#),
        ("a-b", r#"prefix: "a-b" cannot start a name: use letters, digits and _, no digit first"#),
        ("a:b", r#"prefix: "a:b" cannot start a name: use letters, digits and _, no digit first"#),
        ("__a", r#"prefix: "__a" starts with __, which Prometheus reserves: use one _ or none"#),
        ("shop_", r#"prefix: "shop_" ends with _, which the lookout adds: remove it"#),
    ] {
        assert_eq!(rejected(&|builder| builder.prefix(prefix)), expected);
    }
    for (name, expected) in [
        (
            "",
            r#"constant_label: "" is not a label name: use letters, digits and _, no digit first"#,
        ),
        (
            "my team",
            r#"constant_label: "my team" is not a label name: use letters, digits and _, no digit first"#,
        ),
        ("le", r#"constant_label: Prometheus reserves "le": use another name"#),
        ("quantile", r#"constant_label: Prometheus reserves "quantile": use another name"#),
        (
            "route",
            r#"constant_label: the alerts of a route already have the label "route": use another name"#,
        ),
        ("NaN", r#"constant_label: no query of Prometheus can group by "NaN": use another name"#),
        ("__name__", r#"constant_label: Prometheus reserves "__name__": use another name"#),
        ("team", r#"constant_label: "team" is declared twice: remove one"#),
    ] {
        let label = |builder: LookoutBuilder| {
            builder.constant_label("team", "checkout").constant_label(name, "a")
        };
        assert_eq!(rejected(&label), expected);
    }
    assert_eq!(
        rejected(&|builder| builder.grpc_type("/shop.Orders/Watch", GrpcType::ServerStream)),
        r#"grpc_type: "/shop.Orders/Watch" is not a gRPC method: write it as "package.Service/Method""#
    );
}

#[tokio::test]
async fn a_constant_label_with_the_name_of_a_metrics_label_is_rejected() {
    // Collect each label that a metric has with any preset.
    let mut names = BTreeSet::new();
    for preset in PRESETS {
        let rule = Rule::error_ratio().above(0.5).route("GET /orders/{id}");
        let (lookout, scrape) =
            start(|builder| builder.preset(preset).rule(rule).on_alert(|_| ()).server_address());
        send_http(&lookout).await;
        call_grpc(&lookout).await;
        lookout.reporter().report(&std::io::Error::other("no broker"));
        let text = eventually(5, "a tick", || {
            let text = scrape.render();
            let is_there = |name| text.contains(name);
            let has_all =
                ["lookout_alert_state{", "lookout_reports_total{"].into_iter().all(is_there);
            has_all.then_some(text)
        })
        .await;
        let labels = text.lines().filter_map(|line| line.split_once('{')?.1.rsplit_once('}'));
        for (labels, _) in labels {
            let names_of = labels.split("\",").filter_map(|label| label.split_once("=\""));
            names.extend(names_of.map(|(name, _)| name.to_owned()));
        }
    }
    assert!(names.remove("le") && names.len() > 20, "{names:?}");
    for name in names {
        assert_eq!(
            rejected(&|builder| builder.constant_label(&*name, "a")),
            format!(
                "constant_label: the metrics already have the label {name:?}: use another name"
            )
        );
    }
}

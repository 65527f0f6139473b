//! Routes with their own buckets have histograms under their own name.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_lookout::{Lookout, LookoutBuilder, prometheus};

use support::{check_with_promtool, series, sum};

const SLOW: [Duration; 3] =
    [Duration::from_millis(7), Duration::from_secs(60), Duration::from_secs(600)];

/// Returns the bounds and counts of a histogram's buckets.
fn buckets(text: &str, name: &str) -> Vec<(String, f64)> {
    series(text, &format!("{name}_bucket"))
        .map(|(labels, count)| {
            let bound = labels.split_once("le=\"").unwrap().1;
            (bound.split('"').next().unwrap().to_owned(), count)
        })
        .collect()
}

#[tokio::test]
async fn a_family_of_routes_has_its_own_buckets_under_its_own_name() {
    for prefix in [None, Some("shop")] {
        a_family_of_routes(prefix).await;
    }
}

async fn a_family_of_routes(prefix: Option<&str>) {
    let (recorder, scrape) = prometheus::Builder::new().buckets_for("slow", SLOW).build().unwrap();
    let builder = Lookout::builder();
    let builder = match prefix {
        Some(prefix) => builder.prefix(prefix),
        None => builder,
    };
    let lookout = builder
        .recorder(recorder)
        .buckets_for("slow", ["/reports/{id}", "/never"], SLOW)
        .start()
        .unwrap();
    let app = Router::new()
        .route(
            "/reports/{id}",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                "a report"
            }),
        )
        .route("/orders", get(|| async { "orders" }))
        .layer(lookout.layer());
    for path in ["/reports/7", "/orders", "/reports/8"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let text = scrape.render();
    check_with_promtool(&text);
    let text = prefix.map_or(text.clone(), |prefix| text.replace(&format!("{prefix}_"), ""));
    let expected = [("0.007", 0.0), ("60", 2.0), ("600", 2.0), ("+Inf", 2.0)];
    let expected = expected.map(|(bound, count)| (bound.to_owned(), count));
    for (metric, common) in [
        ("http_server_request_duration_slow_seconds", "http_server_request_duration_seconds"),
        (
            "http_server_response_head_duration_slow_seconds",
            "http_server_response_head_duration_seconds",
        ),
    ] {
        assert_eq!(buckets(&text, metric), expected, "{text}");
        assert!(sum(&text, &format!("{metric}_sum"), &[]) >= 0.04);
        let common_buckets = buckets(&text, common);
        assert_eq!(common_buckets.len(), tower_lookout::BUCKETS.len() + 1);
        assert_eq!(sum(&text, &format!("{common}_count"), &[]), 1.0, "{text}");
    }
    // All other metrics keep their names.
    for metric in ["http_server_requests_total", "http_server_active_requests"] {
        let routes = series(&text, metric).filter(|(labels, _)| labels.contains("/reports/{id}"));
        assert_eq!(routes.count(), 1, "{metric}");
    }
}

#[test]
fn invalid_families_are_rejected() {
    let rejected = |set: fn(LookoutBuilder) -> LookoutBuilder| {
        set(Lookout::builder()).start().unwrap_err().to_string()
    };
    assert_eq!(
        rejected(|builder| builder.buckets_for("very slow", ["/"], SLOW)),
        "buckets_for: \"very slow\" cannot be part of a metric name: use letters, digits and _"
    );
    assert_eq!(
        rejected(|builder| builder.buckets_for("a", ["/a"], SLOW).buckets_for("a", ["/b"], SLOW)),
        "buckets_for: \"a\" is declared twice: declare all its routes at once"
    );
    assert_eq!(
        rejected(|builder| builder.buckets_for("a", ["/a"], SLOW).buckets_for("b", ["/a"], SLOW)),
        "buckets_for: \"/a\" is in two families: remove it from one"
    );
    assert_eq!(
        rejected(|builder| builder.buckets_for("a", ["/a"], [])),
        "buckets_for: \"a\": there are none: give at least one bound"
    );
    let unsorted = prometheus::Builder::new().buckets_for("a", SLOW.into_iter().rev()).build();
    assert_eq!(
        unsorted.unwrap_err().to_string(),
        "prometheus buckets: 60s does not come after 600s: put them in order"
    );
}

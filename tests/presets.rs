//! Each preset over real sockets, compared line by line. The metrics that its dashboards query have
//! the right names and values, and all other metrics have the lookout's own names.

#![cfg(all(feature = "axum", feature = "prometheus", feature = "tonic"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/echo.rs"]
mod echo;
#[path = "support/shop.rs"]
mod shop;
mod support;

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body_util::Empty;
use tokio::sync::Semaphore;
use tower::{Layer, Service, service_fn};
use tower_lookout::{GrpcType, Preset, observe::RequestBody, prometheus::Scrape};

use shop::{call_grpc, check, send_http};
use support::{eventually, series, start, sum};

/// Returns the lines of a metric.
fn lines<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = String> {
    series(text, name).map(move |(labels, value)| format!("{name}{labels} {value}"))
}

/// Waits until the metrics in these lines have exactly these lines.
async fn eventually_lines(scrape: &Scrape, expected: &[&str]) -> String {
    let names: BTreeSet<_> = expected.iter().map(|line| line.split('{').next().unwrap()).collect();
    let names: Vec<_> = names.into_iter().collect();
    let mut expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
    expected.sort();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    loop {
        let text = scrape.render();
        let mut found: Vec<_> = names.iter().flat_map(|name| lines(&text, name)).collect();
        found.sort();
        if found == expected {
            return text;
        }
        if tokio::time::Instant::now() > deadline {
            assert_eq!(found, expected);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn open_telemetry_has_the_required_label_url_scheme() {
    for (is_https, scheme) in [(false, "http"), (true, "https")] {
        let (lookout, scrape) = start(|builder| if is_https { builder.https() } else { builder });
        let layer = lookout.layer().bodies();
        let mut service = layer.layer(service_fn(|_: Request<RequestBody<_>>| async {
            Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
        }));
        // A client cannot change the label.
        let request = Request::get("wss://test/").header("x-forwarded-proto", "gopher");
        drop(service.call(request.body(Empty::<&[u8]>::new()).unwrap()).await.unwrap());
        send_http(&lookout).await;
        let text = scrape.render();
        for (name, is_required) in [
            ("http_server_request_duration_seconds_count", true),
            ("http_server_active_requests", true),
            ("http_server_request_body_size_bytes_count", true),
            ("http_server_response_body_size_bytes_count", true),
            ("http_server_requests_total", false),
            ("http_client_request_duration_seconds_count", false),
        ] {
            assert!(lines(&text, name).next().is_some(), "{name}");
            for line in lines(&text, name) {
                let found = line.split_once("url_scheme=\"").map(|(_, rest)| rest);
                let found = found.and_then(|rest| rest.split('"').next());
                assert_eq!(found, is_required.then_some(scheme), "{line}");
            }
        }
        check(&text);
    }
}

#[tokio::test]
async fn spring_boot_has_its_names_and_labels() {
    let (lookout, scrape) = start(|builder| builder.preset(Preset::SpringBoot));
    send_http(&lookout).await;
    let text = eventually_lines(&scrape, &[
        r#"http_server_requests_seconds_count{method="GET",uri="/orders/{id}",status="200",outcome="SUCCESS",exception="none"} 2"#,
        r#"http_server_requests_seconds_count{method="GET",uri="/orders/{id}",status="200",outcome="SUCCESS",exception="aborted"} 1"#,
        r#"http_server_requests_seconds_count{method="GET",uri="/orders/{id}",status="500",outcome="SERVER_ERROR",exception="500"} 1"#,
        r#"http_server_requests_seconds_count{method="GET",uri="/orders/{id}",status="UNKNOWN",outcome="UNKNOWN",exception="cancelled"} 1"#,
        r#"http_server_requests_seconds_count{method="POST",uri="/orders/{id}",status="200",outcome="SUCCESS",exception="none"} 1"#,
        r#"http_server_requests_seconds_count{method="GET",uri="NOT_FOUND",status="404",outcome="CLIENT_ERROR",exception="none"} 1"#,
        r#"http_server_requests_seconds_count{method="GET",uri="REDIRECTION",status="308",outcome="REDIRECTION",exception="none"} 1"#,
        r#"http_server_requests_seconds_count{method="GET",uri="UNKNOWN",status="418",outcome="CLIENT_ERROR",exception="none"} 1"#,
        r#"http_server_active_requests{method="GET",uri="/orders/{id}"} 0"#,
        r#"http_server_active_requests{method="POST",uri="/orders/{id}"} 0"#,
        r#"http_server_active_requests{method="GET",uri="unmatched"} 0"#,
    ])
    .await;
    let client = |labels| {
        format!(
            r#"http_client_requests_seconds_count{{client_name="shop",call="logical",{labels}}} 1"#
        )
    };
    for line in [
        client(r#"method="POST",uri="none",status="200",outcome="SUCCESS",exception="none""#),
        client(r#"method="GET",uri="none",status="404",outcome="CLIENT_ERROR",exception="404""#),
        client(
            r#"method="GET",uri="none",status="CLIENT_ERROR",outcome="UNKNOWN",exception="connect""#,
        ),
        client(
            r#"method="GET",uri="none",status="CLIENT_ERROR",outcome="UNKNOWN",exception="cancelled""#,
        ),
        r#"http_client_active_requests{client_name="shop",call="logical",method="GET"} 0"#
            .to_owned(),
        r#"http_server_response_head_duration_seconds_count{method="POST",uri="/orders/{id}"} 1"#
            .to_owned(),
        r#"http_server_oldest_active_request_seconds{method="POST",uri="/orders/{id}"} 0"#
            .to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("http_server_requests_total"), "the histogram's count is the counter");
    check(&text);
}

#[tokio::test]
async fn axum_prometheus_counts_several_ends_in_one_series() {
    let (lookout, scrape) = start(|builder| builder.preset(Preset::AxumPrometheus));
    send_http(&lookout).await;
    let counted = [
        r#"{method="GET",endpoint="/orders/{id}",status="200"} 3"#,
        r#"{method="GET",endpoint="/orders/{id}",status="500"} 1"#,
        r#"{method="GET",endpoint="/orders/{id}",status="none"} 1"#,
        r#"{method="POST",endpoint="/orders/{id}",status="200"} 1"#,
        r#"{method="GET",endpoint="unmatched",status="404"} 1"#,
        r#"{method="GET",endpoint="unmatched",status="308"} 1"#,
        r#"{method="GET",endpoint="unmatched",status="418"} 1"#,
    ];
    let totals = counted.map(|line| format!("axum_http_requests_total{line}"));
    let counts = counted.map(|line| format!("axum_http_requests_duration_seconds_count{line}"));
    let pending = [
        r#"axum_http_requests_pending{method="GET",endpoint="/orders/{id}"} 0"#,
        r#"axum_http_requests_pending{method="POST",endpoint="/orders/{id}"} 0"#,
        r#"axum_http_requests_pending{method="GET",endpoint="unmatched"} 0"#,
    ];
    let expected: Vec<_> =
        totals.iter().chain(&counts).map(String::as_str).chain(pending).collect();
    let text = eventually_lines(&scrape, &expected).await;
    // These metrics have no counterpart in axum-prometheus.
    let own = [("http_request_method", "GET"), ("dependency", "shop"), ("status_class", "2xx")];
    assert_eq!(sum(&text, "http_client_requests_total", &own), 3.0);
    let own = [("method", "POST"), ("endpoint", "/orders/{id}")];
    assert_eq!(sum(&text, "http_server_response_head_duration_seconds_count", &own), 1.0);
    let last = [("status", "200"), ("le", "+Inf"), ("method", "GET")];
    assert_eq!(sum(&text, "axum_http_requests_duration_seconds_bucket", &last), 3.0);
    check(&text);
}

#[tokio::test]
async fn go_grpc_middleware_has_its_names_and_labels() {
    let (lookout, scrape) = start(|builder| {
        builder
            .preset(Preset::GoGrpcMiddleware)
            .grpc_type("test.Echo/ServerStream", GrpcType::ServerStream)
    });
    call_grpc(&lookout).await;
    let started = |labels, count| {
        format!(r#"grpc_client_started_total{{dependency="echo",call="logical",{labels}}} {count}"#)
    };
    let client = [
        started(r#"grpc_type="unary",grpc_service="test.Echo",grpc_method="Unary""#, 4),
        started(r#"grpc_type="unary",grpc_service="test.Echo",grpc_method="NoTrailers""#, 1),
        started(r#"grpc_type="unary",grpc_service="test.Echo",grpc_method="Nothing""#, 1),
        started(
            r#"grpc_type="server_stream",grpc_service="test.Echo",grpc_method="ServerStream""#,
            1,
        ),
    ];
    let server = [
        r#"grpc_server_started_total{grpc_type="unary",grpc_service="test.Echo",grpc_method="Unary"} 4"#,
        r#"grpc_server_started_total{grpc_type="unary",grpc_service="test.Echo",grpc_method="NoTrailers"} 1"#,
        r#"grpc_server_started_total{grpc_type="server_stream",grpc_service="test.Echo",grpc_method="ServerStream"} 1"#,
        r#"grpc_server_started_total{grpc_type="unary",grpc_service="unknown",grpc_method="_OTHER"} 1"#,
        r#"grpc_server_handled_total{grpc_type="unary",grpc_service="test.Echo",grpc_method="Unary",grpc_code="OK"} 2"#,
        r#"grpc_server_handled_total{grpc_type="unary",grpc_service="test.Echo",grpc_method="Unary",grpc_code="NotFound"} 1"#,
        r#"grpc_server_handled_total{grpc_type="unary",grpc_service="test.Echo",grpc_method="Unary",grpc_code="Canceled"} 1"#,
        r#"grpc_server_handled_total{grpc_type="unary",grpc_service="test.Echo",grpc_method="NoTrailers",grpc_code="Unknown"} 1"#,
        r#"grpc_server_handled_total{grpc_type="server_stream",grpc_service="test.Echo",grpc_method="ServerStream",grpc_code="OK"} 1"#,
        r#"grpc_server_handled_total{grpc_type="unary",grpc_service="unknown",grpc_method="_OTHER",grpc_code="Unimplemented"} 1"#,
        r#"grpc_server_handling_seconds_count{grpc_type="unary",grpc_service="test.Echo",grpc_method="Unary"} 4"#,
        r#"grpc_server_handling_seconds_count{grpc_type="unary",grpc_service="test.Echo",grpc_method="NoTrailers"} 1"#,
        r#"grpc_server_handling_seconds_count{grpc_type="server_stream",grpc_service="test.Echo",grpc_method="ServerStream"} 1"#,
        r#"grpc_server_handling_seconds_count{grpc_type="unary",grpc_service="unknown",grpc_method="_OTHER"} 1"#,
    ];
    let expected: Vec<_> = server.into_iter().chain(client.iter().map(String::as_str)).collect();
    let text = eventually_lines(&scrape, &expected).await;
    let handled = [("dependency", "echo"), ("grpc_method", "Unary"), ("grpc_code", "Canceled")];
    assert_eq!(sum(&text, "grpc_client_handled_total", &handled), 1.0);
    let own = [("grpc_type", "server_stream"), ("grpc_method", "ServerStream")];
    assert_eq!(sum(&text, "rpc_server_stream_duration_seconds_count", &own), 1.0);
    check(&text);
}

#[tokio::test]
async fn no_counter_decreases_when_a_start_moves_to_its_method() {
    let (lookout, scrape) = start(|builder| builder.preset(Preset::GoGrpcMiddleware));
    let responses = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&responses);
    let mut service = lookout.grpc_layer().layer(service_fn(move |request: Request<()>| {
        let gate = Arc::clone(&gate);
        async move {
            if request.uri().path().ends_with("Hang") {
                std::future::pending::<()>().await;
            }
            gate.acquire().await.unwrap().forget();
            let head = Response::builder().header("content-type", "application/grpc");
            let head = head.header("grpc-status", "0");
            Ok::<_, Infallible>(head.body(Empty::<&[u8]>::new()).unwrap())
        }
    }));
    let mut call = |method: &str| {
        let request = Request::post(format!("/shop.Orders/{method}"));
        let request = request.header("content-type", "application/grpc").body(()).unwrap();
        tokio::spawn(service.call(request))
    };
    // The lookout learns the method from its first response.
    let first = call("Create");
    let hangs = call("Hang");
    tokio::task::yield_now().await;
    let text = scrape.render();
    let other = [("grpc_method", "_OTHER")];
    assert_eq!(sum(&text, "rpc_server_active_calls", &other), 2.0);
    assert_eq!(sum(&text, "grpc_server_started_total", &[]), 0.0);

    responses.add_permits(1);
    first.await.unwrap().unwrap();
    let started = r#"grpc_server_started_total{grpc_type="unary",grpc_service="shop.Orders",grpc_method="Create"} 1"#;
    let none = r#"grpc_server_started_total{grpc_type="unary",grpc_service="unknown",grpc_method="_OTHER"} 0"#;
    eventually_lines(&scrape, &[started, none]).await;
    hangs.abort();
    let one = r#"grpc_server_started_total{grpc_type="unary",grpc_service="unknown",grpc_method="_OTHER"} 1"#;
    let text = eventually_lines(&scrape, &[started, one]).await;
    assert_eq!(sum(&text, "grpc_server_handled_total", &other), 1.0);
    assert_eq!(sum(&text, "rpc_server_active_calls", &[]), 0.0);
}

#[tokio::test]
async fn the_last_preset_for_http_and_the_last_for_grpc_apply() {
    let (lookout, scrape) = start(|builder| {
        builder
            .preset(Preset::SpringBoot)
            .preset(Preset::GoGrpcMiddleware)
            .preset(Preset::AxumPrometheus)
    });
    send_http(&lookout).await;
    call_grpc(&lookout).await;
    let text = eventually(5, "both", || {
        let text = scrape.render();
        let http = sum(&text, "axum_http_requests_total", &[]);
        let grpc = sum(&text, "grpc_server_handled_total", &[]);
        ((http, grpc) == (9.0, 7.0)).then_some(text)
    })
    .await;
    assert!(!text.contains("http_server_requests_seconds"));
    check(&text);

    let (lookout, scrape) =
        start(|builder| builder.preset(Preset::SpringBoot).preset(Preset::OpenTelemetry));
    send_http(&lookout).await;
    eventually(5, "its own names", || {
        (sum(&scrape.render(), "http_server_requests_total", &[]) == 9.0).then_some(())
    })
    .await;
}

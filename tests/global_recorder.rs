//! The global recorder may be installed after the first requests. The test is a separate binary,
//! since a process has only one global recorder.

#![cfg(feature = "prometheus")]
mod support;

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, ServiceExt, service_fn};
use tower_lookout::{Lookout, prometheus};

use support::{eventually, sum};

#[tokio::test]
async fn a_recorder_that_is_installed_late_receives_the_earlier_counts() {
    let lookout = Lookout::builder().start().unwrap();
    let service = lookout.layer().layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
    }));
    for _ in 0..3 {
        service.clone().oneshot(Request::new(())).await.unwrap();
    }
    let scrape = prometheus::install().unwrap();
    let count = |name| sum(&scrape.render(), name, &[]);
    eventually(3, "the next tick", || (count("http_server_requests_total") == 3.0).then_some(()))
        .await;
    assert_eq!(count("http_server_request_duration_seconds_count"), 3.0);

    // From here on, each scrape is current.
    for sent in 4..100 {
        service.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(count("http_server_requests_total"), f64::from(sent));
    }
    let within = [("le", "0.005")];
    let fast = sum(&scrape.render(), "http_server_request_duration_seconds_bucket", &within);
    assert!(fast <= 99.0 && fast > 0.0);

    let again = prometheus::install().unwrap_err().to_string();
    assert!(again.contains("installed already"), "{again}");

    // The application's own metrics use the same recorder.
    metrics::counter!("orders_total").increment(2);
    assert_eq!(count("orders_total"), 2.0);
    let sampled = || count("http_server_throughput_requests_per_second_count") > 0.0;
    eventually(3, "throughput", || sampled().then_some(())).await;
    lookout.shutdown().await;
}

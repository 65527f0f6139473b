//! An SLO alert fires as soon as the first requests of a service violate the objective.

#![cfg(feature = "prometheus")]

mod support;

use std::{convert::Infallible, sync::mpsc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_lookout::{Alert, Rule};

use support::{series, start};

async fn respond(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("done"));
    if request.uri().path() == "/pay" {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

#[tokio::test]
async fn a_violated_slo_fires_with_its_burn_rate_and_the_failing_route() {
    let (sent, alerts) = mpsc::channel::<Alert>();
    let (lookout, scrape) = start(|builder| {
        builder
            .route_templates(["/pay", "/orders"])
            .rule(Rule::slo(0.999).confidence(0.95))
            .on_alert(move |alert| sent.send(alert.clone()).unwrap())
    });
    let service = lookout.layer().layer(service_fn(respond));
    for number in 0..40 {
        let path = if number % 2 == 0 { "/pay" } else { "/orders" };
        let request = Request::builder().uri(path).body(()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }

    let fired = tokio::task::spawn_blocking(move || alerts.recv_timeout(Duration::from_secs(5)));
    let fired = fired.await.unwrap().unwrap();
    // Half of the requests fail. The ratio is slightly off if a tick falls between two of them.
    assert_eq!(fired.title(), "[FIRING] ErrorBudgetBurn · test");
    assert!((450.0..650.0).contains(&fired.breach().unwrap().value.unwrap()), "{fired}");
    assert!(
        fired
            .measured()
            .contains(", which spends the 30-day error budget of the 99.9% objective in 1."),
        "{fired}"
    );
    assert_eq!(fired.condition(), "threshold: above 14.4");
    let top = fired.top()[0].to_string();
    assert!(top.starts_with("GET /pay: ") && top.ends_with(", 100% of all failures"), "{top}");
    let text = scrape.render();
    let states: Vec<_> = series(&text, "lookout_alert_state").collect();
    assert_eq!(states, [("{rule=\"ErrorBudgetBurn\",severity=\"warning\"}", 2.0)]);
}

//! Each request has an operation, and no client can exceed the limit on operations.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::convert::Infallible;

use axum::{Router, body::Body, routing::get};
use http::{Method, Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_lookout::Lookout;

use support::{series, start, sum};

async fn send<S, B>(service: &S, method: &str, path: &str)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .body(Body::empty())
        .unwrap();
    service.clone().oneshot(request).await.unwrap();
}

fn bare(
    lookout: &Lookout,
) -> impl Service<Request<Body>, Response = Response<impl http_body::Body>, Error = Infallible> + Clone
{
    lookout
        .layer()
        .layer(service_fn(|_: Request<Body>| async { Ok(Response::new(Empty::<&[u8]>::new())) }))
}

/// Returns the operations with their numbers of requests, sorted.
fn operations(text: &str) -> Vec<(String, f64)> {
    let label = |labels: &str, name: &str| {
        let value = labels.split_once(&format!("{name}=\"")).unwrap().1;
        value.split('"').next().unwrap().to_owned()
    };
    let mut found: Vec<_> = series(text, "http_server_requests_total")
        .map(|(labels, count)| {
            let (method, route) =
                (label(labels, "http_request_method"), label(labels, "http_route"));
            (format!("{method} {route}"), count)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    found
}

#[tokio::test]
async fn in_axum_the_route_is_the_matched_path() {
    let (lookout, scrape) = start(|builder| builder);
    let orders = Router::new().route("/{id}", get(|| async { "an order" }));
    let app = Router::new()
        .nest("/orders", orders)
        .route("/files/{*path}", get(|| async { "a file" }))
        .layer(lookout.layer())
        .route("/healthz", get(|| async { "ok" }));
    for (method, path) in [
        ("GET", "/orders/1"),
        ("GET", "/orders/2"),
        ("POST", "/orders/2"),
        ("GET", "/files/a/b"),
        ("GET", "/nowhere/1"),
        ("GET", "/nowhere/2"),
        ("PROPFIND", "/orders/1"),
        ("GET", "/healthz"),
    ] {
        send(&app, method, path).await;
    }
    assert_eq!(
        operations(&scrape.render()),
        [
            ("GET /files/{*path}".to_owned(), 1.0),
            ("GET /orders/{id}".to_owned(), 2.0),
            ("GET unmatched".to_owned(), 2.0),
            ("POST /orders/{id}".to_owned(), 1.0),
            ("_OTHER /orders/{id}".to_owned(), 1.0),
        ]
    );
}

/// Creates a layer that responds itself, like authentication.
fn reject_all() -> impl Layer<
    axum::routing::Route,
    Service: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
                 + Clone
                 + Send
                 + Sync
                 + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    axum::middleware::from_fn(|request: Request<Body>, next: axum::middleware::Next| async move {
        if request.headers().contains_key("authorization") {
            next.run(request).await
        } else {
            Response::builder().status(401).body(Body::empty()).unwrap()
        }
    })
}

#[tokio::test]
async fn a_route_layer_reports_the_route_to_the_outer_layer() {
    let (lookout, scrape) = start(|builder| builder);
    let route = lookout.route_layer();
    let users = Router::new().route("/u/{id}", get(|| async { "a user" }));
    let service = Router::new().route("/s/{id}", get(|| async { "as a service" })).layer(route);
    let router = Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .nest("/api/{version}", users)
        .nest_service("/nested", service)
        .layer(route)
        // This route is added after the layer, so only the outer layer counts it, without a route.
        .route("/healthz", get(|| async { "ok" }));
    let app = lookout.outer_layer().layer(router);
    for (method, path) in [
        ("GET", "/orders/1"),
        ("POST", "/orders/1"),
        ("GET", "/api/v2/u/7"),
        ("GET", "/nested/s/7"),
        ("GET", "/nested/nowhere"),
        ("GET", "/nowhere"),
        ("GET", "/healthz"),
    ] {
        send(&app, method, path).await;
    }
    let text = scrape.render();
    assert_eq!(
        operations(&text),
        [
            ("GET /api/{version}/u/{id}".to_owned(), 1.0),
            ("GET /nested/s/{id}".to_owned(), 1.0),
            ("GET /orders/{id}".to_owned(), 1.0),
            ("GET unmatched".to_owned(), 1.0), // 200
            ("GET unmatched".to_owned(), 2.0), // 404
            ("POST /orders/{id}".to_owned(), 1.0),
        ]
    );
    assert_eq!(sum(&text, "http_server_active_requests", &[]), 0.0);
}

#[tokio::test]
async fn a_response_of_a_layer_in_between_has_no_route() {
    let (lookout, scrape) = start(|builder| builder);
    let router = Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .layer(lookout.route_layer())
        .layer(reject_all());
    send(&lookout.outer_layer().layer(router), "GET", "/orders/1").await;
    let text = scrape.render();
    assert_eq!(operations(&text), [("GET unmatched".to_owned(), 1.0)]);
    let rejected = [("status_class", "4xx"), ("outcome", "success")];
    assert_eq!(sum(&text, "http_server_requests_total", &rejected), 1.0);
}

#[tokio::test]
async fn a_request_that_hangs_outside_its_router_ends_with_its_route() {
    let (lookout, scrape) = start(|builder| builder);
    let router = Router::new()
        .route("/hang", get(std::future::pending::<&str>))
        .route("/panic", get(|| async { panic!("intended by the test") as &str }))
        .layer(lookout.route_layer());
    let app = lookout.outer_layer().layer(router);
    let request = |path| Request::get(path).body(Body::empty()).unwrap();
    let hanging = app.clone().oneshot(request("/hang"));
    let soon = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, hanging).await.is_err());
    let panicking = tokio::spawn(app.oneshot(request("/panic")));
    assert!(panicking.await.unwrap_err().is_panic());
    let text = scrape.render();
    for (route, outcome) in [("/hang", "cancelled"), ("/panic", "panicked")] {
        let labels = [("http_route", route), ("outcome", outcome)];
        assert_eq!(sum(&text, "http_server_requests_total", &labels), 1.0, "{text}");
    }
    assert_eq!(sum(&text, "http_server_requests_total", &[]), 2.0);
    assert_eq!(sum(&text, "http_server_active_requests", &[]), 0.0);
}

#[tokio::test]
async fn ignored_requests_are_not_counted() {
    let (lookout, scrape) = start(|builder| {
        builder.ignore(|request| {
            request.uri.path() == "/healthz" || request.headers.contains_key("x-probe")
        })
    });
    let app = Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .route("/healthz", get(|| async { "ok" }))
        .layer(lookout.layer());
    for path in ["/healthz", "/orders/1", "/healthz"] {
        send(&app, "GET", path).await;
    }
    let probe = Request::get("/orders/1").header("x-probe", "1").body(Body::empty()).unwrap();
    assert_eq!(app.clone().oneshot(probe).await.unwrap().status(), 200);
    let text = scrape.render();
    assert_eq!(operations(&text), [("GET /orders/{id}".to_owned(), 1.0)]);
    assert_eq!(sum(&text, "http_server_active_requests", &[]), 0.0);
}

#[tokio::test]
async fn without_a_router_templates_name_the_route() {
    let (lookout, scrape) =
        start(|builder| builder.route_templates(["/orders/{id}", "/files/{*path}"]));
    let service = bare(&lookout);
    for path in ["/orders/1", "/orders/2", "/files/a/b", "/orders/1/2"] {
        send(&service, "GET", path).await;
    }
    assert_eq!(
        operations(&scrape.render()),
        [
            ("GET /files/{*path}".to_owned(), 1.0),
            ("GET /orders/{id}".to_owned(), 2.0),
            ("GET unmatched".to_owned(), 1.0),
        ]
    );
    let error = Lookout::builder().route_templates(["/a/{id}", "/a/{name}"]).start().unwrap_err();
    assert!(
        error.to_string().contains("route_templates") && error.to_string().contains("/a/{name}")
    );
}

#[tokio::test]
async fn without_a_router_a_closure_names_the_route() {
    let (lookout, scrape) = start(|builder| {
        builder.route_fn(|request| {
            let first = request.uri.path().split('/').nth(1)?;
            ["orders", "users"].contains(&first).then(|| first.into())
        })
    });
    let service = bare(&lookout);
    for path in ["/orders/1", "/orders/2", "/users/1", "/wp-login.php"] {
        send(&service, "GET", path).await;
    }
    assert_eq!(
        operations(&scrape.render()),
        [
            ("GET orders".to_owned(), 2.0),
            ("GET unmatched".to_owned(), 1.0),
            ("GET users".to_owned(), 1.0),
        ]
    );
}

#[tokio::test]
async fn operations_beyond_the_limit_share_one_series_and_no_request_is_lost() {
    let (lookout, scrape) = start(|builder| {
        builder.max_operations(10).route_fn(|request| Some(request.uri.path().into()))
    });
    let service = bare(&lookout);
    for path in 0..1_000 {
        send(&service, "GET", &format!("/{path}")).await;
    }
    let text = scrape.render();
    let operations = operations(&text);
    assert_eq!(operations.len(), 11);
    assert_eq!(operations.last().unwrap(), &("_OTHER _OVERFLOW".to_owned(), 990.0));
    assert_eq!(sum(&text, "lookout_overflowed_requests_total", &[]), 990.0);
    assert_eq!(sum(&text, "http_server_requests_total", &[]), 1_000.0);
}

#[tokio::test]
async fn two_lookouts_in_a_process_count_independently() {
    let ((one, one_scrape), (two, two_scrape)) =
        (start(|builder| builder), start(|builder| builder));
    let both = one.layer().layer(bare(&two));
    send(&both, "GET", "/").await;
    send(&bare(&two), "GET", "/").await;
    let count = |text: String| sum(&text, "http_server_requests_total", &[]);
    assert_eq!((count(one_scrape.render()), count(two_scrape.render())), (1.0, 2.0));
}

#[tokio::test]
async fn invalid_settings_are_rejected_with_the_field_and_the_fix() {
    let rejected =
        |builder: tower_lookout::LookoutBuilder| builder.start().unwrap_err().to_string();
    let builder = Lookout::builder;
    assert_eq!(rejected(builder().max_operations(0)), "max_operations: 0 is not from 1 to 100,000");
    assert_eq!(
        rejected(builder().service(" ")),
        "service: the name is empty: set the name of the service"
    );
    let milliseconds = |all: [u64; 2]| all.map(std::time::Duration::from_millis);
    assert_eq!(
        rejected(builder().buckets(milliseconds([10, 5]))),
        "buckets: 5ms does not come after 10ms: put them in order"
    );
    assert_eq!(rejected(builder().buckets([])), "buckets: there are none: give at least one bound");
    assert_eq!(
        rejected(builder().rule(tower_lookout::Rule::error_ratio().above(1.5))),
        "rule `HighErrorRatio`: above 1.5 can never hold: a ratio is from 0 to 1, so that 1% is 0.01"
    );
}

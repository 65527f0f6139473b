//! The access log and other observers over real sockets: each request gets one line in a standard
//! format, and no client can forge a line.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

#[path = "support/events.rs"]
mod events;
mod support;

use std::{
    convert::Infallible,
    io::{self, Read},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    routing::{get, post},
};
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderName, Request, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_lookout::{
    Lookout,
    observe::{AccessLog, Observer, RequestEnd, RequestHead},
};
use tracing::subscriber::{NoSubscriber, with_default};
use tracing_subscriber::{filter::filter_fn, fmt, prelude::*};

use events::{Event, is_now, lines, without_date};
use support::{eventually, start, sum};

fn lookout() -> Lookout {
    Lookout::builder().service("test").start().unwrap()
}

/// Creates a router whose one route has the test's name, which identifies the lines of the test.
fn router(name: &str, route: axum::routing::MethodRouter) -> Router {
    Router::new().route(&format!("/{name}/{{id}}"), route)
}

async fn serve(app: Router) -> SocketAddr {
    events::listen();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends a raw request with these headers. Returns the response.
async fn fetch(address: SocketAddr, request: &[u8], headers: &[&[u8]]) -> String {
    let mut stream = send(address, request, headers).await;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    String::from_utf8(response).unwrap()
}

async fn send(address: SocketAddr, request: &[u8], headers: &[&[u8]]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut sent = [request, b" HTTP/1.1\r\nhost: test\r\nconnection: close\r\n"].concat();
    headers.iter().for_each(|header| sent.extend([header, &b"\r\n"[..]].concat()));
    sent.extend(b"\r\n");
    stream.write_all(&sent).await.unwrap();
    stream
}

async fn line(name: &str) -> Event {
    lines(name, 1).await.remove(0)
}

async fn object(name: &str) -> Value {
    serde_json::from_str(&line(name).await.message).unwrap()
}

#[tokio::test]
async fn each_access_log_writes_a_request_in_its_format() {
    let lookout = lookout();
    let layer = lookout.layer();
    let layer = layer.observer(AccessLog::common()).observer(AccessLog::combined());
    let route = post(|body: Bytes| async move { body.slice(..4) });
    let app = router("forms", route).layer(layer.observer(AccessLog::json()));
    let headers: [&[u8]; 5] = [
        b"content-length: 7",
        b"referer: https://shop.example/?q=s3cret#top",
        b"user-agent: curl/8.5.0",
        b"x-request-id: 7b1c",
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ];
    let mut stream = send(serve(app).await, b"POST /forms/7?token=s3cret", &headers).await;
    stream.write_all(b"an item").await.unwrap();
    let [common, combined, object] = lines("forms", 3).await.try_into().unwrap();

    let expected = r#"- - - [] "POST /forms/7 HTTP/1.1" 200 4"#;
    assert_eq!(without_date(&common.message), expected);
    let combined_end = r#" "https://shop.example/" "curl/8.5.0""#;
    assert_eq!(without_date(&combined.message), format!("{expected}{combined_end}"));
    for event in [&common, &combined, &object] {
        let fields = [("request_id", "7b1c"), ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736")];
        assert_eq!(event.fields, fields.map(|(name, value)| (name, value.to_owned())).into());
    }

    let mut object: Value = serde_json::from_str(&object.message).unwrap();
    is_now(object["time"].take().as_str().unwrap());
    let took = object["duration_ms"].take().as_f64().unwrap();
    assert!(took > 0.0 && took < 5_000.0, "{took}");
    let expected = json!({
        "time": null, "remote_addr": null, "method": "POST", "path": "/forms/7",
        "version": "HTTP/1.1", "route": "/forms/{id}", "status": 200, "grpc_status": null,
        "outcome": "success", "duration_ms": null, "request_bytes": 7, "response_bytes": 4,
        "referer": "https://shop.example/", "user_agent": "curl/8.5.0", "request_id": "7b1c",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    });
    assert_eq!(object, expected);
}

#[tokio::test]
async fn unknown_values_are_a_dash_or_null() {
    let lookout = lookout();
    let layer = lookout.layer();
    let layer = layer.observer(AccessLog::combined()).observer(AccessLog::json());
    let app = router("bare", get(|| async {})).layer(layer);
    let headers: [&[u8]; 3] = [b"user-agent:", b"x-request-id:", b"traceparent: 00-0-0-01"];
    fetch(serve(app).await, b"GET /bare/1", &headers).await;
    let [combined, object] = lines("bare", 2).await.try_into().unwrap();
    let expected = r#"- - - [] "GET /bare/1 HTTP/1.1" 200 - "-" "-""#;
    assert_eq!(without_date(&combined.message), expected);
    assert!(combined.fields.is_empty(), "{combined:?}");
    let object: Value = serde_json::from_str(&object.message).unwrap();
    for key in ["remote_addr", "grpc_status", "referer", "user_agent", "request_id", "trace_id"] {
        assert_eq!(object.get(key), Some(&Value::Null), "{key}");
    }
}

#[tokio::test]
async fn no_client_can_forge_a_line() {
    let lookout = lookout();
    let layer = lookout.layer();
    let layer = layer.observer(AccessLog::combined()).observer(AccessLog::json());
    let app = router("hostile", get(|| async {})).layer(layer);
    let agent = b"user-agent: x\" 200 1\t\\ \xc2\x9b31m \xff";
    let id = b"x-request-id: 1\" trace_id=\"2";
    let address = serve(app).await;
    fetch(address, b"GET /hostile/\"a\\b%0a{\"", &[agent, id]).await;
    // hyper rejects control characters.
    let rejected = fetch(address, b"GET /hostile/2", &[b"user-agent: \x1b[31m"]).await;
    assert!(rejected.starts_with("HTTP/1.1 400"), "{rejected}");

    let [combined, object] = lines("hostile", 2).await.try_into().unwrap();
    assert_eq!(
        without_date(&combined.message),
        r#"- - - [] "GET /hostile/\"a\\b%0a{\" HTTP/1.1" 200 - "-" "x\" 200 1\x09\\ \xc2\x9b31m \xff""#
    );
    assert_eq!(combined.fields["request_id"], r#"1\" trace_id=\"2"#);
    assert!(object.message.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{object:?}");
    let object: Value = serde_json::from_str(&object.message).unwrap();
    assert_eq!(object["path"], "/hostile/\"a\\b%0a{\"");
    assert_eq!(object["user_agent"], "x\" 200 1\t\\ \u{9b}31m \u{fffd}");
    assert_eq!(object["request_id"], "1\" trace_id=\"2");
}

#[tokio::test]
async fn long_values_are_cut() {
    let lookout = lookout();
    let app = router("long", get(|| async {})).layer(lookout.layer().observer(AccessLog::json()));
    let long = "x".repeat(4_000);
    let agent = format!("user-agent: {long}");
    let request = format!("GET /long/{long}");
    fetch(serve(app).await, request.as_bytes(), &[agent.as_bytes()]).await;
    let object = object("long").await;
    assert_eq!(object["user_agent"], format!("{}...", &long[..1_024]));
    assert_eq!(object["path"], format!("/long/{}...", &long[..1_018]));
}

#[tokio::test]
async fn configured_values_are_in_the_line() {
    let log = AccessLog::combined()
        .with_query()
        .request_id_header(HeaderName::from_static("x-correlation-id"))
        .remote_addr(|head| {
            let ConnectInfo(peer) = head.extensions.get::<ConnectInfo<SocketAddr>>()?;
            Some(peer.ip().to_string().into())
        });
    let forwarded = AccessLog::common()
        .remote_addr(|head| Some(head.headers.get("x-forwarded-for")?.to_str().ok()?.into()));
    let lookout = lookout();
    let layer = lookout.layer().observer(log).observer(forwarded);
    let app = router("configured", get(|| async { "ok" })).layer(layer);
    let headers: [&[u8]; 3] = [
        b"referer: https://shop.example/?page=1",
        b"x-correlation-id: 9",
        b"x-forwarded-for: 192.0.2.7, 10.0.0.1",
    ];
    fetch(serve(app).await, b"GET /configured/1?page=2", &headers).await;
    let [log, forwarded] = lines("configured", 2).await.try_into().unwrap();
    assert_eq!(
        without_date(&log.message),
        r#"127.0.0.1 - - [] "GET /configured/1?page=2 HTTP/1.1" 200 2 "https://shop.example/?page=1" "-""#
    );
    assert_eq!(log.fields["request_id"], "9");
    let expected = r#"192.0.2.7,\x2010.0.0.1 - - [] "GET /configured/1 HTTP/1.1" 200 2"#;
    assert_eq!(without_date(&forwarded.message), expected);
}

/// Sends a request that gets no complete response, and returns its line.
async fn unfinished(name: &str, route: axum::routing::MethodRouter, leaves_after: &str) -> Value {
    let (lookout, scrape) = start(|builder| builder);
    let layer = lookout.layer().observer(AccessLog::json());
    let layer = layer.observer(AccessLog::common());
    let address = serve(router(name, route).layer(layer)).await;
    let mut stream = send(address, format!("GET /{name}/1").as_bytes(), &[]).await;
    let mut response = Vec::new();
    while !String::from_utf8_lossy(&response).ends_with(leaves_after) {
        assert!(stream.read_buf(&mut response).await.unwrap() > 0);
    }
    let has_arrived = || scrape.render().contains("http_server_active_requests").then_some(());
    eventually(5, "the request", has_arrived).await;
    drop(stream);
    let [object, common] = lines(name, 2).await.try_into().unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    lines(name, 2).await;
    let object: Value = serde_json::from_str(&object.message).unwrap();
    let end = common.message.rsplit_once("HTTP/1.1\" ").unwrap().1;
    json!([object["status"], object["outcome"], object["response_bytes"], end])
}

#[tokio::test]
async fn a_request_without_a_complete_response_has_one_line() {
    let hang = get(std::future::pending::<&str>);
    assert_eq!(unfinished("cancelled", hang, "").await, json!([null, "cancelled", 0, "- -"]));
    let endless = get(|| async {
        let first = stream::iter([Ok::<_, Infallible>("first")]);
        Body::from_stream(first.chain(stream::pending()))
    });
    let aborted = unfinished("aborted", endless, "first\r\n").await;
    assert_eq!(aborted, json!([200, "aborted", 5, "200 5"]));
    let panics = get(|| async { panic!("intended by the test") as &str });
    assert_eq!(unfinished("panicked", panics, "").await, json!([null, "panicked", 0, "- -"]));
}

/// Counts its calls, and panics.
struct Panics {
    at_start: bool,
    ends: Arc<AtomicU64>,
}

impl Observer for Panics {
    type State = ();

    fn on_request(&self, _: &RequestHead<'_>) {
        assert!(!self.at_start, "intended by the test");
    }

    fn on_end(&self, (): (), _: &RequestEnd<'_>) {
        self.ends.fetch_add(1, Relaxed);
        panic!("intended by the test");
    }
}

#[tokio::test]
async fn a_panicking_observer_affects_neither_the_request_nor_other_observers() {
    let (lookout, scrape) = start(|builder| builder);
    let ends = Arc::new(AtomicU64::new(0));
    let panics = |at_start| Panics { at_start, ends: ends.clone() };
    let layer = lookout.layer().observer(panics(true)).observer(panics(false));
    let app = router("harmless", get(|| async { "a response" }))
        .route("/harmless/panic", get(|| async { panic!("intended by the test") as &str }))
        .layer(layer.observer(AccessLog::json()));
    let address = serve(app).await;
    let response = fetch(address, b"GET /harmless/1", &[]).await;
    assert!(response.ends_with("a response"), "{response}");
    // `on_end` is called while the thread unwinds.
    assert_eq!(fetch(address, b"GET /harmless/panic", &[]).await, "");
    lines("harmless", 2).await;
    assert_eq!(ends.load(Relaxed), 2, "no end follows a start that panicked");
    for outcome in ["success", "panicked"] {
        let labels = [("outcome", outcome)];
        assert_eq!(sum(&scrape.render(), "http_server_requests_total", &labels), 1.0);
    }
}

#[tokio::test]
async fn the_route_can_come_from_a_route_layer() {
    let lookout = lookout();
    let inner = router("inside", get(|| async {})).layer(lookout.route_layer());
    let app = lookout.outer_layer().observer(AccessLog::json()).layer(inner);
    events::listen();
    let request = Request::get("/inside/1").body(Body::empty()).unwrap();
    drop(app.oneshot(request).await.unwrap());
    assert_eq!(object("inside").await["route"], "/inside/{id}");
}

#[tokio::test]
async fn a_grpc_call_has_its_status_in_a_field() {
    events::listen();
    let lookout = Lookout::builder().grpc_methods(["shop.Orders/Find"]).start().unwrap();
    let layer = lookout.grpc_layer().observer(AccessLog::json()).observer(AccessLog::common());
    let service = layer.layer(service_fn(|_: Request<_>| async {
        let response = Response::builder().header("content-type", "application/grpc");
        Ok::<_, Infallible>(response.header("grpc-status", "5").body(Body::empty()).unwrap())
    }));
    let request = Request::post("/shop.Orders/Find").header("content-type", "application/grpc");
    let request = request.version(http::Version::HTTP_2).body(Body::empty()).unwrap();
    drop(service.oneshot(request).await.unwrap());
    let [object, common] = lines("shop.Orders", 2).await.try_into().unwrap();
    assert!(common.message.ends_with(r#""POST /shop.Orders/Find HTTP/2.0" 200 -"#), "{common:?}");
    assert_eq!(common.fields["grpc_status"], "NOT_FOUND");
    let object: Value = serde_json::from_str(&object.message).unwrap();
    let found =
        json!([object["status"], object["grpc_status"], object["route"], object["version"]]);
    assert_eq!(found, json!([null, "NOT_FOUND", "shop.Orders/Find", "HTTP/2.0"]));
}

/// Runs a request without a socket, since the test's subscriber is set for one thread only.
fn respond(lookout: &Lookout, log: AccessLog) {
    let layer = lookout.layer().observer(log);
    let service = layer.layer(service_fn(|_: Request<_>| async {
        tracing::info!("handled");
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let request = Request::get("/alone/1").header("x-request-id", "1").body(Body::empty());
    let span = tracing::info_span!("request").entered();
    drop(service.oneshot(request.unwrap()).now_or_never().unwrap().unwrap());
    drop(span);
}

#[test]
fn a_writer_can_receive_only_the_access_log() {
    let (mut reader, writer) = io::pipe().unwrap();
    let lines = fmt::layer()
        .without_time()
        .with_level(false)
        .with_target(false)
        .fmt_fields(fmt::format::debug_fn(|writer, field, value| match field.name() {
            "message" => write!(writer, "{value:?}"),
            _ => Ok(()),
        }))
        .with_writer(Arc::new(writer))
        .with_filter(filter_fn(|event| event.target() == AccessLog::TARGET));
    let lookout = lookout();
    with_default(tracing_subscriber::registry().with(lines), || {
        respond(&lookout, AccessLog::common());
        respond(&lookout, AccessLog::common());
    });
    let mut written = String::new();
    reader.read_to_string(&mut written).unwrap();
    let written: Vec<_> = written.lines().map(without_date).collect();
    assert_eq!(written, [r#"- - - [] "GET /alone/1 HTTP/1.1" 200 -"#; 2]);
}

#[test]
fn a_disabled_log_stores_no_data() {
    let calls = Arc::new(AtomicU64::new(0));
    let counts = calls.clone();
    let log = AccessLog::common().remote_addr(move |_| {
        counts.fetch_add(1, Relaxed);
        None
    });
    let lookout = lookout();
    with_default(NoSubscriber::new(), || respond(&lookout, log));
    assert_eq!(calls.load(Relaxed), 0);
}

#[tokio::test]
async fn inside_a_nest_the_path_has_no_prefix() {
    let lookout = lookout();
    // Either log may write first, so one of them uses this header as the request id.
    let header = HeaderName::from_static("x-inside");
    let inside = lookout.layer().observer(AccessLog::json().request_id_header(header));
    let nested = router("nested", get(|| async {})).layer(inside);
    let outside = lookout.layer().observer(AccessLog::json());
    let app = Router::new().nest("/api", nested).layer(outside);
    fetch(serve(app).await, b"GET /api/nested/1", &[b"x-inside: yes"]).await;
    for line in lines("nested", 2).await {
        let object: Value = serde_json::from_str(&line.message).unwrap();
        let is_inside = object["request_id"] == "yes";
        assert_eq!(object["path"], if is_inside { "/nested/1" } else { "/api/nested/1" });
        assert_eq!(object["route"], "/api/nested/{id}");
    }
}

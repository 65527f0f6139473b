//! Every way in which a request can end, over real sockets: what is counted, once, and that nothing
//! stays in flight.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

#[path = "support/script.rs"]
mod script;
mod support;

use std::{convert::Infallible, future::pending, io, sync::Arc, time::Duration};

use axum::{Router, routing::any};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};
use tower_lookout::Lookout;

use script::{Script, Step};
use support::{eventually, series, start, sum};

/// What the service does with a request.
#[derive(Clone)]
enum Answer {
    Response { status: u16, headers: &'static [(&'static str, &'static str)], body: Script },
    Error,
    Panic,
    Hang,
}

/// What stands around the service.
#[derive(Clone, Copy, PartialEq)]
enum Around {
    Nothing,
    TimeoutOutside,
    TimeoutInside,
    CatchPanicOutside,
    CatchPanicInside,
}

/// What the client does.
#[derive(Clone, Copy, PartialEq)]
enum Client {
    ReadsAll,
    LeavesBeforeTheHead,
    LeavesInTheBody,
}

struct Case {
    title: &'static str,
    method: Method,
    answer: Answer,
    around: Around,
    client: Client,
    /// The labels `http_response_status_code`, `status_class`, `outcome` and `error_type`.
    counted: [&'static str; 4],
}

fn case(title: &'static str, answer: Answer, counted: [&'static str; 4]) -> Case {
    Case {
        title,
        method: Method::GET,
        answer,
        around: Around::Nothing,
        client: Client::ReadsAll,
        counted,
    }
}

fn answer(status: u16, body: Script) -> Answer {
    Answer::Response { status, headers: &[], body }
}

const SUCCESS: [&str; 4] = ["200", "2xx", "success", ""];
const LENGTH: &[(&str, &str)] = &[("content-length", "10")];

fn cases() -> Vec<Case> {
    use Step::{Data, Error, Hang, Panic, TimedOut, Trailers};
    let five = || Data("12345");
    let full = || Script::new([Data("1234567890")]).exact(10);
    vec![
        case("exact length", answer(200, full()), SUCCESS),
        case(
            "exact length in two frames",
            answer(200, Script::new([five(), five()]).exact(10)),
            SUCCESS,
        ),
        case("empty", answer(200, Script::default().exact(0)), SUCCESS),
        case("empty, of unknown length", answer(200, Script::default()), SUCCESS),
        case("unknown length", answer(200, Script::new([five(), five()])), SUCCESS),
        case(
            "stream with a Content-Length",
            Answer::Response { status: 200, headers: LENGTH, body: Script::new([five(), five()]) },
            SUCCESS,
        ),
        case("trailers", answer(200, Script::new([five(), Trailers])), SUCCESS),
        case("204", answer(204, Script::default()), ["204", "2xx", "success", ""]),
        case("304 with a body", answer(304, full()), ["304", "3xx", "success", ""]),
        case("404", answer(404, full()), ["404", "4xx", "success", ""]),
        case("500", answer(500, full()), ["500", "5xx", "failure", "500"]),
        Case { method: Method::HEAD, ..case("HEAD", answer(200, full()), SUCCESS) },
        Case {
            method: Method::HEAD,
            ..case("HEAD of a stream", answer(200, Script::new([five(), five()])), SUCCESS)
        },
        case("service error", Answer::Error, ["", "none", "error", "error"]),
        case(
            "body error",
            answer(200, Script::new([five(), Error])),
            ["200", "2xx", "error", "error"],
        ),
        case(
            "body error with a cause that is known",
            answer(200, Script::new([five(), TimedOut])),
            ["200", "2xx", "error", "timeout"],
        ),
        case("panic", Answer::Panic, ["", "none", "panicked", "panicked"]),
        case(
            "panic in the body",
            answer(200, Script::new([five(), Panic])),
            ["200", "2xx", "panicked", "panicked"],
        ),
        Case {
            around: Around::CatchPanicOutside,
            ..case("panic, caught outside", Answer::Panic, ["", "none", "panicked", "panicked"])
        },
        Case {
            around: Around::CatchPanicInside,
            ..case("panic, caught inside", Answer::Panic, ["500", "5xx", "failure", "500"])
        },
        Case {
            around: Around::TimeoutOutside,
            ..case("timeout outside", Answer::Hang, ["", "none", "cancelled", "cancelled"])
        },
        Case {
            around: Around::TimeoutInside,
            ..case("timeout inside", Answer::Hang, ["408", "4xx", "success", ""])
        },
        Case {
            client: Client::LeavesBeforeTheHead,
            ..case(
                "client leaves before the head",
                Answer::Hang,
                ["", "none", "cancelled", "cancelled"],
            )
        },
        Case {
            client: Client::LeavesInTheBody,
            ..case(
                "client leaves in a stream",
                answer(200, Script::new([five(), Hang])),
                ["200", "2xx", "aborted", "aborted"],
            )
        },
        Case {
            client: Client::LeavesInTheBody,
            ..case(
                "client leaves in a body of known length",
                answer(200, Script::new([five(), Hang]).exact(10)),
                ["200", "2xx", "aborted", "aborted"],
            )
        },
    ]
}

type App = BoxCloneSyncService<Request<Incoming>, Response<axum::body::Body>, io::Error>;

async fn handle(answer: Answer) -> Result<Response<Script>, io::Error> {
    match answer {
        Answer::Response { status, headers, body } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            Ok(response.body(body).unwrap())
        }
        Answer::Error => Err(io::Error::other("no database")),
        Answer::Panic => panic!("a handler panics, as the test asks"),
        Answer::Hang => pending().await,
    }
}

const TIMEOUT: Duration = Duration::from_millis(100);

fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT)
}

/// The case as a bare tower stack.
fn bare(case: &Case, lookout: &Lookout) -> App {
    let answer = case.answer.clone();
    let service = service_fn(move |_: Request<Incoming>| handle(answer.clone()));
    let layer = lookout.layer();
    fn boxed<S, B>(service: S) -> App
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync,
        S: 'static,
        S::Future: Send,
        S::Error: Into<tower::BoxError>,
        B: Body<Data = Bytes, Error: Into<tower::BoxError>>,
        B: Send + 'static,
    {
        BoxCloneSyncService::new(
            service
                .map_response(|response| response.map(axum::body::Body::new))
                .map_err(|error: S::Error| io::Error::other(error)),
        )
    }
    match case.around {
        Around::Nothing => boxed(layer.layer(service)),
        Around::TimeoutOutside => boxed(timeout().layer(layer.layer(service))),
        Around::TimeoutInside => boxed(layer.layer(timeout().layer(service))),
        Around::CatchPanicOutside => boxed(CatchPanicLayer::new().layer(layer.layer(service))),
        Around::CatchPanicInside => boxed(layer.layer(CatchPanicLayer::new().layer(service))),
    }
}

/// The case as an axum router; `None` where axum does not let it happen.
fn axum(case: &Case, lookout: &Lookout) -> Option<App> {
    // An axum service never fails: its error is `Infallible`.
    if matches!(case.answer, Answer::Error) {
        return None;
    }
    let answer = case.answer.clone();
    let handler = move || {
        let answer = answer.clone();
        async move { handle(answer).await.unwrap().map(axum::body::Body::new) }
    };
    let router = Router::new().route("/case", any(handler));
    let layer = lookout.layer();
    let router = match case.around {
        Around::Nothing => router.layer(layer),
        Around::TimeoutOutside => router.layer(layer).layer(timeout()),
        Around::TimeoutInside => router.layer(timeout()).layer(layer),
        Around::CatchPanicOutside => router.layer(layer).layer(CatchPanicLayer::new()),
        Around::CatchPanicInside => router.layer(CatchPanicLayer::new()).layer(layer),
    };
    let router =
        ServiceExt::<Request<Incoming>>::map_err(router, |never: Infallible| -> io::Error {
            match never {}
        });
    Some(BoxCloneSyncService::new(router))
}

/// Serves one connection with real hyper; a panic ends only its task.
async fn serve(app: App) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
            .await;
    });
    address
}

/// Plays the client's part; `in_flight` resolves when the service has the request.
async fn request(
    case: &Case,
    address: std::net::SocketAddr,
    is_http2: bool,
    in_flight: impl Future<Output = ()>,
) {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let request = Request::builder()
        .method(case.method.clone())
        .uri(format!("http://{address}/case"))
        .header("host", "test")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let (connection, mut response) = if is_http2 {
        let (mut send, connection) =
            conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let response = async move { send.send_request(request).await }.boxed();
        (tokio::spawn(connection.map(|_| ())), response)
    } else {
        let (mut send, connection) = conn::http1::handshake(stream).await.unwrap();
        let response = async move { send.send_request(request).await }.boxed();
        (tokio::spawn(connection.map(|_| ())), response)
    };
    match case.client {
        Client::ReadsAll => {
            if let Ok(response) = response.await {
                let _ = response.into_body().collect().await;
            }
        }
        Client::LeavesBeforeTheHead => tokio::select! {
            _ = &mut response => panic!("{}: there is no head", case.title),
            () = in_flight => {}
        },
        Client::LeavesInTheBody => {
            let mut body = response.await.unwrap().into_body();
            body.frame().await.unwrap().unwrap();
        }
    }
    connection.abort();
}

async fn plays(case: &Case, on: &str, is_axum: bool, is_http2: bool) {
    let (lookout, scrape) = start(|builder| builder.route(|_| Some("/case".into())));
    let app = if is_axum { axum(case, &lookout) } else { Some(bare(case, &lookout)) };
    let Some(app) = app else { return };
    let title = format!("{} on {on}", case.title);
    let scrape = Arc::new(scrape);
    let active = |text: &str| sum(text, "http_server_active_requests", &[]);
    let in_flight = {
        let scrape = Arc::clone(&scrape);
        async move {
            eventually(5, "in flight", || (active(&scrape.render()) == 1.0).then_some(())).await;
        }
    };
    request(case, serve(app).await, is_http2, in_flight).await;

    let ended = |text: &String| sum(text, "http_server_requests_total", &[]) > 0.0;
    let text = eventually(5, &title, || Some(scrape.render()).filter(ended)).await;
    let [status, class, outcome, error_type] = case.counted;
    let labels = [("http_route", "/case"), ("http_request_method", case.method.as_str())];
    let all = |more: &[(&'static str, &'static str)]| [&labels, more].concat();
    assert_eq!(sum(&text, "http_server_requests_total", &[]), 1.0, "{title}: once\n{text}");
    let class = all(&[("status_class", class), ("outcome", outcome)]);
    assert_eq!(sum(&text, "http_server_requests_total", &class), 1.0, "{title}: {class:?}\n{text}");
    assert_eq!(active(&text), 0.0, "{title}: in flight\n{text}");
    let counted: Vec<_> = series(&text, "http_server_request_duration_seconds_count").collect();
    let [(found, 1.0)] = counted[..] else { panic!("{title}: one duration\n{text}") };
    for (name, value) in [("http_response_status_code", status), ("error_type", error_type)] {
        let label = format!("{name}=\"{value}\"");
        let is_right =
            if value.is_empty() { !found.contains(name) } else { found.contains(&label) };
        assert!(is_right, "{title}: {label} in {found}");
    }
    let heads = sum(&text, "http_server_response_head_duration_seconds_count", &[]);
    assert_eq!(heads, f64::from(u8::from(!status.is_empty())), "{title}: heads\n{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_is_counted_once_on_a_bare_stack_under_hyper() {
    for case in cases() {
        plays(&case, "hyper, HTTP/1.1", false, false).await;
        plays(&case, "hyper, HTTP/2", false, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_is_counted_once_in_an_axum_router() {
    for case in cases() {
        plays(&case, "axum, HTTP/1.1", true, false).await;
        plays(&case, "axum, HTTP/2", true, true).await;
    }
}

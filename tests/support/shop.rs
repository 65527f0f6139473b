//! An axum shop and a gRPC echo service. A client with the same lookout sends requests of every
//! kind.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::Path, response::Redirect, routing::get};
use futures_util::StreamExt;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tower::{Layer, Service, ServiceExt};
use tower_lookout::{Lookout, Preset};

use crate::{
    echo::{Echo, call, connect},
    support::check_with_promtool,
};

pub(crate) const PRESETS: [Preset; 4] =
    [Preset::OpenTelemetry, Preset::SpringBoot, Preset::AxumPrometheus, Preset::GoGrpcMiddleware];

async fn order(Path(id): Path<String>) -> Response<Body> {
    match id.as_str() {
        "broken" => {
            let response = Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR);
            response.body(Body::empty()).unwrap()
        }
        "hang" => std::future::pending().await,
        "endless" => {
            let first = futures_util::stream::iter([Ok::<_, std::io::Error>("first")]);
            Response::new(Body::from_stream(first.chain(futures_util::stream::pending())))
        }
        _ => Response::new(Body::from("an order")),
    }
}

/// The fallback for unmatched routes.
async fn fallback(uri: Uri) -> Result<Redirect, StatusCode> {
    match uri.path() {
        "/old" => Ok(Redirect::permanent("/orders/1")),
        "/teapot" => Err(StatusCode::IM_A_TEAPOT),
        _ => Err(StatusCode::NOT_FOUND),
    }
}

async fn serve_http(lookout: &Lookout) -> SocketAddr {
    let app = Router::new()
        .route("/orders/{id}", get(order).post(order))
        .fallback(fallback)
        .layer(lookout.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn serve_grpc(lookout: &Lookout) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(lookout.grpc_layer()).add_service(Echo);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

/// Sends HTTP requests of every kind through the lookout's client layer.
pub(crate) async fn send_http(lookout: &Lookout) {
    let address = serve_http(lookout).await;
    let client = legacy::Client::builder(TokioExecutor::new()).build_http::<Empty<&'static [u8]>>();
    let mut client = lookout.client_layer("shop").layer(client);
    let mut send = async |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        let request = request.body(Empty::new()).unwrap();
        let response = client.ready().await.unwrap().call(request).await.unwrap();
        response.into_body().frame().await
    };
    for path in ["/orders/1", "/orders/2", "/orders/broken", "/gone", "/old", "/teapot"] {
        send(Method::GET, path).await;
    }
    send(Method::POST, "/orders/1").await;
    // Abort one response in its body, and one request before its head.
    send(Method::GET, "/orders/endless").await.unwrap().unwrap();
    let hang = send(Method::GET, "/orders/hang");
    assert!(tokio::time::timeout(Duration::from_millis(200), hang).await.is_err());
    let unreachable = Request::get("http://127.0.0.1:9/").body(Empty::new()).unwrap();
    assert!(client.ready().await.unwrap().call(unreachable).await.is_err());
}

/// Makes gRPC calls of every kind through the lookout's client layer.
pub(crate) async fn call_grpc(lookout: &Lookout) {
    let channel = lookout.client_layer("echo").layer(connect(serve_grpc(lookout).await).await);
    for (method, message) in [
        ("test.Echo/Unary", "ok"),
        ("test.Echo/Unary", "ok"),
        ("test.Echo/Unary", "status 5"),
        ("test.Echo/ServerStream", "three"),
        ("test.Echo/NoTrailers", ""),
        ("test.Echo/Nothing", ""),
    ] {
        let _ = call(channel.clone(), method, message).await;
    }
    let hang = call(channel, "test.Echo/Unary", "hang");
    assert!(tokio::time::timeout(Duration::from_millis(200), hang).await.is_err());
}

/// Fails if a histogram has no buckets or promtool reports a problem.
pub(crate) fn check(text: &str) {
    assert!(!text.contains(" summary\n"), "a histogram without buckets");
    check_with_promtool(text);
}

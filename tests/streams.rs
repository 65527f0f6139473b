//! Streams (server-sent events, WebSockets, tunnels, long polls, bodies without a length) with real
//! axum and hyper over real sockets. Their lifetime is not part of the latency, and open streams
//! are visible.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::ws::{Message, WebSocketUpgrade},
    response::{Response, Sse, sse::Event},
    routing::get,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http::header;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, service_fn};
use tower_lookout::{Lookout, observe::UpgradeWatch, prometheus::Scrape};

use support::{eventually, start, sum};

async fn events() -> Sse<impl futures_util::Stream<Item = Result<Event, Infallible>>> {
    let first = stream::iter([Ok(Event::default().data("one"))]);
    Sse::new(first.chain(stream::pending()))
}

/// A body of unknown length whose second part never arrives.
async fn export() -> Body {
    let first = stream::iter([Ok::<_, Infallible>("one")]);
    Body::from_stream(first.chain(stream::pending()))
}

async fn live(upgrade: WebSocketUpgrade, Extension(watch): Extension<UpgradeWatch>) -> Response {
    upgrade.on_upgrade(move |mut socket| async move {
        let _open = watch.open();
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(text) = message {
                socket.send(Message::Text(text)).await.unwrap();
            }
        }
    })
}

async fn late() -> &'static str {
    tokio::time::sleep(Duration::from_millis(200)).await;
    "at last"
}

/// Events with a content type in upper case, which HTTP allows.
async fn loud_events() -> ([(header::HeaderName, &'static str); 1], Body) {
    ([(header::CONTENT_TYPE, "Text/Event-Stream; Charset=UTF-8")], export().await)
}

fn router() -> Router {
    Router::new()
        .route("/events", get(events))
        .route("/loud_events", get(loud_events))
        .route("/export", get(export))
        .route("/live", get(live))
        .route("/late", get(late))
}

async fn serve(lookout: &Lookout) -> SocketAddr {
    listen(router().layer(lookout.layer())).await
}

async fn listen(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Opens an echoing WebSocket and sends a message.
async fn open_live(
    address: SocketAddr,
) -> tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>> {
    let (mut socket, response) =
        tokio_tungstenite::connect_async(format!("ws://{address}/live")).await.unwrap();
    assert_eq!(response.status(), 101);
    socket.send("hello".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "hello");
    socket
}

fn client() -> legacy::Client<legacy::connect::HttpConnector, Empty<Bytes>> {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

/// Waits until a metric has a value.
async fn becomes(scrape: &Scrape, name: &str, labels: &[(&str, &str)], value: f64) -> String {
    eventually(5, &format!("{name} {labels:?} {value}"), || {
        let text = scrape.render();
        (sum(&text, name, labels) == value).then_some(text)
    })
    .await
}

#[tokio::test]
async fn an_event_stream_is_open_until_its_client_disconnects_and_its_latency_ends_with_its_head() {
    let (lookout, scrape) = start(|builder| builder);
    let address = serve(&lookout).await;
    let client = client();
    let mut response =
        client.get(format!("http://{address}/events").parse().unwrap()).await.unwrap();
    response.frame().await.unwrap().unwrap();

    let streams = "http_server_active_streams";
    let labels = [("kind", "event_stream"), ("http_route", "/events")];
    let text = becomes(&scrape, streams, &labels, 1.0).await;
    let heads = sum(&text, "http_server_response_head_duration_seconds_count", &[]);
    assert_eq!(heads, 1.0, "the time to the head is recorded while the stream is open");
    assert_eq!(sum(&text, "http_server_active_requests", &[]), 1.0);
    assert_eq!(sum(&text, "http_server_oldest_active_request_seconds", &[]), 0.0, "no hang");

    let open_for = Duration::from_millis(300);
    tokio::time::sleep(open_for).await;
    drop((response, client));
    let text = becomes(&scrape, streams, &labels, 0.0).await;
    assert_eq!(sum(&text, "http_server_requests_total", &[("outcome", "aborted")]), 1.0);
    let life = sum(&text, "http_server_stream_duration_seconds_sum", &[]);
    let latency = sum(&text, "http_server_request_duration_seconds_sum", &[]);
    assert!(life >= open_for.as_secs_f64(), "{life} s of life");
    assert!(latency < life / 2.0, "{latency} s of latency, {life} s of life");
    assert_eq!(sum(&text, "http_server_stream_duration_seconds_count", &[]), 1.0);
}

#[tokio::test]
async fn the_content_type_of_an_event_stream_is_case_insensitive() {
    let (lookout, scrape) = start(|builder| builder);
    let address = serve(&lookout).await;
    let client = client();
    let uri = format!("http://{address}/loud_events").parse().unwrap();
    let mut response = client.get(uri).await.unwrap();
    response.frame().await.unwrap().unwrap();

    let labels = [("kind", "event_stream"), ("http_route", "/loud_events")];
    becomes(&scrape, "http_server_active_streams", &labels, 1.0).await;
    drop((response, client));
    let text = becomes(&scrape, "http_server_active_streams", &labels, 0.0).await;
    assert_eq!(sum(&text, "http_server_stream_duration_seconds_count", &[]), 1.0, "{text}");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_open_until_its_client_disconnects() {
    let (lookout, scrape) = start(|builder| builder);
    let address = serve(&lookout).await;
    let client = client();
    let mut response =
        client.get(format!("http://{address}/export").parse().unwrap()).await.unwrap();
    response.frame().await.unwrap().unwrap();

    let streams = "http_server_active_streams";
    let labels = [("kind", "unknown_length"), ("http_route", "/export")];
    becomes(&scrape, streams, &labels, 1.0).await;
    drop((response, client));
    let text = becomes(&scrape, streams, &labels, 0.0).await;
    assert_eq!(sum(&text, "http_server_requests_total", &[("outcome", "aborted")]), 1.0);
    assert_eq!(sum(&text, "http_server_stream_duration_seconds_count", &[]), 0.0, "too short");
}

#[tokio::test]
async fn a_websocket_is_one_request_and_an_open_stream_until_it_closes() {
    let (lookout, scrape) = start(|builder| builder.upgrades());
    let mut socket = open_live(serve(&lookout).await).await;
    let labels = [("kind", "upgrade"), ("http_route", "/live")];
    let text = becomes(&scrape, "http_server_active_streams", &labels, 1.0).await;
    let counted = [("status_class", "1xx"), ("outcome", "success")];
    assert_eq!(sum(&text, "http_server_requests_total", &counted), 1.0);
    assert_eq!(sum(&text, "http_server_active_requests", &[]), 0.0, "the request has ended");

    socket.close(None).await.unwrap();
    let text = becomes(&scrape, "http_server_active_streams", &labels, 0.0).await;
    assert_eq!(sum(&text, "http_server_stream_duration_seconds_count", &[]), 1.0);
    assert_eq!(sum(&text, "http_server_request_duration_seconds_count", &[]), 1.0);
}

#[tokio::test]
async fn an_outer_layer_counts_a_websocket_for_its_route_in_each_lookout() {
    let [(one, of_one), (other, of_other)] = [(); 2].map(|()| start(|b| b.upgrades()));
    let inside = router().layer(one.route_layer()).layer(other.route_layer());
    let outside = one.outer_layer().layer(other.outer_layer().layer(inside));
    let mut socket = open_live(listen(Router::new().fallback_service(outside)).await).await;

    let labels = [("kind", "upgrade"), ("http_route", "/live")];
    for scrape in [&of_one, &of_other] {
        let text = becomes(scrape, "http_server_active_streams", &labels, 1.0).await;
        let counted = [("http_route", "/live"), ("status_class", "1xx")];
        assert_eq!(sum(&text, "http_server_requests_total", &counted), 1.0, "{text}");
        assert_eq!(sum(&text, "http_server_requests_total", &[]), 1.0);
    }
    socket.close(None).await.unwrap();
    for scrape in [&of_one, &of_other] {
        let text = becomes(scrape, "http_server_active_streams", &labels, 0.0).await;
        let life = "http_server_stream_duration_seconds_count";
        assert_eq!(sum(&text, life, &[("http_route", "/live")]), 1.0);
    }
}

#[tokio::test]
async fn an_ignored_websocket_works_and_is_not_counted() {
    for is_outside in [false, true] {
        for by_route in [false, true] {
            let (lookout, scrape) = start(|builder| {
                let builder = builder.upgrades();
                if by_route {
                    builder.ignore_routes(["/live"])
                } else {
                    builder.ignore(|head| head.uri.path() == "/live")
                }
            });
            let app = if is_outside {
                let inside = router().layer(lookout.route_layer());
                Router::new().fallback_service(lookout.outer_layer().layer(inside))
            } else {
                router().layer(lookout.layer())
            };
            let mut socket = open_live(listen(app).await).await;
            socket.close(None).await.unwrap();
            while socket.next().await.is_some() {}
            lookout.shutdown().await;
            let text = scrape.render();
            for name in ["requests_total", "active_streams", "stream_duration_seconds_count"] {
                let sum = sum(&text, &format!("http_server_{name}"), &[]);
                assert_eq!(sum, 0.0, "{name}, outside: {is_outside}, by route: {by_route}");
            }
        }
    }
}

#[tokio::test]
async fn a_websocket_keeps_working_after_the_lookouts_shutdown() {
    let (lookout, _scrape) = start(|builder| builder.upgrades());
    let address = serve(&lookout).await;
    lookout.shutdown().await;
    open_live(address).await;
}

/// Opens the requested tunnel to an echo server.
async fn tunnel(
    mut request: Request<Incoming>,
) -> Result<hyper::Response<Empty<Bytes>>, Infallible> {
    let watch: UpgradeWatch = request.extensions_mut().remove().unwrap();
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let _open = watch.open();
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
        tokio::io::copy(&mut read, &mut write).await
    });
    Ok(hyper::Response::new(Empty::new()))
}

#[tokio::test]
async fn a_tunnel_is_one_request_and_an_open_stream_until_it_closes() {
    let (lookout, scrape) = start(|builder| builder.upgrades());
    let service = TowerToHyperService::new(lookout.layer().layer(service_fn(tunnel)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await
    });

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"CONNECT db:5432 HTTP/1.1\r\nhost: db:5432\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"query").await.unwrap();
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"query");

    let streams = "http_server_active_streams";
    let labels = [("kind", "upgrade"), ("http_request_method", "CONNECT")];
    let text = becomes(&scrape, streams, &labels, 1.0).await;
    let counted = [("http_request_method", "CONNECT"), ("outcome", "success")];
    assert_eq!(sum(&text, "http_server_requests_total", &counted), 1.0);
    assert_eq!(sum(&text, "http_server_active_requests", &[]), 0.0, "the request has ended");

    drop(stream);
    let text = becomes(&scrape, streams, &labels, 0.0).await;
    assert_eq!(sum(&text, "http_server_stream_duration_seconds_count", &[]), 1.0);
    assert_eq!(sum(&text, "http_server_request_duration_seconds_count", &[]), 1.0);
}

#[tokio::test]
async fn a_long_poll_is_a_stream_and_neither_slow_nor_stuck() {
    for is_outside in [false, true] {
        let (lookout, scrape) = start(|builder| builder.long_polls(["/late"]));
        let app = if is_outside {
            let inside = router().layer(lookout.route_layer());
            Router::new().fallback_service(lookout.outer_layer().layer(inside))
        } else {
            router().layer(lookout.layer())
        };
        let address = listen(app).await;
        let polled = tokio::spawn(async move {
            let url = format!("http://{address}/late").parse().unwrap();
            client().get(url).await.unwrap().into_body().collect().await.unwrap()
        });
        let labels = [("kind", "long_poll"), ("http_route", "/late")];
        let text = becomes(&scrape, "http_server_active_streams", &labels, 1.0).await;
        assert_eq!(sum(&text, "http_server_active_requests", &[]), 1.0);
        assert_eq!(sum(&text, "http_server_oldest_active_request_seconds", &[]), 0.0);
        polled.await.unwrap();
        let text = becomes(&scrape, "http_server_active_streams", &labels, 0.0).await;
        let counted = [("http_route", "/late"), ("outcome", "success")];
        assert_eq!(sum(&text, "http_server_requests_total", &counted), 1.0);
        assert_eq!(sum(&text, "http_server_requests_total", &[]), 1.0);
        let life = sum(&text, "http_server_stream_duration_seconds_sum", &[]);
        let latency = sum(&text, "http_server_request_duration_seconds_sum", &[]);
        assert!(life >= 0.2 && latency < 0.1, "{life} s of life, {latency} s of latency");
        assert_eq!(sum(&text, "http_server_request_duration_seconds_count", &[]), 1.0);
    }
}

#[tokio::test]
async fn an_undeclared_long_poll_is_a_slow_request() {
    let (lookout, scrape) = start(|builder| builder);
    let address = serve(&lookout).await;
    let response = client().get(format!("http://{address}/late").parse().unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
    let text = becomes(&scrape, "http_server_requests_total", &[("outcome", "success")], 1.0).await;
    assert!(sum(&text, "http_server_request_duration_seconds_sum", &[]) >= 0.2);
    assert_eq!(sum(&text, "http_server_stream_duration_seconds_count", &[]), 0.0);
}

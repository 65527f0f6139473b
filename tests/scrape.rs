//! The scrape over sockets: plain text, and gzip for clients that accept it.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{io::Read, net::SocketAddr};

use axum::{Router, routing::get};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower_lookout::prometheus::Scrape;

use support::{start, sum};

async fn fetch(address: SocketAddr, accepted: Option<&str>) -> Response<Bytes> {
    let client = legacy::Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut request = Request::get(format!("http://{address}/metrics"));
    if let Some(accepted) = accepted {
        request = request.header(header::ACCEPT_ENCODING, accepted);
    }
    let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

async fn check(address: SocketAddr) {
    for (accepted, is_gzip) in
        [(None, false), (Some("deflate, gzip;q=0.9"), true), (Some("gzip;q=0"), false)]
    {
        let response = fetch(address, accepted).await;
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(response.status(), 200);
        assert_eq!(header(header::CONTENT_TYPE), Some(Scrape::CONTENT_TYPE));
        assert_eq!(header(header::VARY), Some("accept-encoding"), "{accepted:?}");
        assert_eq!(header(header::CONTENT_ENCODING), is_gzip.then_some("gzip"), "{accepted:?}");
        let length = response.body().len().to_string();
        assert_eq!(header(header::CONTENT_LENGTH), Some(&*length));
        let mut text = String::new();
        match is_gzip {
            true => GzDecoder::new(&response.body()[..]).read_to_string(&mut text).unwrap(),
            false => (&response.body()[..]).read_to_string(&mut text).unwrap(),
        };
        assert!(sum(&text, "lookout_memory_bytes", &[]) > 0.0, "{text}");
        assert!(!is_gzip || response.body().len() < text.len());
    }
}

#[tokio::test]
async fn an_axum_handler_compresses_for_clients_that_accept_gzip() {
    let (_lookout, scrape) = start(|builder| builder);
    let app: Router = Router::new().route("/metrics", get(scrape));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    check(address).await;
}

#[tokio::test]
async fn a_hyper_service_compresses_for_clients_that_accept_gzip() {
    let (_lookout, scrape) = start(|builder| builder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(scrape.clone());
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    check(address).await;
}

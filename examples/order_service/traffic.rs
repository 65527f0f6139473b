//! Steady traffic over real HTTP.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    sync::Semaphore,
    time::{MissedTickBehavior, interval},
};

const PER_SECOND: u32 = 50;

/// The limit of requests in flight, as the connections of a real client are limited.
const AT_ONCE: usize = 300;

/// Sends 50 requests per second, a fifth of them new orders.
pub(crate) async fn drive(address: SocketAddr) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let connections = Arc::new(Semaphore::new(AT_ONCE));
    let mut pace = interval(Duration::from_secs(1) / PER_SECOND);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for number in 0_u64.. {
        pace.tick().await;
        let Ok(connection) = Arc::clone(&connections).try_acquire_owned() else { continue };
        let (method, path) = match number % 5 {
            0 => (Method::POST, "/orders".to_owned()),
            _ => (Method::GET, format!("/orders/{}", fastrand::u64(1..1_000))),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"))
            .body(Body::empty());
        let client = client.clone();
        tokio::spawn(async move {
            // The lookout reports the failures.
            if let Ok(request) = request
                && let Ok(response) = client.request(request).await
            {
                let _ = response.into_body().collect().await;
            }
            drop(connection);
        });
    }
}

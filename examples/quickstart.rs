//! README's `main` without Slack: watches an axum service, and prints its alerts.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;

use axum::{Router, routing::get};
use tower_lookout::{Lookout, Rule, prometheus};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let scrape = prometheus::install()?;
    let lookout = Lookout::builder()
        .service("orders")
        .rules(Rule::defaults())
        .on_alert(|alert| println!("{alert}"))
        .start()?;
    let app = Router::new()
        .route("/orders/{id}", get(|| async { "an order\n" }))
        .layer(lookout.layer())
        .route("/metrics", get(scrape)); // added after the layer, so it is not watched

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("try http://{0}/orders/1 and http://{0}/metrics", listener.local_addr()?);
    let served = axum::serve(listener, app)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await;
    lookout.shutdown().await;
    Ok(served?)
}

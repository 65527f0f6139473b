//! The service: orders in a database that can get slow or fail, and events for a broker that can be
//! down.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::sleep};
use tower_lookout::{observe::LookoutLayer, prometheus::Scrape};

use crate::events::Events;

/// The injected faults, which change while the service runs.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<watch::Sender<Fault>>);

/// The body of `POST /faults`. A missing field means no fault.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fault {
    /// The share of the orders that fail, 0 to 1.
    pub(crate) error_ratio: f64,
    /// The extra time of each query.
    pub(crate) latency_ms: u64,
    /// The broker accepts no events.
    pub(crate) broker_down: bool,
}

impl Faults {
    pub(crate) fn set(&self, fault: Fault) {
        self.0.send_replace(fault);
    }

    /// Removes all faults. Queries that wait for a fault continue at once.
    pub(crate) fn clear(&self) {
        self.set(Fault::default());
    }

    pub(crate) fn is_broker_down(&self) -> bool {
        self.0.borrow().broker_down
    }

    /// Takes some milliseconds, and the time of the fault.
    async fn query(&self) -> Result<(), OrderError> {
        sleep(Duration::from_millis(fastrand::u64(1..6))).await;
        let mut changes = self.0.subscribe();
        let fault = *changes.borrow();
        if fault.latency_ms > 0 {
            tokio::select! {
                () = sleep(Duration::from_millis(fault.latency_ms)) => {}
                _ = changes.wait_for(|fault| fault.latency_ms == 0) => {}
            }
        }
        if fastrand::f64() < fault.error_ratio { Err(OrderError) } else { Ok(()) }
    }
}

/// The query failed.
struct OrderError;

impl IntoResponse for OrderError {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, "the database did not answer\n").into_response()
    }
}

#[derive(Serialize)]
struct Order {
    id: u64,
    total_cents: u64,
}

pub(crate) fn router(
    faults: &Faults,
    events: &Events,
    layer: LookoutLayer,
    scrape: Scrape,
) -> Router {
    Router::new()
        .route("/orders/{id}", get(show_order))
        .route("/orders", post(create_order))
        .layer(layer)
        // Routes after the layer are not watched.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(scrape))
        .route("/faults", post(set_faults).delete(clear_faults).get(show_faults))
        .layer(Extension(events.clone()))
        .with_state(faults.clone())
}

async fn show_order(
    State(faults): State<Faults>,
    Path(id): Path<u64>,
) -> Result<Json<Order>, OrderError> {
    faults.query().await?;
    Ok(Json(Order { id, total_cents: 100 + id % 900 }))
}

async fn create_order(
    State(faults): State<Faults>,
    Extension(events): Extension<Events>,
) -> Result<(StatusCode, Json<Order>), OrderError> {
    faults.query().await?;
    let id = fastrand::u64(1..1_000_000);
    // The order is committed. A background task sends the event.
    let _ = events.send(id);
    Ok((StatusCode::CREATED, Json(Order { id, total_cents: 100 + id % 900 })))
}

async fn set_faults(State(faults): State<Faults>, Json(fault): Json<Fault>) -> Response {
    if !(0.0..=1.0).contains(&fault.error_ratio) {
        let text = format!("error_ratio {}: use a number from 0 to 1\n", fault.error_ratio);
        return (StatusCode::UNPROCESSABLE_ENTITY, text).into_response();
    }
    faults.set(fault);
    Json(fault).into_response()
}

async fn clear_faults(State(faults): State<Faults>) -> StatusCode {
    faults.clear();
    StatusCode::NO_CONTENT
}

async fn show_faults(State(faults): State<Faults>) -> Json<Fault> {
    Json(*faults.0.borrow())
}

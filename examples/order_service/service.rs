//! The service itself: orders from a database that can be told to get slow, or to fail, and events for
//! a broker that can be told to be down.

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

/// What is wrong with the database; shared, and changed while the service runs.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<watch::Sender<Fault>>);

/// The body of `POST /faults`; what is left out is healthy.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fault {
    /// The share of the orders that fail, 0 to 1.
    pub(crate) error_ratio: f64,
    /// How much longer each query takes.
    pub(crate) latency_ms: u64,
    /// The broker takes no events.
    pub(crate) broker_down: bool,
}

impl Faults {
    pub(crate) fn set(&self, fault: Fault) {
        self.0.send_replace(fault);
    }

    /// Queries that wait by a fault go on at once.
    pub(crate) fn mend(&self) {
        self.set(Fault::default());
    }

    pub(crate) fn is_broker_down(&self) -> bool {
        self.0.borrow().broker_down
    }

    /// A query: some milliseconds, and what the fault adds.
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

/// The database did not take the query.
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
        // What comes after the layer is not watched.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(scrape))
        .route("/faults", post(set_faults).delete(mend_faults).get(show_faults))
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
    // It is committed; the event follows by itself, and ends with the service.
    let _ = events.send(id);
    Ok((StatusCode::CREATED, Json(Order { id, total_cents: 100 + id % 900 })))
}

async fn set_faults(State(faults): State<Faults>, Json(fault): Json<Fault>) -> Response {
    if !(0.0..=1.0).contains(&fault.error_ratio) {
        let text = format!("error_ratio {}: give a share from 0 to 1\n", fault.error_ratio);
        return (StatusCode::UNPROCESSABLE_ENTITY, text).into_response();
    }
    faults.set(fault);
    Json(fault).into_response()
}

async fn mend_faults(State(faults): State<Faults>) -> StatusCode {
    faults.mend();
    StatusCode::NO_CONTENT
}

async fn show_faults(State(faults): State<Faults>) -> Json<Fault> {
    Json(*faults.0.borrow())
}

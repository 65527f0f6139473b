use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{SeriesKey, StatusKey};
use crate::{
    catch_panic::{guarded, logged},
    operation::Operation,
    outcome::{Ending, Outcome, Status},
};

/// Decides whether a status is a failure of an operation. For `None`, OpenTelemetry's convention
/// decides.
pub(crate) type FailureFn = dyn Fn(&Operation, Status) -> Option<bool> + Send + Sync;

/// Classifies the ends of requests: once for each kind of end, not for each request.
pub(crate) struct Classifier(pub(crate) Option<Box<FailureFn>>);

impl Classifier {
    pub(crate) fn outcome(&self, operation: &Operation, key: SeriesKey) -> Outcome {
        let is_failure = self
            .by_user(operation, key.status)
            .unwrap_or_else(|| by_convention(operation, key.status));
        match key.ending {
            // The client dropped the body, but the status is final, unless the gRPC status is
            // missing.
            Ending::Aborted if is_failure && key.status != StatusKey::GRPC_MISSING => {
                Outcome::Failure
            }
            Ending::Aborted if operation.is_grpc() => Outcome::Cancelled,
            ending => ending.outcome(is_failure),
        }
    }

    /// Calls the user's closure. Returns `None` if it panics, since a panic must not end a tick or
    /// a request.
    fn by_user(&self, operation: &Operation, status: StatusKey) -> Option<bool> {
        // Not a `Once`: a panic while logging would poison it, and then each further call would
        // panic.
        static HAS_LOGGED: AtomicBool = AtomicBool::new(false);
        let (is_failure, status) = self.0.as_ref().zip(status.status())?;
        let called = guarded(|| is_failure(operation, status));
        called.unwrap_or_else(|_| {
            if !HAS_LOGGED.swap(true, Ordering::Relaxed) {
                logged(|| {
                    tracing::error!(
                        route = operation.route(),
                        ?status,
                        "the closure of `failure` panicked: using OpenTelemetry's convention instead"
                    );
                });
            }
            None
        })
    }
}

/// Returns whether a status is a failure by OpenTelemetry's convention, which differs for servers
/// and clients.
fn by_convention(operation: &Operation, status: StatusKey) -> bool {
    let is_client = operation.dependency().is_some();
    match status.status() {
        Some(Status::Http(status)) if is_client => status.as_u16() >= 400,
        Some(Status::Http(status)) => status.as_u16() >= 500,
        Some(Status::Grpc(status)) if is_client => status.code() != 0,
        Some(Status::Grpc(status)) => status.is_server_failure(),
        None => status == StatusKey::GRPC_MISSING,
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Classifier").field(&self.0.is_some()).finish()
    }
}

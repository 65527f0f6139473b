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

/// Says whether a status is a failure of an operation; `None` leaves it to the convention.
pub(crate) type FailureFn = dyn Fn(&Operation, Status) -> Option<bool> + Send + Sync;

/// What an end is judged as: not on the request's path, but once for each way to end.
pub(crate) struct Classifier(pub(crate) Option<Box<FailureFn>>);

impl Classifier {
    pub(crate) fn outcome(&self, operation: &Operation, key: SeriesKey) -> Outcome {
        let is_failure = self
            .asked(operation, key.status)
            .unwrap_or_else(|| by_convention(operation, key.status));
        match key.ending {
            // The status has said it before the body was dropped; gRPC's may be missing only so far.
            Ending::Aborted if is_failure && key.status != StatusKey::GRPC_MISSING => {
                Outcome::Failure
            }
            Ending::Aborted if operation.is_grpc() => Outcome::Cancelled,
            ending => ending.outcome(is_failure),
        }
    }

    /// What the user says of a status; nothing where that panics, since it may be asked at each tick
    /// and on a request's path, and neither may end by it.
    fn asked(&self, operation: &Operation, status: StatusKey) -> Option<bool> {
        // A `Once` would be poisoned by a panic of the log, and then panic itself each time.
        static HAS_LOGGED: AtomicBool = AtomicBool::new(false);
        let (is_failure, status) = self.0.as_ref().zip(status.status())?;
        let asked = guarded(|| is_failure(operation, status));
        asked.unwrap_or_else(|_| {
            if !HAS_LOGGED.swap(true, Ordering::Relaxed) {
                logged(|| {
                    tracing::error!(
                        route = operation.route(),
                        ?status,
                        "the closure given to `failure` panicked: the convention decides in its place"
                    );
                });
            }
            None
        })
    }
}

/// Whether OpenTelemetry calls a status a failure, on the side where it is seen.
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

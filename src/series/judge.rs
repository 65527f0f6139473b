use std::fmt;

use super::{SeriesKey, StatusKey};
use crate::{
    operation::Operation,
    outcome::{Ending, Outcome, Status},
};

/// Says whether a status is a failure of an operation; `None` leaves it to the convention.
pub(crate) type FailureFn = dyn Fn(&Operation, Status) -> Option<bool> + Send + Sync;

/// What an end is judged as: not on the request's path, but once for each way to end.
pub(crate) struct Judge(pub(crate) Option<Box<FailureFn>>);

impl Judge {
    pub(crate) fn outcome(&self, operation: &Operation, key: SeriesKey) -> Outcome {
        if operation.is_grpc() && key.ending == Ending::Aborted {
            return Outcome::Cancelled;
        }
        let status = key.status.status();
        let custom = status.zip(self.0.as_ref()).and_then(|(status, is)| is(operation, status));
        let is_failure = custom.unwrap_or_else(|| by_convention(operation, key.status));
        key.ending.outcome(is_failure)
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

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Judge").field(&self.0.is_some()).finish()
    }
}

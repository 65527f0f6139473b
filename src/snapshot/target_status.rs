use std::{sync::Arc, time::Duration};

use crate::{
    alert::Target,
    collect::Figures,
    operation::Operation,
    series::Bounds,
    window::{SECONDS, Timeline, Window},
};

/// The requests of one target at a tick. A target is the service, a route, a dependency, or an
/// operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TargetStatus {
    /// The target of the requests.
    pub target: Target,
    /// The number of requests that ended since the start.
    pub total_requests: u64,
    /// The number of them that failed.
    pub total_errors: u64,
    /// The number of requests in flight.
    pub in_flight: u64,
    /// The age of the oldest request that still waits for its response's head; `None` without such
    /// a request. The actual age may be up to a second higher.
    pub oldest_in_flight: Option<Duration>,
    /// The requests that ended in the [last minute](super::Snapshot::window).
    pub last_minute: WindowStatus,
}

/// The requests that ended in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WindowStatus {
    /// The number of requests.
    pub requests: u64,
    /// The number of them that failed, as the signal `error_ratio` counts failures.
    pub errors: u64,
    /// The number of them that were rejected with a client error (4xx).
    pub client_errors: u64,
    /// The exact mean duration; `None` without requests.
    pub mean: Option<Duration>,
    /// The median duration, accurate to 11%; `None` without requests.
    pub p50: Option<Duration>,
    /// The 99th percentile of the durations, accurate to 11%; `None` without requests.
    pub p99: Option<Duration>,
}

/// The statuses of several targets. Snapshots share each status that has not changed.
pub(super) type TargetStatuses = Arc<[Arc<TargetStatus>]>;

impl TargetStatus {
    fn new(target: Target, figures: &Figures, window: &Window<'_>, bounds: &Bounds) -> Self {
        let totals = figures.history.totals();
        Self {
            target,
            total_requests: totals.requests(),
            total_errors: totals.errors(),
            in_flight: figures.in_flight,
            oldest_in_flight: figures.oldest,
            last_minute: WindowStatus::new(window, bounds),
        }
    }

    /// Returns whether these figures would yield an equal status. Without new requests, a window
    /// changes only when old requests leave it.
    fn is_current(&self, figures: &Figures, window: impl FnOnce() -> u64) -> bool {
        let is_same = self.total_requests == figures.history.totals().requests()
            && self.in_flight == figures.in_flight
            && self.oldest_in_flight == figures.oldest;
        is_same && (self.last_minute.requests == 0 || self.last_minute.requests == window())
    }
}

impl WindowStatus {
    fn new(window: &Window<'_>, bounds: &Bounds) -> Self {
        let quantiles = window.quantiles([0.5, 0.99], bounds);
        Self {
            requests: window.requests(),
            errors: window.errors(),
            client_errors: window.client_errors(),
            mean: window.mean(),
            p50: quantiles.map(|[p50, _]| p50),
            p99: quantiles.map(|[_, p99]| p99),
        }
    }

    /// Returns the share of requests that failed, from 0 to 1, or `None` without requests.
    pub fn error_ratio(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.errors as f64 / self.requests as f64)
    }
}

/// A target whose status is in a snapshot.
pub(super) enum TargetRef<'a> {
    /// The service, or a target that a rule names.
    Scope(&'a Target),
    Operation(&'a Operation),
}

impl TargetRef<'_> {
    fn is(&self, target: &Target) -> bool {
        match (self, target) {
            (Self::Scope(scope), _) => *scope == target,
            (Self::Operation(operation), Target::Operation(known)) => *operation == known,
            (Self::Operation(_), _) => false,
        }
    }

    fn to_target(&self) -> Target {
        match self {
            Self::Scope(target) => (*target).clone(),
            Self::Operation(operation) => Target::Operation((*operation).clone()),
        }
    }
}

/// Returns the status of each target, in the order of the targets. Reuses each status that is still
/// current, and the whole list if all are.
pub(super) fn updated<'f>(
    previous: &TargetStatuses,
    targets: impl Iterator<Item = (TargetRef<'f>, &'f Figures)>,
    timeline: &Timeline,
    bounds: &Bounds,
) -> TargetStatuses {
    let mut count = 0;
    let mut changed = Vec::new();
    for (index, (target, figures)) in targets.enumerate() {
        count += 1;
        let window = || figures.history.window(timeline, SECONDS);
        let known = previous.get(index).filter(|known| target.is(&known.target));
        if !known.is_some_and(|known| known.is_current(figures, || window().requests())) {
            let status = TargetStatus::new(target.to_target(), figures, &window(), bounds);
            changed.push((index, Arc::new(status)));
        }
    }
    if changed.is_empty() && count == previous.len() {
        return Arc::clone(previous);
    }
    let mut changed = changed.into_iter().peekable();
    let status = |index: usize| match changed.next_if(|(next, _)| *next == index) {
        Some((_, status)) => status,
        // An index beyond the previous list is always in `changed`.
        None => Arc::clone(&previous[index]),
    };
    (0..count).map(status).collect()
}

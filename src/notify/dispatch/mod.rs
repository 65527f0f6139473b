//! From the alerts of a tick to each notifier: routing, queues, workers and repeats.

pub(super) mod dispatcher;
pub(super) mod notifier_queue;
pub(super) mod repeats;
pub(super) mod routing;
pub(super) mod stats;
pub(super) mod test_queue;
pub(super) mod worker;

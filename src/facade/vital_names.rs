use metrics::Unit;

use super::names::{Kind::Gauge, Text};

pub(crate) const RUNTIME_LAG: &str = "lookout_runtime_lag_seconds";

/// What the features at hand can tell of the runtime and the process, with what it says.
pub(super) const TEXTS: &[&[Text]] = &[LAG];

const LAG: &[Text] = &[(
    RUNTIME_LAG,
    Gauge,
    Unit::Seconds,
    "How late a task that was spawned on the application's runtime ran, the worst since the last tick.",
)];

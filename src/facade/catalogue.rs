//! All metrics as data: the presets name the metrics of requests, and tables list the others.

use metrics::Unit;

use super::{
    metric::{Feature, Metric},
    presets::Presets,
};

pub(crate) const THROUGHPUT: &str = "http_server_throughput_requests_per_second";
pub(crate) const OVERFLOWED: &str = "lookout_overflowed_requests_total";
pub(crate) const MEMORY: &str = "lookout_memory_bytes";
pub(crate) const ALERT_STATE: &str = "lookout_alert_state";
pub(crate) const RULE_VALUE: &str = "lookout_rule_value";
pub(crate) const RULE_THRESHOLD: &str = "lookout_rule_threshold";
pub(crate) const REPORTS: &str = "lookout_reports_total";
pub(crate) const SENT: &str = "lookout_notifications_sent_total";
pub(crate) const FAILED: &str = "lookout_notifications_failed_total";
pub(crate) const RETRIED: &str = "lookout_notifications_retried_total";
pub(crate) const DROPPED: &str = "lookout_notifications_dropped_total";
pub(crate) const UNROUTED: &str = "lookout_notifications_unrouted_total";
pub(crate) const SUPPRESSED: &str = "lookout_notifications_suppressed_total";
pub(crate) const SILENCES: &str = "lookout_silences";
pub(crate) const ACKNOWLEDGED: &str = "lookout_alerts_acknowledged";
pub(crate) const RUNTIME_LAG: &str = "lookout_runtime_lag_seconds";

pub(crate) const PROCESS_CPU: &str = "process_cpu_seconds_total";
pub(crate) const PROCESS_OPEN_FDS: &str = "process_open_fds";
pub(crate) const PROCESS_MAX_FDS: &str = "process_max_fds";
pub(crate) const PROCESS_VIRTUAL: &str = "process_virtual_memory_bytes";
pub(crate) const PROCESS_MAX_VIRTUAL: &str = "process_virtual_memory_max_bytes";
pub(crate) const PROCESS_RESIDENT: &str = "process_resident_memory_bytes";
pub(crate) const PROCESS_START: &str = "process_start_time_seconds";
pub(crate) const PROCESS_THREADS: &str = "process_threads";

pub(crate) const TOKIO_WORKERS: &str = "tokio_runtime_workers";
pub(crate) const TOKIO_TASKS: &str = "tokio_runtime_live_tasks";
pub(crate) const TOKIO_QUEUE: &str = "tokio_runtime_global_queue_depth";
pub(crate) const TOKIO_BUSY: &str = "tokio_runtime_busy_ratio";
pub(crate) const TOKIO_BUSIEST: &str = "tokio_runtime_busiest_worker_ratio";
pub(crate) const TOKIO_POLL_DELAY: &str = "tokio_runtime_mean_poll_delay_seconds";

/// The metrics that have the same names with every preset. `promtool check metrics` requires a help
/// text for each.
const COMMON: &[Metric] = &[
    // The name already ends in "per second", so it has no unit that an exporter could append.
    Metric::histogram(
        THROUGHPUT,
        Unit::Count,
        "Requests served in a second over all routes, sampled each second.",
    ),
    Metric::counter(
        OVERFLOWED,
        "Requests counted under the route _OVERFLOW, above max_operations or max_memory.",
    ),
    Metric::gauge(
        MEMORY,
        Unit::Bytes,
        "Memory of the figures, with an allowance for the recorder's copy; bounded by max_memory.",
    ),
    // The gauge of a rule with a scope also has the labels of the operation, route or dependency.
    Metric::gauge(
        ALERT_STATE,
        Unit::Count,
        "State of a rule's alert: 0 inactive, 1 pending, 2 firing.",
    )
    .labels(&["rule", "severity"]),
    Metric::gauge(
        RULE_VALUE,
        Unit::Count,
        "Value of a rule at the last tick, NaN without a verdict; of the worst route if the rule \
         evaluates each route.",
    )
    .labels(&["rule"]),
    Metric::gauge(RULE_THRESHOLD, Unit::Count, "Threshold of a rule.").labels(&["rule"]),
    Metric::counter(REPORTS, "Failures that the application reported.")
        .labels(&["report", "severity"]),
    Metric::counter(SENT, "Messages that a notifier delivered.").labels(&["notifier"]),
    Metric::counter(FAILED, "Delivery attempts of a notifier that failed.").labels(&["notifier"]),
    Metric::counter(RETRIED, "Delivery attempts of a notifier after a failed one.")
        .labels(&["notifier"]),
    Metric::counter(DROPPED, "Alert changes that a notifier dropped.").labels(&["notifier"]),
    Metric::counter(UNROUTED, "Alert changes that no notifier accepted."),
    Metric::counter(SUPPRESSED, "Alert changes that a control, such as a silence, suppressed.")
        .labels(&["reason"]),
    Metric::gauge(SILENCES, Unit::Count, "Silences and maintenance windows in effect."),
    Metric::gauge(ACKNOWLEDGED, Unit::Count, "Firing alerts that are acknowledged."),
    Metric::gauge(
        RUNTIME_LAG,
        Unit::Seconds,
        "Longest delay of a task spawned on the application's runtime since the last tick; absent \
         without a runtime.",
    ),
];

/// The metrics of the process, under Prometheus's own names.
const PROCESS: &[Metric] = &[
    Metric::counter(PROCESS_CPU, "User and system CPU time of the process, in whole seconds.")
        .unit(Unit::Seconds)
        .feature(Feature::Process),
    Metric::gauge(PROCESS_OPEN_FDS, Unit::Count, "Open file descriptors.")
        .feature(Feature::Process),
    Metric::gauge(
        PROCESS_MAX_FDS,
        Unit::Count,
        "Limit of open file descriptors; +Inf without a limit.",
    )
    .feature(Feature::Process),
    Metric::gauge(PROCESS_VIRTUAL, Unit::Bytes, "Virtual memory.").feature(Feature::Process),
    Metric::gauge(
        PROCESS_MAX_VIRTUAL,
        Unit::Bytes,
        "Limit of virtual memory; +Inf without a limit.",
    )
    .feature(Feature::Process),
    Metric::gauge(PROCESS_RESIDENT, Unit::Bytes, "Resident memory.").feature(Feature::Process),
    Metric::gauge(
        PROCESS_START,
        Unit::Seconds,
        "Start time of the process, in seconds since the Unix epoch.",
    )
    .feature(Feature::Process),
    Metric::gauge(PROCESS_THREADS, Unit::Count, "Operating system threads.")
        .feature(Feature::Process),
];

/// The metrics of tokio's scheduler.
const SCHEDULER: &[Metric] = &[
    Metric::gauge(TOKIO_WORKERS, Unit::Count, "Worker threads of the application's runtime.")
        .feature(Feature::RuntimeMetrics),
    Metric::gauge(TOKIO_TASKS, Unit::Count, "Tasks that have not ended.")
        .feature(Feature::RuntimeMetrics),
    Metric::gauge(TOKIO_QUEUE, Unit::Count, "Tasks that wait in the runtime's global queue.")
        .feature(Feature::RuntimeMetrics),
    Metric::gauge(
        TOKIO_BUSY,
        Unit::Count,
        "Busy share of all workers' time since the last tick, from 0 to 1.",
    )
    .feature(Feature::RuntimeMetrics),
    Metric::gauge(
        TOKIO_BUSIEST,
        Unit::Count,
        "Busy share of the busiest worker's time since the last tick, from 0 to 1.",
    )
    .feature(Feature::RuntimeMetrics),
    Metric::gauge(
        TOKIO_POLL_DELAY,
        Unit::Seconds,
        "Mean time from the spawn of the lookout's probes to their poll, since the last tick.",
    )
    .feature(Feature::RuntimeMetrics),
];

/// Returns all metrics, named by these presets, including those that this build does not export.
pub(crate) fn metrics(presets: &Presets) -> impl Iterator<Item = Metric> + use<> {
    presets.all_names().into_iter().flat_map(|names| names.metrics()).chain(common())
}

/// Returns the metrics that have the same names with every preset.
pub(super) fn common() -> impl Iterator<Item = Metric> {
    [COMMON, PROCESS, SCHEDULER].into_iter().flatten().copied()
}

/// Returns whether any metric of any preset has a label of this name.
pub(super) fn has_label(name: &str) -> bool {
    let all = Presets::names_of_every_preset().flat_map(|names| names.metrics()).chain(common());
    all.into_iter().any(|metric| metric.label_names().any(|label| label == name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const GUIDE: &str = include_str!("../guide/metrics.md");

    /// Formats a metric as a row of the guide's table.
    fn row(metric: &Metric) -> String {
        let Metric { name, help, .. } = metric;
        let labels: Vec<_> = metric.label_names().map(|label| format!("`{label}`")).collect();
        let feature = metric.feature_name().map(|feature| format!("Feature `{feature}`: "));
        let (kind, labels) = (metric.kind.as_str(), labels.join(", "));
        format!("| `{name}` | {kind} | {labels} | {}{help} |", feature.unwrap_or_default())
    }

    #[test]
    fn the_guides_table_lists_each_metric_of_a_server_and_of_the_lookout() {
        let of_server: HashSet<_> =
            Presets::default().http_server_names().metrics().map(|metric| metric.name).collect();
        let of_others = [
            "http_client_ready_wait_seconds",
            "rpc_server_requests_per_rpc",
            "rpc_server_responses_per_rpc",
        ];
        let is_listed = |metric: &Metric| {
            of_server.contains(metric.name)
                || of_others.contains(&metric.name)
                || common().any(|common| common.name == metric.name)
        };
        let listed = metrics(&Presets::default()).filter(is_listed);
        let expected: Vec<_> = listed.map(|metric| row(&metric)).collect();
        let start = "| metric | kind | labels | meaning |\n|---|---|---|---|\n";
        let table = GUIDE.split_once(start).map(|(_, rest)| rest).unwrap_or_default();
        let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
        assert_eq!(rows, expected, "the table should be:\n{}", expected.join("\n"));
    }

    #[test]
    fn the_catalogue_has_no_duplicate_metrics_and_no_duplicate_labels() {
        let mut names = HashSet::new();
        for metric in metrics(&Presets::default()) {
            assert!(names.insert(metric.name), "{}", metric.name);
            let mut labels = HashSet::new();
            assert!(metric.label_names().all(|label| labels.insert(label)), "{}", metric.name);
        }
    }
}

use metrics::{KeyName, Recorder, SharedString, Unit};

pub(crate) const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
pub(crate) const HEAD_DURATION: &str = "http_server_response_head_duration_seconds";
pub(crate) const REQUESTS: &str = "http_server_requests_total";
pub(crate) const ACTIVE_REQUESTS: &str = "http_server_active_requests";
pub(crate) const OLDEST_REQUEST: &str = "http_server_oldest_active_request_seconds";
pub(crate) const THROUGHPUT: &str = "http_server_throughput_requests_per_second";
pub(crate) const OVERFLOWED: &str = "lookout_overflowed_requests_total";
pub(crate) const ALERT_STATE: &str = "lookout_alert_state";
pub(crate) const SENT: &str = "lookout_notifications_sent_total";
pub(crate) const FAILED: &str = "lookout_notifications_failed_total";
pub(crate) const RETRIED: &str = "lookout_notifications_retried_total";
pub(crate) const DROPPED: &str = "lookout_notifications_dropped_total";

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Every metric with what it says; `promtool check metrics` asks for a text each.
const METRICS: &[(&str, Kind, Unit, &str)] = &[
    (
        REQUEST_DURATION,
        Kind::Histogram,
        Unit::Seconds,
        "Time from a request to the end of its response; to the head where the response is a stream.",
    ),
    (
        HEAD_DURATION,
        Kind::Histogram,
        Unit::Seconds,
        "Time from a request to the head of its response.",
    ),
    (
        REQUESTS,
        Kind::Counter,
        Unit::Count,
        "Requests that have ended, by status class and by the way they ended.",
    ),
    (ACTIVE_REQUESTS, Kind::Gauge, Unit::Count, "Requests that have not ended yet."),
    (
        OLDEST_REQUEST,
        Kind::Gauge,
        Unit::Seconds,
        "Age of the oldest request that still waits for the head of its response; 0 without any.",
    ),
    (
        THROUGHPUT,
        Kind::Histogram,
        Unit::CountPerSecond,
        "Requests that ended in a second, sampled each second over all routes.",
    ),
    (
        OVERFLOWED,
        Kind::Counter,
        Unit::Count,
        "Requests counted under the route _OVERFLOW, past the bound on operations.",
    ),
    (
        ALERT_STATE,
        Kind::Gauge,
        Unit::Count,
        "State of a rule's alert: 0 inactive, 1 pending, 2 firing.",
    ),
    (SENT, Kind::Counter, Unit::Count, "Messages that a notifier delivered."),
    (FAILED, Kind::Counter, Unit::Count, "Attempts to deliver a message that failed."),
    (RETRIED, Kind::Counter, Unit::Count, "Attempts to deliver that came after a failed one."),
    (DROPPED, Kind::Counter, Unit::Count, "Alert changes that a notifier gave up on."),
];

pub(super) fn describe(recorder: &dyn Recorder) {
    for (name, kind, unit, text) in METRICS {
        let (name, unit) = (KeyName::from_const_str(name), Some(*unit));
        let text = SharedString::const_str(text);
        match kind {
            Kind::Counter => recorder.describe_counter(name, unit, text),
            Kind::Gauge => recorder.describe_gauge(name, unit, text),
            Kind::Histogram => recorder.describe_histogram(name, unit, text),
        }
    }
}

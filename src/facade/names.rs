use metrics::{Recorder, SharedString, Unit};

use super::{MetricNaming, of_family, vital_names};
use crate::series::OptionalHistogram;

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

/// What the metrics of one traffic are called.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) duration: &'static str,
    pub(crate) head: &'static str,
    /// Most presets have no use for it.
    pub(crate) started: Option<&'static str>,
    /// None where the duration's count is the counter.
    pub(crate) ended: Option<&'static str>,
    pub(crate) active: &'static str,
    pub(crate) oldest: &'static str,
    pub(crate) stream: &'static str,
    pub(crate) streams: &'static str,
    /// Only a client waits.
    pub(crate) wait: &'static str,
    /// Of the bodies of requests and of responses.
    pub(crate) sizes: [&'static str; 2],
    /// How many a request and a response have; only gRPC's.
    pub(crate) messages: Option<[&'static str; 2]>,
    /// How many all requests and all responses have.
    message_totals: Option<[&'static str; 2]>,
}

impl Names {
    /// Those of every preset.
    #[cfg(feature = "prometheus")]
    const ALL: [&Self; 12] = [
        &Self::HTTP_SERVER,
        &Self::RPC_SERVER,
        &Self::HTTP_CLIENT,
        &Self::RPC_CLIENT,
        &Self::SPRING_SERVER,
        &Self::SPRING_CLIENT,
        &Self::AXUM_PROMETHEUS,
        &Self::GO_GRPC_SERVER,
        &Self::GO_GRPC_CLIENT,
        &Self::DATABASE,
        &Self::MESSAGING,
        &Self::DEPENDENCY,
    ];

    pub(super) const HTTP_SERVER: Self = Self {
        duration: "http_server_request_duration_seconds",
        head: "http_server_response_head_duration_seconds",
        started: None,
        ended: Some("http_server_requests_total"),
        active: "http_server_active_requests",
        oldest: "http_server_oldest_active_request_seconds",
        stream: "http_server_stream_duration_seconds",
        streams: "http_server_active_streams",
        wait: "http_server_ready_wait_seconds",
        sizes: ["http_server_request_body_size_bytes", "http_server_response_body_size_bytes"],
        messages: None,
        message_totals: None,
    };

    pub(super) const RPC_SERVER: Self = Self {
        duration: "rpc_server_call_duration_seconds",
        head: "rpc_server_response_head_duration_seconds",
        started: None,
        ended: Some("rpc_server_calls_total"),
        active: "rpc_server_active_calls",
        oldest: "rpc_server_oldest_active_call_seconds",
        stream: "rpc_server_stream_duration_seconds",
        streams: "rpc_server_active_streams",
        wait: "rpc_server_ready_wait_seconds",
        sizes: ["rpc_server_request_size_bytes", "rpc_server_response_size_bytes"],
        messages: Some(["rpc_server_requests_per_rpc", "rpc_server_responses_per_rpc"]),
        message_totals: None,
    };

    pub(super) const HTTP_CLIENT: Self = Self {
        duration: "http_client_request_duration_seconds",
        head: "http_client_response_head_duration_seconds",
        started: None,
        ended: Some("http_client_requests_total"),
        active: "http_client_active_requests",
        oldest: "http_client_oldest_active_request_seconds",
        stream: "http_client_stream_duration_seconds",
        streams: "http_client_active_streams",
        wait: "http_client_ready_wait_seconds",
        sizes: ["http_client_request_body_size_bytes", "http_client_response_body_size_bytes"],
        messages: None,
        message_totals: None,
    };

    pub(super) const RPC_CLIENT: Self = Self {
        duration: "rpc_client_call_duration_seconds",
        head: "rpc_client_response_head_duration_seconds",
        started: None,
        ended: Some("rpc_client_calls_total"),
        active: "rpc_client_active_calls",
        oldest: "rpc_client_oldest_active_call_seconds",
        stream: "rpc_client_stream_duration_seconds",
        streams: "rpc_client_active_streams",
        wait: "rpc_client_ready_wait_seconds",
        sizes: ["rpc_client_request_size_bytes", "rpc_client_response_size_bytes"],
        messages: Some(["rpc_client_requests_per_rpc", "rpc_client_responses_per_rpc"]),
        message_totals: None,
    };

    /// A call that is a future has none of the metrics that are left to HTTP's names.
    pub(super) const DATABASE: Self = Self {
        duration: "db_client_operation_duration_seconds",
        ended: Some("db_client_operations_total"),
        active: "db_client_active_operations",
        oldest: "db_client_oldest_active_operation_seconds",
        ..Self::HTTP_CLIENT
    };

    pub(super) const MESSAGING: Self = Self {
        duration: "messaging_client_operation_duration_seconds",
        ended: Some("messaging_client_operations_total"),
        active: "messaging_client_active_operations",
        oldest: "messaging_client_oldest_active_operation_seconds",
        ..Self::HTTP_CLIENT
    };

    pub(super) const DEPENDENCY: Self = Self {
        duration: "dependency_operation_duration_seconds",
        ended: Some("dependency_operations_total"),
        active: "dependency_active_operations",
        oldest: "dependency_oldest_active_operation_seconds",
        ..Self::HTTP_CLIENT
    };

    pub(super) const SPRING_SERVER: Self =
        Self { duration: "http_server_requests_seconds", ended: None, ..Self::HTTP_SERVER };

    pub(super) const SPRING_CLIENT: Self =
        Self { duration: "http_client_requests_seconds", ended: None, ..Self::HTTP_CLIENT };

    pub(super) const AXUM_PROMETHEUS: Self = Self {
        duration: "axum_http_requests_duration_seconds",
        ended: Some("axum_http_requests_total"),
        active: "axum_http_requests_pending",
        ..Self::HTTP_SERVER
    };

    pub(super) const GO_GRPC_SERVER: Self = Self {
        duration: "grpc_server_handling_seconds",
        started: Some("grpc_server_started_total"),
        ended: Some("grpc_server_handled_total"),
        message_totals: Some(["grpc_server_msg_received_total", "grpc_server_msg_sent_total"]),
        ..Self::RPC_SERVER
    };

    pub(super) const GO_GRPC_CLIENT: Self = Self {
        duration: "grpc_client_handling_seconds",
        started: Some("grpc_client_started_total"),
        ended: Some("grpc_client_handled_total"),
        message_totals: Some(["grpc_client_msg_sent_total", "grpc_client_msg_received_total"]),
        ..Self::RPC_CLIENT
    };

    /// The histograms of durations of every preset, which all have the same buckets.
    #[cfg(feature = "prometheus")]
    pub(crate) fn all_durations() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().flat_map(|names| [names.duration, names.head, names.stream, names.wait])
    }

    /// The histograms of bodies' sizes.
    #[cfg(feature = "prometheus")]
    pub(crate) fn all_sizes() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().flat_map(|names| names.sizes)
    }

    /// The histograms of gRPC's messages.
    #[cfg(feature = "prometheus")]
    pub(crate) fn all_messages() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().filter_map(|names| names.messages).flatten()
    }

    /// The name of what few operations have.
    pub(crate) fn extra(&self, extra: OptionalHistogram) -> Option<&'static str> {
        match extra {
            OptionalHistogram::Head => Some(self.head),
            OptionalHistogram::Wait => Some(self.wait),
            OptionalHistogram::Stream => Some(self.stream),
            OptionalHistogram::RequestSize => Some(self.sizes[0]),
            OptionalHistogram::ResponseSize => Some(self.sizes[1]),
            OptionalHistogram::RequestMessages => self.messages.map(|messages| messages[0]),
            OptionalHistogram::ResponseMessages => self.messages.map(|messages| messages[1]),
        }
    }

    /// The counter of what an extra's samples add up to, where the preset has one.
    pub(crate) fn total(&self, extra: OptionalHistogram) -> Option<&'static str> {
        match extra {
            OptionalHistogram::RequestMessages => self.message_totals.map(|totals| totals[0]),
            OptionalHistogram::ResponseMessages => self.message_totals.map(|totals| totals[1]),
            _ => None,
        }
    }

    /// Each with what it says.
    fn texts(&self) -> impl Iterator<Item = Text> {
        use Kind::{Counter, Gauge, Histogram};
        let second = Unit::Seconds;
        let [received, sent] = self.sizes;
        let messages = self.messages.into_iter().flatten();
        let messages = messages.map(|name| {
            (name, Histogram, Unit::Count, "Messages of a gRPC call, in this direction.")
        });
        [
            (
                self.duration,
                Histogram,
                second,
                "Time from a request to the end of its response; to the head where the response is a stream.",
            ),
            (self.head, Histogram, second, "Time from a request to the head of its response."),
            (self.active, Gauge, Unit::Count, "Requests that have not ended yet."),
            (
                self.oldest,
                Gauge,
                second,
                "Age of the oldest request that still waits for the head of its response, since the last byte of its body; 0 without any.",
            ),
            (self.stream, Histogram, second, "Time from a request to the end of its stream."),
            (self.streams, Gauge, Unit::Count, "Streams that are open, by kind."),
            (
                self.wait,
                Histogram,
                second,
                "Time until a client that was not ready for a request became so.",
            ),
            (received, Histogram, Unit::Bytes, "Bytes of a request's body that were read."),
            (sent, Histogram, Unit::Bytes, "Bytes of a response's body that were handed on."),
        ]
        .into_iter()
        .chain(messages)
        .chain(self.message_totals.into_iter().flatten().map(|name| {
            (name, Counter, Unit::Count, "Messages of all gRPC calls, in this direction.")
        }))
        .chain(self.started.map(|started| {
            (started, Counter, Unit::Count, "Requests that have begun.")
        }))
        .chain(self.ended.map(|ended| {
            let text = "Requests that have ended, by status and by the way they ended.";
            (ended, Counter, Unit::Count, text)
        }))
    }
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

pub(super) type Text = (&'static str, Kind, Unit, &'static str);

/// The other metrics with what they say; `promtool check metrics` asks for a text each.
const METRICS: &[Text] = &[
    (
        THROUGHPUT,
        Kind::Histogram,
        // The name says "per second" already, and an exporter may append the unit.
        Unit::Count,
        "Requests that ended in a second, sampled each second over all routes.",
    ),
    (
        OVERFLOWED,
        Kind::Counter,
        Unit::Count,
        "Requests counted under the route _OVERFLOW, past max_operations or max_memory.",
    ),
    (
        MEMORY,
        Kind::Gauge,
        Unit::Bytes,
        "Memory of the figures, with an allowance for the recorder's copy; bounded by max_memory.",
    ),
    (
        ALERT_STATE,
        Kind::Gauge,
        Unit::Count,
        "State of a rule's alert: 0 inactive, 1 pending, 2 firing.",
    ),
    (
        RULE_VALUE,
        Kind::Gauge,
        Unit::Count,
        "Value that a rule saw at the last tick, of the worst operation where it judges each; NaN without a verdict.",
    ),
    (RULE_THRESHOLD, Kind::Gauge, Unit::Count, "Threshold that a rule compares its value with."),
    (
        REPORTS,
        Kind::Counter,
        Unit::Count,
        "Failures that business code or a background task reported.",
    ),
    (SENT, Kind::Counter, Unit::Count, "Messages that a notifier delivered."),
    (FAILED, Kind::Counter, Unit::Count, "Attempts to deliver a message that failed."),
    (RETRIED, Kind::Counter, Unit::Count, "Attempts to deliver that came after a failed one."),
    (DROPPED, Kind::Counter, Unit::Count, "Alert changes that a notifier gave up on."),
    (UNROUTED, Kind::Counter, Unit::Count, "Alert changes that were for none of the notifiers."),
];

pub(super) fn describe(recorder: &dyn Recorder, dialect: &MetricNaming) {
    let names = dialect.presets.all_names();
    let texts = names.iter().flat_map(|names| names.texts());
    let others = METRICS.iter().chain(vital_names::TEXTS.iter().copied().flatten());
    for text in texts.chain(others.copied()) {
        describe_one(recorder, dialect, text);
    }
}

fn describe_one(recorder: &dyn Recorder, dialect: &MetricNaming, (name, kind, unit, text): Text) {
    let (name, unit) = (dialect.name(name), Some(unit));
    let text = SharedString::const_str(text);
    match kind {
        Kind::Counter => recorder.describe_counter(name, unit, text),
        Kind::Gauge => recorder.describe_gauge(name, unit, text),
        Kind::Histogram => {
            let is_duration = unit == Some(Unit::Seconds);
            for family in dialect.families.iter().filter(|_| is_duration) {
                let name = of_family(name.as_str(), family);
                recorder.describe_histogram(name.into(), unit, text.clone());
            }
            recorder.describe_histogram(name, unit, text);
        }
    }
}

#[cfg(all(test, feature = "prometheus"))]
mod tests {
    use std::collections::BTreeSet;

    use metrics::{Key, Level, Metadata};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// The names in a scrape of every metric there is.
    fn rendered(exporter: PrometheusBuilder) -> BTreeSet<String> {
        let metadata = Metadata::new("test", Level::INFO, None);
        let recorder = exporter.build_recorder();
        let dialect = MetricNaming { families: vec!["slow".to_owned()], ..MetricNaming::default() };
        let texts = Names::ALL.iter().flat_map(|names| names.texts());
        let others = METRICS.iter().chain(vital_names::TEXTS.iter().copied().flatten());
        for text in texts.chain(others.copied()) {
            let (name, kind, unit, _) = text;
            describe_one(&recorder, &dialect, text);
            match kind {
                Kind::Counter => {
                    recorder.register_counter(&Key::from_name(name), &metadata).increment(1);
                }
                Kind::Gauge => recorder.register_gauge(&Key::from_name(name), &metadata).set(1.0),
                Kind::Histogram => {
                    let family = (unit == Unit::Seconds).then(|| of_family(name, "slow"));
                    for name in family.into_iter().chain([name.to_owned()]) {
                        recorder.register_histogram(&Key::from_name(name), &metadata).record(1.0);
                    }
                }
            }
        }
        let text = recorder.handle().render();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect()
    }

    #[test]
    #[expect(deprecated, reason = "applications use it, and it does something else")]
    fn every_name_is_the_same_whether_or_not_the_exporter_appends_units_and_suffixes() {
        let plain = rendered(PrometheusBuilder::new());
        assert!(plain.contains(THROUGHPUT) && plain.len() > 60, "{plain:?}");
        assert_eq!(rendered(PrometheusBuilder::new().set_enable_unit_suffix(true)), plain);
        assert_eq!(rendered(PrometheusBuilder::new().with_recommended_naming(true)), plain);
    }
}

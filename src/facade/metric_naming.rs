use std::{borrow::Cow, collections::HashMap};

use metrics::{Key, KeyName, Label};

use super::{GrpcType, Presets};

/// How the metrics of one lookout are called and labelled. A handle is told its key once a recorder,
/// so none of it costs a request or a tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricNaming {
    pub(crate) presets: Presets,
    pub(crate) prefix: Option<String>,
    /// On every metric.
    pub(crate) labels: Vec<Label>,
    /// Whether the requests served are `https`, for the label `url_scheme`.
    pub(crate) is_https: bool,
    /// Of routes with buckets of their own, which have histograms of their own name.
    pub(crate) families: Vec<String>,
    /// By method; of those that were told.
    pub(crate) grpc_types: HashMap<String, GrpcType>,
}

/// What a prefix takes the place of, as axum-prometheus has it.
const REPLACED: &str = "axum_";

/// Each label that a metric may have, with any preset: none that the user adds may be called so.
const LABELS: [&str; 33] = [
    "call",
    "client_name",
    "db_operation_name",
    "db_system_name",
    "dependency",
    "endpoint",
    "error_type",
    "exception",
    "grpc_code",
    "grpc_method",
    "grpc_service",
    "grpc_type",
    "http_request_method",
    "http_response_status_code",
    "http_route",
    "kind",
    "messaging_operation_name",
    "messaging_system",
    "method",
    "notifier",
    "operation",
    "outcome",
    "report",
    "rpc_method",
    "rpc_response_status_code",
    "rpc_system_name",
    "rule",
    "server_address",
    "severity",
    "status",
    "status_class",
    "uri",
    "url_scheme",
];

impl MetricNaming {
    /// A metric's whole name.
    pub(super) fn name(&self, name: &'static str) -> KeyName {
        self.prefixed(name).map_or(KeyName::from_const_str(name), KeyName::from)
    }

    /// A metric's name and labels, with the prefix and the constant labels.
    pub(super) fn key<'a>(&self, key: &'a Key) -> Cow<'a, Key> {
        let name = self.prefixed(key.name());
        if name.is_none() && self.labels.is_empty() {
            return Cow::Borrowed(key);
        }
        let labels: Vec<_> = key.labels().chain(&self.labels).cloned().collect();
        let name = name.map_or_else(|| key.name_shared(), KeyName::from);
        Cow::Owned(Key::from_parts(name, labels))
    }

    fn prefixed(&self, name: &str) -> Option<String> {
        let prefix = self.prefix.as_ref()?;
        Some(format!("{prefix}_{}", after_prefix(name)))
    }

    /// The setting that can't be used, what is wrong with it, and the mend.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let prefix = self.prefix.as_deref().and_then(prefix_problem);
        let label = || {
            let mut labels = self.labels.iter().enumerate();
            labels.find_map(|(place, label)| {
                let mut before = self.labels[..place].iter().map(Label::key);
                label_problem(label.key(), |name| before.any(|label| label == name))
            })
        };
        prefix
            .map(|problem| ("prefix", problem))
            .or_else(|| label().map(|problem| ("constant_label", problem)))
    }
}

/// What of a name follows a prefix.
pub(crate) fn after_prefix(name: &str) -> &str {
    name.strip_prefix(REPLACED).unwrap_or(name)
}

fn prefix_problem(prefix: &str) -> Option<String> {
    if !is_name(prefix) {
        Some(format!("{prefix:?} can't begin a name: use letters, digits and _, no digit first"))
    } else if prefix.starts_with("__") {
        Some(format!(
            "{prefix:?} begins with __, which Prometheus keeps for itself: use one _ or none"
        ))
    } else if prefix.ends_with('_') {
        Some(format!("{prefix:?} ends with _, which is added to it: leave that out"))
    } else {
        None
    }
}

/// Why a label that the user adds can't be called so, where `is_taken` knows what others are called.
pub(crate) fn label_problem(name: &str, mut is_taken: impl FnMut(&str) -> bool) -> Option<String> {
    if !is_name(name) {
        Some(format!("{name:?} is no name: use letters, digits and _, no digit first"))
    } else if name.starts_with("__") || matches!(name, "le" | "quantile") {
        Some(format!("{name:?} is a name that Prometheus keeps for itself: use another"))
    } else if LABELS.contains(&name) {
        Some(format!("{name:?} is a label that the metrics have already: use another name"))
    } else if is_taken(name) {
        Some(format!("{name:?} is given twice: leave one of them out"))
    } else {
        None
    }
}

/// Whether Prometheus takes it for a name, of a metric or a label.
pub(crate) fn is_name(name: &str) -> bool {
    name.bytes().enumerate().all(|(at, byte)| {
        byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
    }) && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_before_each_name_and_in_place_of_axum() {
        let plain = MetricNaming::default();
        let shop = MetricNaming { prefix: Some("shop".to_owned()), ..MetricNaming::default() };
        for (name, prefixed) in [
            ("http_server_requests_total", "shop_http_server_requests_total"),
            ("lookout_alert_state", "shop_lookout_alert_state"),
            ("axum_http_requests_total", "shop_http_requests_total"),
        ] {
            assert_eq!(plain.name(name).as_str(), name);
            assert_eq!(shop.name(name).as_str(), prefixed);
            assert_eq!(shop.key(&Key::from_name(name)).name(), prefixed);
        }
    }
}

use std::borrow::Cow;

use metrics::{Key, KeyName, Label};

use super::{catalogue, presets::Presets};

/// The names and the constant labels of one lookout's metrics. A handle resolves its key only when
/// it registers with a recorder, not in a request or a tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricNaming {
    pub(crate) presets: Presets,
    pub(crate) prefix: Option<String>,
    /// The constant labels of every metric.
    pub(crate) labels: Vec<Label>,
    /// The families of routes that have their own buckets. Each has histograms under its own names.
    pub(crate) families: Vec<String>,
}

/// The start of axum-prometheus's names. A prefix replaces it, as in that crate.
const REPLACED: &str = "axum_";

impl MetricNaming {
    /// Returns a metric's full name.
    pub(crate) fn name(&self, name: &'static str) -> KeyName {
        self.prefixed(name).map_or(KeyName::from_const_str(name), KeyName::from)
    }

    /// Returns a metric's name and labels, with the prefix and the constant labels.
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

    /// Returns the first invalid setting, with the problem and the fix.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let prefix = self.prefix.as_deref().and_then(prefix_problem);
        let label = || {
            let mut labels = self.labels.iter().enumerate();
            labels.find_map(|(index, label)| {
                let mut before = self.labels[..index].iter().map(Label::key);
                label_problem(label.key(), |name| before.any(|label| label == name))
            })
        };
        prefix
            .map(|problem| ("prefix", problem))
            .or_else(|| label().map(|problem| ("constant_label", problem)))
    }
}

/// Returns the part of a name that follows a prefix.
pub(crate) fn after_prefix(name: &str) -> &str {
    name.strip_prefix(REPLACED).unwrap_or(name)
}

fn prefix_problem(prefix: &str) -> Option<String> {
    if !is_name(prefix) {
        Some(format!("{prefix:?} cannot start a name: use letters, digits and _, no digit first"))
    } else if prefix.starts_with("__") {
        Some(format!("{prefix:?} starts with __, which Prometheus reserves: use one _ or none"))
    } else if prefix.ends_with('_') {
        Some(format!("{prefix:?} ends with _, which the lookout adds: remove it"))
    } else {
        None
    }
}

/// Returns the problem with the name of a user's label, if there is one. `is_taken` reports whether
/// another label of the user has the name.
pub(crate) fn label_problem(name: &str, mut is_taken: impl FnMut(&str) -> bool) -> Option<String> {
    if !is_name(name) {
        Some(format!("{name:?} is not a label name: use letters, digits and _, no digit first"))
    } else if name.starts_with("__") || matches!(name, "le" | "quantile") {
        Some(format!("Prometheus reserves {name:?}: use another name"))
    } else if name == "route" {
        Some(format!("the alerts of a route already have the label {name:?}: use another name"))
    } else if NO_LABELS.contains(&&*name.to_ascii_lowercase()) {
        Some(format!("no query of Prometheus can group by {name:?}: use another name"))
    } else if catalogue::has_label(name) {
        Some(format!("the metrics already have the label {name:?}: use another name"))
    } else if is_taken(name) {
        Some(format!("{name:?} is declared twice: remove one"))
    } else {
        None
    }
}

/// Names that PromQL takes for numbers or keywords where it expects a label.
const NO_LABELS: [&str; 3] = ["inf", "nan", "without"];

/// Returns whether Prometheus accepts the text as the name of a metric or a label.
pub(crate) fn is_name(name: &str) -> bool {
    name.bytes().enumerate().all(|(at, byte)| {
        byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
    }) && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_precedes_each_name_and_replaces_axum() {
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

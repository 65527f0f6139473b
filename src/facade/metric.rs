use metrics::Unit;

/// A metric of the catalogue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) help: &'static str,
    /// The names of the labels, in two parts, since most metrics of requests share the operation's
    /// labels.
    labels: [&'static [&'static str]; 2],
    feature: Option<Feature>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A Cargo feature that a metric needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    Process,
    RuntimeMetrics,
}

impl Metric {
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, Unit::Count, help)
    }

    pub(super) const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, unit, help)
    }

    pub(super) const fn histogram(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::new(name, Kind::Histogram, unit, help)
    }

    const fn new(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Self {
        Self { name, kind, unit, help, labels: [&[], &[]], feature: None }
    }

    pub(super) const fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    pub(super) const fn labels(self, labels: &'static [&'static str]) -> Self {
        self.labels_and(labels, &[])
    }

    pub(super) const fn labels_and(
        self,
        labels: &'static [&'static str],
        further: &'static [&'static str],
    ) -> Self {
        Self { labels: [labels, further], ..self }
    }

    pub(super) const fn feature(self, feature: Feature) -> Self {
        Self { feature: Some(feature), ..self }
    }

    /// Returns the names of its labels, without those that the user adds.
    pub(crate) fn label_names(&self) -> impl Iterator<Item = &'static str> {
        self.labels.into_iter().flatten().copied()
    }

    /// Returns whether this build exports the metric.
    pub(crate) fn is_exported(&self) -> bool {
        self.feature.is_none_or(Feature::is_enabled)
    }

    /// Returns the name of the Cargo feature that the metric needs.
    #[cfg(test)]
    pub(super) fn feature_name(&self) -> Option<&'static str> {
        self.feature.map(|feature| match feature {
            Feature::Process => "process",
            Feature::RuntimeMetrics => "runtime-metrics",
        })
    }
}

impl Kind {
    #[cfg(test)]
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Feature {
    const fn is_enabled(self) -> bool {
        match self {
            Self::Process => cfg!(feature = "process"),
            Self::RuntimeMetrics => cfg!(feature = "runtime-metrics"),
        }
    }
}

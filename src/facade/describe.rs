use metrics::{Recorder, SharedString, Unit};

use super::{
    catalogue,
    family::of_family,
    metric::{Kind, Metric},
    metric_naming::MetricNaming,
};

/// Passes the description of each metric that this build exports to the recorder.
pub(super) fn describe(recorder: &dyn Recorder, naming: &MetricNaming) {
    for metric in catalogue::metrics(&naming.presets).filter(Metric::is_exported) {
        describe_metric(recorder, naming, metric);
    }
}

fn describe_metric(recorder: &dyn Recorder, naming: &MetricNaming, metric: Metric) {
    let (name, unit) = (naming.name(metric.name), Some(metric.unit));
    let help = SharedString::const_str(metric.help);
    match metric.kind {
        Kind::Counter => recorder.describe_counter(name, unit, help),
        Kind::Gauge => recorder.describe_gauge(name, unit, help),
        Kind::Histogram => {
            let is_duration = unit == Some(Unit::Seconds);
            for family in naming.families.iter().filter(|_| is_duration) {
                let name = of_family(name.as_str(), family);
                recorder.describe_histogram(name.into(), unit, help.clone());
            }
            recorder.describe_histogram(name, unit, help);
        }
    }
}

#[cfg(all(test, feature = "prometheus"))]
mod tests {
    use std::collections::BTreeSet;

    use metrics::{Key, Level, Metadata};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::facade::{THROUGHPUT, presets::Presets};

    /// Returns the names in a scrape after recording each metric of each preset.
    fn rendered(exporter: PrometheusBuilder) -> BTreeSet<String> {
        let metadata = Metadata::new("test", Level::INFO, None);
        let recorder = exporter.build_recorder();
        let naming = MetricNaming { families: vec!["slow".to_owned()], ..MetricNaming::default() };
        let of_requests = Presets::names_of_every_preset().flat_map(|names| names.metrics());
        for metric in of_requests.chain(catalogue::common()) {
            describe_metric(&recorder, &naming, metric);
            let Metric { name, kind, unit, .. } = metric;
            let key = Key::from_name(name);
            match kind {
                Kind::Counter => recorder.register_counter(&key, &metadata).increment(1),
                Kind::Gauge => recorder.register_gauge(&key, &metadata).set(1.0),
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
    fn an_exporter_that_appends_units_and_suffixes_changes_no_name() {
        let plain = rendered(PrometheusBuilder::new());
        assert!(plain.contains(THROUGHPUT) && plain.len() > 60, "{plain:?}");
        assert_eq!(rendered(PrometheusBuilder::new().set_enable_unit_suffix(true)), plain);
        assert_eq!(rendered(PrometheusBuilder::new().with_recommended_naming(true)), plain);
    }
}

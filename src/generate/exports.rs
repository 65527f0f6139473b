use std::{collections::BTreeSet, time::Duration};

use crate::{facade::MetricNaming, series::Family};

/// The settings of a lookout that a file for another program depends on.
#[derive(Clone, Debug)]
pub(crate) struct Exports {
    pub(crate) service: String,
    pub(crate) naming: MetricNaming,
    /// The upper bounds of the duration buckets.
    pub(crate) buckets: Vec<Duration>,
    /// The routes with buckets of their own.
    pub(crate) families: Vec<Family>,
}

impl Exports {
    /// Returns the bounds that the duration histograms of all served requests have, ascending.
    pub(crate) fn common_buckets(&self) -> Vec<Duration> {
        let mut common: BTreeSet<_> = self.buckets.iter().copied().collect();
        for family in &self.families {
            common.retain(|bound| family.buckets.contains(bound));
        }
        common.into_iter().collect()
    }

    /// Returns the bounds that the duration histogram of a route has.
    pub(crate) fn buckets_of(&self, route: &str) -> &[Duration] {
        let family = self.families.iter().find(|family| family.routes.iter().any(|r| r == route));
        family.map_or(&self.buckets, |family| &family.buckets)
    }
}

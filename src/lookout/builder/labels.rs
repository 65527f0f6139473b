use std::borrow::Cow;

use metrics::Label;

use super::LookoutBuilder;
use crate::{
    facade::label_problem,
    lookout::StartError,
    observe::{LabelSource, RequestHead, ResponseHead},
    series::LabelTable,
};

/// A label that the user adds.
pub(super) struct UserLabel {
    /// The builder's method.
    field: &'static str,
    pub(super) name: String,
    /// The limit of its values.
    pub(super) values: usize,
    pub(super) source: LabelSource,
}

/// Labels of your own, on the duration histogram and the request counter; other metrics and the
/// rules ignore them. See the [guide](crate::guide::axum#add-your-own-labels).
///
/// Each label has a limit of distinct values, from 1 to 1,000. Up to the limit, each value has its
/// own series. Further values become `_OTHER`, and so do values of more than 128 bytes. Without a
/// value, or with an empty one, the label is left out. All labels together may have 10,000
/// combinations: the product of the limits, each plus two. A combination takes as much memory as an
/// operation.
impl LookoutBuilder {
    /// Adds a label whose value comes from the request's head. If the closure returns `None` or
    /// panics, the request does not have the label. Defaults to no labels.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().request_label("tenant", 20, |request| {
    ///     request.headers.get("x-tenant")?.to_str().ok().map(Into::into)
    /// });
    /// ```
    #[doc(alias("tag", "tenant"))]
    pub fn request_label(
        self,
        name: impl Into<String>,
        values: usize,
        value: impl for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        self.label("request_label", name.into(), values, LabelSource::Request(Box::new(value)))
    }

    /// Adds a label whose value comes from the response's head. A request that ends before its head
    /// does not have the label, and neither does one for which the closure returns `None` or
    /// panics. Defaults to no labels.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().response_label("cache", 3, |response| {
    ///     response.headers.get("x-cache")?.to_str().ok().map(Into::into)
    /// });
    /// ```
    pub fn response_label(
        self,
        name: impl Into<String>,
        values: usize,
        value: impl for<'a> Fn(&ResponseHead<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        self.label("response_label", name.into(), values, LabelSource::Response(Box::new(value)))
    }

    /// Adds a label whose value handlers set, with [`Labels`](crate::observe::Labels) in the
    /// extensions of their response. A request that ends before its response's head does not have
    /// the label. Defaults to no labels.
    pub fn handler_label(self, name: impl Into<String>, values: usize) -> Self {
        self.label("handler_label", name.into(), values, LabelSource::Handler)
    }

    fn label(
        mut self,
        field: &'static str,
        name: String,
        values: usize,
        source: LabelSource,
    ) -> Self {
        self.labels.push(UserLabel { field, name, values, source });
        self
    }
}

const MAX_VALUES: usize = 1_000;

/// `constant` lists the constant labels, which every metric has.
pub(super) fn check(labels: &[UserLabel], constant: &[Label]) -> Result<(), StartError> {
    for (place, UserLabel { field, name, values, .. }) in labels.iter().enumerate() {
        let is_taken = |name: &str| {
            labels[..place].iter().any(|label| label.name == *name)
                || constant.iter().any(|label| label.key() == name)
        };
        let limit_problem = || {
            (!(1..=MAX_VALUES).contains(values)).then(|| {
                format!("{name:?} has a limit of {values} values: use one from 1 to 1,000")
            })
        };
        if let Some(problem) = label_problem(name, is_taken).or_else(limit_problem) {
            return Err(StartError::Setting { field, problem });
        }
    }
    let sets = LabelTable::sets_of(labels.iter().map(|label| label.values));
    match labels.last() {
        Some(UserLabel { field, .. }) if sets > LabelTable::MAX_SETS => {
            let problem = format!(
                "the labels have {sets} combinations of values, more than 10,000: lower their limits"
            );
            Err(StartError::Setting { field, problem })
        }
        _ => Ok(()),
    }
}

//! An alert's labels and annotations, in the conventions of Prometheus and Alertmanager.

#[cfg(any(feature = "alertmanager", feature = "webhook"))]
pub(crate) mod annotations;
#[cfg(any(feature = "alertmanager", feature = "webhook"))]
pub(crate) mod firing_set;
pub(crate) mod labels;

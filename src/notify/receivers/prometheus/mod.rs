//! An alert's annotations, and its firing set, in the conventions of Prometheus and Alertmanager.

#[cfg(any(feature = "alertmanager", feature = "webhook"))]
pub(crate) mod annotations;
#[cfg(any(feature = "alertmanager", feature = "webhook"))]
pub(crate) mod firing_set;

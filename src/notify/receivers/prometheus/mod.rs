//! Labels and annotations of an alert, as Prometheus and Alertmanager know them.

#[cfg(any(feature = "alertmanager", feature = "webhook"))]
pub(crate) mod annotations;
#[cfg(any(feature = "alertmanager", feature = "webhook"))]
pub(crate) mod firing_set;
pub(crate) mod labels;

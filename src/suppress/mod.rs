//! Controls that keep alerts from people: silences, maintenance windows, inhibitions, the quiet
//! time after a start, and acknowledgements. The
//! [guide](crate::guide::operations#silence-inhibit-and-acknowledge-alerts) shows how to use them.
//!
//! They act on notifications only, for all notifiers at once, [`on_alert`] included. A suppressed
//! alert still fires in [`status`](crate::Lookout::status), in `lookout_alert_state` and in the
//! other metrics. Heartbeats and [`send_test`](crate::Lookout::send_test) are not suppressed.
//!
//! | while an alert is suppressed | the lookout |
//! |---|---|
//! | it fires, or changes | sends nothing, and logs and counts it |
//! | it resolves before it was sent | sends nothing, and logs and counts it |
//! | it resolves after it was sent | sends the resolve |
//! | a repeat is due | skips it, except for a receiver that resolves an alert without repeats |
//! | the suppression ends and the alert fires | sends it, with a note |
//!
//! After an inhibition or the quiet time, the lookout sends only changes that were not sent before.
//! After a silence or a maintenance window it sends each alert that still fires, unless it is
//! acknowledged.
//!
//! [`on_alert`]: crate::LookoutBuilder::on_alert

mod error;
mod inhibition;
#[cfg(feature = "state")]
mod saved;
mod silence;
mod state;
mod suppressor;

#[cfg(feature = "state")]
pub(crate) use self::saved::SavedControls;
pub(crate) use self::suppressor::Suppressor;
pub use self::{
    error::ControlError,
    inhibition::Inhibition,
    silence::{Silence, SilenceStatus},
};

use crate::causes::debug_as_display;

/// Why a control was not applied. Its `Debug` is its `Display`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// A value is invalid.
    #[error("{field}: {problem}")]
    #[non_exhaustive]
    Setting {
        /// The field of the control.
        field: &'static str,
        /// The problem, with the value and the fix.
        problem: String,
    },
    /// No alert with this fingerprint fires.
    #[error(
        "no alert with the fingerprint {fingerprint:016x} fires: take the fingerprint of an alert in \
         status().alerts"
    )]
    #[non_exhaustive]
    NotFiring {
        /// The given fingerprint.
        fingerprint: u64,
    },
    /// There is no silence with this id.
    #[error("there is no silence {id}: it has ended, or take the id of one in status().silences")]
    #[non_exhaustive]
    UnknownSilence {
        /// The given id.
        id: u64,
    },
    /// The lookout has ended.
    #[error("the lookout has ended, and sends no more alerts")]
    Ended,
}

debug_as_display!(ControlError);

impl ControlError {
    pub(crate) fn setting(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { field, problem: problem.into() }
    }
}

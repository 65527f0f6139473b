use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::outcome::Outcome;

/// How an exchange ended: with which status, and which outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeriesKey {
    pub(crate) status: StatusKey,
    pub(crate) outcome: Outcome,
}

/// A status, no response at all, or one of the statuses past the bound, of which only the class is
/// kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusKey(pub(super) u16);

impl StatusKey {
    pub(crate) const NONE: Self = Self(0);

    /// Plus the class; above any status that HTTP allows.
    const OTHER: u16 = 10_000;

    /// The status as it was met, whether it keeps a series of its own or not.
    #[inline]
    pub(super) fn of(met: u16) -> Self {
        Self(met)
    }

    fn class(self) -> u16 {
        if self.0 >= Self::OTHER { self.0 - Self::OTHER } else { self.0 / 100 }
    }
}

impl SeriesKey {
    /// The `http_response_status_code` label; `None` without a response.
    pub(crate) fn status(self) -> Option<Cow<'static, str>> {
        match self.status.0 {
            0 => None,
            StatusKey::OTHER.. => Some("_OTHER".into()),
            status => Some(status.to_string().into()),
        }
    }

    /// The `status_class` label.
    pub(crate) fn class(self) -> &'static str {
        match self.status.class() {
            0 => "none",
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "_OTHER",
        }
    }

    /// OpenTelemetry's `error.type`: the status of a failure, else the outcome; a success must not
    /// have one.
    pub(crate) fn error_type(self) -> Option<Cow<'static, str>> {
        match self.outcome {
            Outcome::Success => None,
            Outcome::Failure => self.status(),
            outcome => Some(outcome.as_str().into()),
        }
    }
}

/// Which statuses have a series of their own: the first [`Statuses::LIMIT`] met, since what answers
/// may be an upstream that makes up its own.
#[derive(Debug)]
pub(crate) struct Statuses {
    known: Box<[AtomicBool]>,
    met: AtomicUsize,
}

impl Statuses {
    const LIMIT: usize = 64;

    pub(super) fn new() -> Self {
        Self {
            known: (0..1_000).map(|_| AtomicBool::new(false)).collect(),
            met: AtomicUsize::new(0),
        }
    }

    /// What a status is counted under; 0 is no response.
    pub(super) fn key(&self, status: u16) -> StatusKey {
        if status == 0 {
            return StatusKey::NONE;
        }
        let known = &self.known[usize::from(status)];
        if known.load(Ordering::Relaxed) || self.meet(known) {
            StatusKey(status)
        } else {
            StatusKey(StatusKey::OTHER + status / 100)
        }
    }

    /// Whether there was room for a status that was not known.
    #[cold]
    fn meet(&self, known: &AtomicBool) -> bool {
        let room = self.met.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |met| {
            (met < Self::LIMIT).then_some(met + 1)
        });
        if room.is_ok() && known.swap(true, Ordering::Relaxed) {
            // Another thread met it at the same time and counted it, too.
            self.met.fetch_sub(1, Ordering::Relaxed);
        }
        room.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(statuses: &Statuses, status: u16) -> (Option<Cow<'static, str>>, &'static str) {
        let status = statuses.key(status);
        let key = SeriesKey { status, outcome: Outcome::Success };
        (key.status(), key.class())
    }

    #[test]
    fn statuses_past_the_bound_keep_only_their_class() {
        let statuses = Statuses::new();
        for status in 100..100 + Statuses::LIMIT as u16 {
            assert_eq!(labels(&statuses, status).0, Some(status.to_string().into()));
        }
        assert_eq!(labels(&statuses, 599), (Some("_OTHER".into()), "5xx"));
        assert_eq!(labels(&statuses, 999), (Some("_OTHER".into()), "_OTHER"));
        assert_eq!(labels(&statuses, 100), (Some("100".into()), "1xx"));
    }

    #[test]
    fn without_a_response_there_is_no_status_and_the_class_is_none() {
        let key = SeriesKey { status: StatusKey::NONE, outcome: Outcome::Cancelled };
        assert_eq!((key.status(), key.class()), (None, "none"));
        assert_eq!(key.error_type(), Some("cancelled".into()));
    }
}

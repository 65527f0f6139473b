use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use http::StatusCode;

use super::LabelSet;
use crate::outcome::{Ending, GrpcStatus, Status};

/// How an exchange ended: its status, its ending, and the values of the user's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SeriesKey {
    pub(crate) status: StatusKey,
    pub(crate) ending: Ending,
    pub(crate) labels: LabelSet,
}

/// An HTTP or gRPC status, the class of an HTTP status beyond the limit, or no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StatusKey(pub(super) u16);

impl StatusKey {
    pub(crate) const NONE: Self = Self(0);

    /// Added to the class; above any valid HTTP status.
    const OTHER: u16 = 10_000;

    /// Added to the code.
    const GRPC: u16 = 20_000;

    /// A gRPC response that completed without a status.
    pub(crate) const GRPC_MISSING: Self = Self(30_000);

    pub(crate) const GRPC_OK: Self = Self(Self::GRPC);

    #[inline]
    pub(crate) fn http(status: StatusCode) -> Self {
        Self(status.as_u16())
    }

    #[inline]
    pub(crate) fn grpc(status: GrpcStatus) -> Self {
        Self(Self::GRPC + u16::from(status.code()))
    }

    /// Returns the bits to store in a request's state.
    #[inline]
    pub(crate) fn to_bits(self) -> u16 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Returns the key of the status's class. gRPC has few statuses, so a gRPC status keeps its own
    /// key.
    pub(super) fn of_class(self) -> Self {
        match self.0 {
            1..Self::OTHER => Self(Self::OTHER + self.class()),
            _ => self,
        }
    }

    /// Returns the status. A status beyond the limit becomes the first one of its class.
    pub(crate) fn status(self) -> Option<Status> {
        match self.0 {
            0 | 30_000.. => None,
            Self::GRPC.. => Some(Status::Grpc(GrpcStatus::from_code((self.0 - Self::GRPC) as u8))),
            _ => StatusCode::from_u16(self.class() * 100)
                .ok()
                .filter(|_| self.0 >= Self::OTHER)
                .or_else(|| StatusCode::from_u16(self.0).ok())
                .map(Status::Http),
        }
    }

    /// Returns the value of the status label; `None` without a status.
    pub(crate) fn label(self) -> Option<Cow<'static, str>> {
        match self.status()? {
            Status::Grpc(status) => Some(status.name().into()),
            Status::Http(_) if self.0 >= Self::OTHER => Some("_OTHER".into()),
            Status::Http(status) => Some(status.as_u16().to_string().into()),
        }
    }

    /// Returns the value of the `status_class` label, for HTTP.
    pub(crate) fn class_label(self) -> &'static str {
        match self.class() {
            0 => "none",
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "_OTHER",
        }
    }

    fn class(self) -> u16 {
        if self.0 >= Self::OTHER { self.0 - Self::OTHER } else { self.0 / 100 }
    }
}

/// The statuses that have their own series: the first [`Statuses::LIMIT`] that occur. The limit
/// protects against an upstream that sends arbitrary statuses.
#[derive(Debug)]
pub(crate) struct Statuses {
    known: Box<[AtomicBool]>,
    count: AtomicUsize,
}

impl Statuses {
    const LIMIT: usize = 64;

    pub(super) fn new() -> Self {
        Self {
            known: (0..1_000).map(|_| AtomicBool::new(false)).collect(),
            count: AtomicUsize::new(0),
        }
    }

    /// Returns the key under which a status is counted.
    pub(super) fn key(&self, key: StatusKey) -> StatusKey {
        let status = key.0;
        // There is no response, or the status is one of gRPC's few.
        if status == 0 || status >= StatusKey::OTHER {
            return key;
        }
        let known = &self.known[usize::from(status)];
        if known.load(Ordering::Relaxed) || self.add(known) { key } else { key.of_class() }
    }

    /// Adds a status. Returns `false` if the limit is reached.
    #[cold]
    fn add(&self, known: &AtomicBool) -> bool {
        let added = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < Self::LIMIT).then_some(count + 1)
        });
        if added.is_ok() && known.swap(true, Ordering::Relaxed) {
            // Another thread added the status at the same time.
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        added.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(statuses: &Statuses, status: u16) -> (Option<Cow<'static, str>>, &'static str) {
        let key = statuses.key(StatusKey(status));
        (key.label(), key.class_label())
    }

    #[test]
    fn statuses_beyond_the_limit_share_the_series_of_their_class() {
        let statuses = Statuses::new();
        for status in 100..100 + Statuses::LIMIT as u16 {
            assert_eq!(labels(&statuses, status).0, Some(status.to_string().into()));
        }
        assert_eq!(labels(&statuses, 599), (Some("_OTHER".into()), "5xx"));
        assert_eq!(labels(&statuses, 999), (Some("_OTHER".into()), "_OTHER"));
        assert_eq!(labels(&statuses, 100), (Some("100".into()), "1xx"));
    }

    #[test]
    fn without_a_response_the_status_is_missing_and_the_class_is_none() {
        assert_eq!((StatusKey::NONE.label(), StatusKey::NONE.class_label()), (None, "none"));
    }

    #[test]
    fn a_grpc_status_is_labelled_by_name() {
        let statuses = Statuses::new();
        for (code, name) in [(0, "OK"), (4, "DEADLINE_EXCEEDED"), (16, "UNAUTHENTICATED")] {
            let key = statuses.key(StatusKey::grpc(GrpcStatus::from_code(code)));
            assert_eq!(key.label(), Some(name.into()));
            assert_eq!(key.status(), Some(Status::Grpc(GrpcStatus::from_code(code))));
        }
        assert_eq!(GrpcStatus::from_code(99), GrpcStatus::UNKNOWN);
        assert_eq!(statuses.key(StatusKey::GRPC_MISSING).label(), None);
    }
}

//! The ages of uploads. A request is not stuck while its body arrives, so its age counts from the
//! last byte that the service read.
//!
//! The body resets the age at most once a second, and the exchange closes it. Both find the age by
//! a number, since the exchange has no room for a pointer. The slot is released when neither needs
//! it any longer.

use std::sync::atomic::{AtomicU64, Ordering};

use super::slots::Slots;
use crate::{
    operation::OperationId,
    series::{AgeSlot, Shard, Store},
};

/// The ages of a lookout's requests whose bodies are still arriving.
#[derive(Debug)]
pub(crate) struct Uploads(Slots<AtomicU64>);

/// The second in which an upload's age starts, and its operation, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Age(u64);

impl Age {
    /// Set once the request is no longer counted by its age.
    const CLOSED: u64 = 1 << 63;
    const BODY_DROPPED: u64 = 1 << 62;

    fn new(operation: OperationId, second: u32) -> Self {
        Self((operation.index() as u64) << 32 | u64::from(second))
    }

    fn second(self) -> u32 {
        self.0 as u32
    }

    fn operation(self) -> OperationId {
        OperationId::new((self.0 >> 32) as u32 & 0xf_ffff)
    }

    fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    fn with_second(self, second: u32) -> Self {
        Self(self.0 & !u64::from(u32::MAX) | u64::from(second))
    }

    fn with_operation(self, operation: OperationId) -> Self {
        Self(self.0 & (Self::CLOSED | Self::BODY_DROPPED) | Self::new(operation, self.second()).0)
    }
}

impl Uploads {
    pub(crate) fn new() -> Self {
        Self(Slots::new())
    }

    /// Adds a request of `operation` that started in `second`. Returns `None` if there are too
    /// many.
    pub(crate) fn begin(&self, operation: OperationId, second: u32) -> Option<u16> {
        let (number, age) = self.0.take()?;
        age.store(Age::new(operation, second).0, Ordering::Release);
        Some(number)
    }

    /// Restarts the age in this second. Returns the previous age if it started in an earlier
    /// second.
    ///
    /// # Errors
    ///
    /// The request is no longer counted by its age.
    fn refresh(&self, number: u16, second: u32) -> Result<Option<Age>, ()> {
        self.change(number, |age| (age.second() < second).then(|| age.with_second(second)))
    }

    /// Moves the age to another operation. Returns the previous age.
    fn set_operation(&self, number: u16, operation: OperationId) -> Option<Age> {
        self.change(number, |age| Some(age.with_operation(operation))).ok().flatten()
    }

    /// Closes the age of a request. Returns the age, unless it was closed before.
    fn close(&self, number: u16) -> Option<Age> {
        let age = Age(self.0.get(number).fetch_or(Age::CLOSED, Ordering::AcqRel));
        if age.0 & Age::BODY_DROPPED != 0 {
            self.0.release(number);
        }
        (!age.is_closed()).then_some(age)
    }

    pub(super) fn body_dropped(&self, number: u16) {
        let age = Age(self.0.get(number).fetch_or(Age::BODY_DROPPED, Ordering::AcqRel));
        if age.is_closed() {
            self.0.release(number);
        }
    }

    fn change(&self, number: u16, change: impl Fn(Age) -> Option<Age>) -> Result<Option<Age>, ()> {
        let open =
            |age| if Age(age).is_closed() { None } else { change(Age(age)).map(|age| age.0) };
        match self.0.get(number).fetch_update(Ordering::AcqRel, Ordering::Acquire, open) {
            Ok(before) => Ok(Some(Age(before))),
            Err(age) if Age(age).is_closed() => Err(()),
            Err(_) => Ok(None),
        }
    }

    /// Restarts the request's age in the current second. Returns whether the request is still open.
    pub(super) fn refresh_age(&self, number: u16, store: &Store, shard: &Shard) -> bool {
        let now = store.second(store.clock.now());
        match self.refresh(number, now) {
            Ok(Some(before)) => {
                shard.operation(before.operation()).ages.opened(now);
                before.leave(now, shard);
                true
            }
            Ok(None) => true,
            Err(()) => false,
        }
    }

    /// Removes the request from the ages.
    pub(crate) fn close_age(&self, number: u16, store: &Store, shard: &Shard) {
        if let Some(age) = self.close(number) {
            age.leave(store.second(store.clock.now()), shard);
        }
    }

    /// Moves the request to the ages of another operation.
    pub(crate) fn move_age(
        &self,
        number: u16,
        operation: OperationId,
        store: &Store,
        shard: &Shard,
    ) {
        if let Some(age) = self.set_operation(number, operation) {
            shard.operation(operation).ages.opened(age.second());
            age.leave(store.second(store.clock.now()), shard);
        }
    }
}

impl Age {
    fn leave(self, now: u32, shard: &Shard) {
        let nanos = u64::from(now.saturating_sub(self.second())) * 1_000_000_000;
        let ages = &shard.operation(self.operation()).ages;
        ages.closed(AgeSlot::of(self.second()), nanos, || self.second());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATION: OperationId = OperationId::new(3);

    #[test]
    fn an_age_restarts_at_most_once_a_second_and_never_earlier() {
        let uploads = Uploads::new();
        let number = uploads.begin(OPERATION, 10).unwrap();
        assert_eq!(uploads.refresh(number, 10), Ok(None));
        assert_eq!(uploads.refresh(number, 12), Ok(Some(Age::new(OPERATION, 10))));
        assert_eq!(uploads.refresh(number, 12), Ok(None));
        assert_eq!(uploads.refresh(number, 11), Ok(None), "read earlier on another thread");
        assert_eq!(uploads.close(number), Some(Age::new(OPERATION, 12)));
        assert_eq!(uploads.refresh(number, 13), Err(()), "the response came before the end");
        assert_eq!(uploads.close(number), None);
    }

    #[test]
    fn an_age_moves_with_its_request_to_another_operation() {
        let (uploads, other) = (Uploads::new(), OperationId::new(0xf_ffff));
        let number = uploads.begin(OPERATION, 10).unwrap();
        uploads.refresh(number, 12).unwrap();
        assert_eq!(uploads.set_operation(number, other), Some(Age::new(OPERATION, 12)));
        assert_eq!(uploads.refresh(number, u32::MAX), Ok(Some(Age::new(other, 12))));
        assert_eq!(uploads.close(number), Some(Age::new(other, u32::MAX)));
        assert_eq!(uploads.set_operation(number, OPERATION), None);
    }

    #[test]
    fn a_slot_is_released_when_the_request_and_its_body_have_ended() {
        let uploads = Uploads::new();
        let begin = || uploads.begin(OPERATION, 0).unwrap();
        let [body_first, response_first] = [begin(), begin()];
        uploads.body_dropped(body_first);
        assert_ne!(begin(), body_first, "the request is still open");
        uploads.close(body_first);
        assert_eq!(begin(), body_first);

        uploads.close(response_first);
        assert_ne!(begin(), response_first, "the body is still there");
        uploads.body_dropped(response_first);
        assert_eq!(begin(), response_first);
    }
}

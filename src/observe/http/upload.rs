//! A request whose body is still arriving is not stuck. Its age counts from the last byte that the
//! service read, and not from its start.
//!
//! The body moves the age, at most once a second, and the exchange closes it. Both find it by a number,
//! since the exchange has no room for a pointer; the place is free again when both are done with it.

use std::{
    any::Any,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use http::{Request, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::observe::{
    LookoutId,
    exchange::{local, slots::Slots},
};
use crate::{
    operation::OperationId,
    series::{AgeSlot, Shard, Store},
};

/// Where the uploads of a lookout count among the ages.
#[derive(Debug)]
pub(crate) struct Uploads(Slots<AtomicU64>);

/// From which second an upload's age counts, and for which operation, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Age(u64);

impl Age {
    /// The request has left the ages.
    const CLOSED: u64 = 1 << 63;
    const BODY_GONE: u64 = 1 << 62;

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

    fn since(self, second: u32) -> Self {
        Self(self.0 & !u64::from(u32::MAX) | u64::from(second))
    }

    fn of(self, operation: OperationId) -> Self {
        Self(self.0 & (Self::CLOSED | Self::BODY_GONE) | Self::new(operation, self.second()).0)
    }
}

impl Uploads {
    pub(crate) fn new() -> Self {
        Self(Slots::new())
    }

    /// Keeps the age of a request that counts for `operation` since `second`; `None` if there are too
    /// many.
    pub(crate) fn begin(&self, operation: OperationId, second: u32) -> Option<u16> {
        let (number, place) = self.0.take()?;
        place.store(Age::new(operation, second).0, Ordering::Release);
        Some(number)
    }

    /// The age counts from this second on. Gives where it counted before, if that was another second;
    /// the error says that the request has left the ages.
    fn received(&self, number: u16, second: u32) -> Result<Option<Age>, ()> {
        self.change(number, |age| (age.second() < second).then(|| age.since(second)))
    }

    /// The age counts for another operation from now on. Gives where it counted before.
    fn turn_to(&self, number: u16, operation: OperationId) -> Option<Age> {
        self.change(number, |age| Some(age.of(operation))).ok().flatten()
    }

    /// The request leaves the ages. Gives where it counted.
    fn close(&self, number: u16) -> Option<Age> {
        let age = Age(self.0.get(number).fetch_or(Age::CLOSED, Ordering::AcqRel));
        if age.0 & Age::BODY_GONE != 0 {
            self.0.release(number);
        }
        (!age.is_closed()).then_some(age)
    }

    fn body_gone(&self, number: u16) {
        let age = Age(self.0.get(number).fetch_or(Age::BODY_GONE, Ordering::AcqRel));
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

    /// Takes the request off the ages, where its last byte has moved it.
    pub(crate) fn close_age(&self, number: u16, store: &Store, shard: &Shard) {
        if let Some(age) = self.close(number) {
            age.leave(store.second(store.clock.now()), shard);
        }
    }

    /// Moves the request to another operation's ages.
    pub(crate) fn move_age(
        &self,
        number: u16,
        operation: OperationId,
        store: &Store,
        shard: &Shard,
    ) {
        if let Some(age) = self.turn_to(number, operation) {
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

/// A request body's hold on the age of its request.
#[derive(Debug)]
pub struct Upload {
    lookout: LookoutId,
    number: u16,
}

impl Upload {
    pub(crate) fn new(lookout: LookoutId, number: u16) -> Self {
        Self { lookout, number }
    }

    /// Something of the body was read. Gives whether the request still waits for its response.
    fn received(&self) -> bool {
        let number = self.number;
        let received = local::with_all(self.lookout, move |core, store, shard| {
            let now = store.second(store.clock.now());
            match core.uploads.received(number, now) {
                Ok(Some(before)) => {
                    shard.operation(before.operation()).ages.opened(now);
                    before.leave(now, shard);
                    true
                }
                Ok(None) => true,
                Err(()) => false,
            }
        });
        received.unwrap_or_default()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let number = self.number;
        local::with_core(self.lookout, move |core| core.uploads.body_gone(number));
    }
}

pin_project! {
    /// A request body whose bytes keep its request young.
    #[derive(Debug, Default)]
    pub(crate) struct UploadBody<B> {
        #[pin]
        inner: B,
        upload: Option<Upload>,
    }
}

impl<B> UploadBody<B> {
    pub(crate) fn new(inner: B, upload: Option<Upload>) -> Self {
        Self { inner, upload }
    }
}

impl<B: Body> Body for UploadBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let polled = this.inner.poll_frame(cx);
        if let (Poll::Ready(frame), Some(upload)) = (&polled, &this.upload) {
            let goes_on = matches!(frame, Some(Ok(_)));
            if !(upload.received() && goes_on) {
                *this.upload = None;
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Whether a request may have a body, by its head.
pub(crate) fn may_have_body<B>(request: &Request<B>) -> bool {
    request.headers().get(header::CONTENT_LENGTH).is_none_or(|length| length != "0")
}

/// Whether a request has a body that [`watch_body`] can watch.
#[inline(always)]
pub(crate) fn has_watchable_body<B: 'static>(request: &Request<B>) -> bool {
    let body: &dyn Any = request.body();
    #[cfg(feature = "axum")]
    if let Some(body) = body.downcast_ref::<axum::body::Body>() {
        return !body.is_end_stream();
    }
    #[cfg(feature = "tonic")]
    if let Some(body) = body.downcast_ref::<tonic::body::Body>() {
        return !body.is_end_stream();
    }
    let _ = body;
    false
}

/// Watches a body that can hold any other, so that the request keeps its type. The types are compared
/// when the program is compiled: for any other body nothing is left of it.
#[inline(always)]
pub(crate) fn watch_body<B: 'static>(request: &mut Request<B>, upload: Option<Upload>) {
    let Some(upload) = upload else { return };
    let body: &mut dyn Any = request.body_mut();
    #[cfg(feature = "axum")]
    if let Some(body) = body.downcast_mut::<axum::body::Body>() {
        *body = axum::body::Body::new(UploadBody::new(std::mem::take(body), Some(upload)));
        return;
    }
    #[cfg(feature = "tonic")]
    if let Some(body) = body.downcast_mut::<tonic::body::Body>() {
        *body = tonic::body::Body::new(UploadBody::new(std::mem::take(body), Some(upload)));
        return;
    }
    let _ = (body, upload);
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATION: OperationId = OperationId::new(3);

    #[test]
    fn an_age_moves_once_a_second_and_never_back() {
        let uploads = Uploads::new();
        let number = uploads.begin(OPERATION, 10).unwrap();
        assert_eq!(uploads.received(number, 10), Ok(None));
        assert_eq!(uploads.received(number, 12), Ok(Some(Age::new(OPERATION, 10))));
        assert_eq!(uploads.received(number, 12), Ok(None));
        assert_eq!(uploads.received(number, 11), Ok(None), "read on another thread before");
        assert_eq!(uploads.close(number), Some(Age::new(OPERATION, 12)));
        assert_eq!(uploads.received(number, 13), Err(()), "the response came before the end");
        assert_eq!(uploads.close(number), None);
    }

    #[test]
    fn an_age_goes_with_its_request_to_another_operation() {
        let (uploads, other) = (Uploads::new(), OperationId::new(0xf_ffff));
        let number = uploads.begin(OPERATION, 10).unwrap();
        uploads.received(number, 12).unwrap();
        assert_eq!(uploads.turn_to(number, other), Some(Age::new(OPERATION, 12)));
        assert_eq!(uploads.received(number, u32::MAX), Ok(Some(Age::new(other, 12))));
        assert_eq!(uploads.close(number), Some(Age::new(other, u32::MAX)));
        assert_eq!(uploads.turn_to(number, OPERATION), None);
    }

    #[test]
    fn a_place_is_free_when_both_the_request_and_its_body_are_gone() {
        let uploads = Uploads::new();
        let begin = || uploads.begin(OPERATION, 0).unwrap();
        let [body_first, response_first] = [begin(), begin()];
        uploads.body_gone(body_first);
        assert_ne!(begin(), body_first, "the request is still open");
        uploads.close(body_first);
        assert_eq!(begin(), body_first);

        uploads.close(response_first);
        assert_ne!(begin(), response_first, "the body is still there");
        uploads.body_gone(response_first);
        assert_eq!(begin(), response_first);
    }
}

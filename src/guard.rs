//! Where code of the user's runs, its panic must end nothing: neither a request nor an alert.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    thread,
};

/// What a call gives, or what it panics with.
#[inline]
pub(crate) fn guarded<R>(call: impl FnOnce() -> R) -> thread::Result<R> {
    catch_unwind(AssertUnwindSafe(call))
}

/// What a future gives, or what it panics with; it is not polled again then.
pub(crate) async fn guarded_future<F: Future>(future: F) -> thread::Result<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match guarded(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

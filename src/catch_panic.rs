//! Catches panics in the application's closures, notifiers, recorders and `tracing` subscribers.
//! They must end neither a request nor an alert.

use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// A caught panic.
///
/// Its payload may have any type, whose drop may panic again. That would end the caller, or during
/// unwinding the process. So the payload is dropped within [`catch_unwind`].
pub(crate) struct Panic(Option<Box<dyn Any + Send>>);

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        Self(Some(payload))
    }

    /// The message of the panic.
    pub(crate) fn message(&self) -> &str {
        self.0.as_deref().map_or(NO_MESSAGE, panic_message)
    }

    /// Resumes the panic.
    pub(crate) fn resume(mut self) -> ! {
        std::panic::resume_unwind(self.0.take().unwrap_or_else(|| Box::new(())))
    }
}

impl Drop for Panic {
    fn drop(&mut self) {
        if let Some(payload) = self.0.take()
            && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
        {
            // The drop of the new payload may panic as well.
            mem::forget(again);
        }
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message()).finish()
    }
}

const NO_MESSAGE: &str = "no message";

/// The message in a panic's payload.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or(NO_MESSAGE)
}

/// Calls `call`, and returns its panic as an error.
#[inline]
pub(crate) fn guarded<R>(call: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(call)).map_err(Panic::new)
}

/// Awaits `future`, and returns its panic as an error. The future is not polled again after a
/// panic.
pub(crate) async fn guarded_future<F: Future>(future: F) -> Result<F::Output, Panic> {
    let mut future = pin!(future);
    poll_fn(|cx| match guarded(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Calls `log`, which contains a macro of `tracing`, and ignores its panic. A subscriber may panic:
/// `tracing_subscriber::fmt` does if it can write neither to standard output nor to standard error.
pub(crate) fn logged(log: impl FnOnce()) {
    let _ = guarded(log);
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    /// Panics when it is dropped, with a payload that panics when it is dropped, and so on.
    struct PanicsWhenDropped(u32);

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            if let Some(left) = self.0.checked_sub(1) {
                panic_any(PanicsWhenDropped(left));
            }
        }
    }

    fn panicking() -> Result<(), Panic> {
        guarded(|| panic_any(PanicsWhenDropped(5)))
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_caught() {
        drop(panicking());
        assert_eq!(panicking().unwrap_err().message(), "no message");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_caught_during_unwinding() {
        struct CatchesInItsDrop;

        impl Drop for CatchesInItsDrop {
            fn drop(&mut self) {
                drop(panicking());
            }
        }

        let panic = guarded(|| {
            let _catches = CatchesInItsDrop;
            panic!("the outer panic");
        });
        let panic: Result<(), Panic> = panic;
        assert_eq!(panic.unwrap_err().message(), "the outer panic");
    }

    #[test]
    fn a_resumed_panic_keeps_its_payload() {
        let again = catch_unwind(|| {
            guarded(|| panic!("no {}", "broker")).unwrap_or_else(|panic| panic.resume())
        });
        let again: Result<(), _> = again;
        assert_eq!(Panic::new(again.unwrap_err()).message(), "no broker");
    }
}

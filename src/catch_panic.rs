//! Calls code of the application: closures, notifiers, recorders, subscribers of `tracing`. Its
//! panic must end neither a request nor an alert.

use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// A panic that was caught.
///
/// Its payload may be of any type, and the drop of that type may panic again: outside of a guard
/// that would end the caller, and during an unwinding the process. So the payload is dropped within
/// a guard.
pub(crate) struct Panic(Option<Box<dyn Any + Send>>);

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        Self(Some(payload))
    }

    /// The text that `panic!` was called with.
    pub(crate) fn message(&self) -> &str {
        self.0.as_deref().map_or(NO_MESSAGE, panic_message)
    }

    /// Goes on with the panic.
    pub(crate) fn resume(mut self) -> ! {
        std::panic::resume_unwind(self.0.take().unwrap_or_else(|| Box::new(())))
    }
}

impl Drop for Panic {
    fn drop(&mut self) {
        if let Some(payload) = self.0.take()
            && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
        {
            // Its drop may panic, too, without an end.
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

/// The text that `panic!` was called with, of the payload that it made.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or(NO_MESSAGE)
}

/// Calls `call`; an error is its panic.
#[inline]
pub(crate) fn guarded<R>(call: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(call)).map_err(Panic::new)
}

/// Awaits `future`; an error is its panic, after which it is not polled again.
pub(crate) async fn guarded_future<F: Future>(future: F) -> Result<F::Output, Panic> {
    let mut future = pin!(future);
    poll_fn(|cx| match guarded(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Logs by a macro of `tracing`. A subscriber may panic, as `tracing_subscriber::fmt` does where
/// neither standard output nor standard error can be written: then the line is lost, and nothing
/// else.
pub(crate) fn logged(log: impl FnOnce()) {
    let _ = guarded(log);
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    /// Panics when it is dropped, with one more of its kind until there are none left.
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
    fn a_payload_that_panics_when_it_is_dropped_ends_nothing() {
        drop(panicking());
        assert_eq!(panicking().unwrap_err().message(), "no message");
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_ends_nothing_during_an_unwinding() {
        struct GuardsInItsDrop;

        impl Drop for GuardsInItsDrop {
            fn drop(&mut self) {
                drop(panicking());
            }
        }

        let panic = guarded(|| {
            let _guards = GuardsInItsDrop;
            panic!("the first of them");
        });
        let panic: Result<(), Panic> = panic;
        assert_eq!(panic.unwrap_err().message(), "the first of them");
    }

    #[test]
    fn a_panic_goes_on_with_its_payload() {
        let again = catch_unwind(|| {
            guarded(|| panic!("no {}", "broker")).unwrap_or_else(|panic| panic.resume())
        });
        let again: Result<(), _> = again;
        assert_eq!(Panic::new(again.unwrap_err()).message(), "no broker");
    }
}

//! Measures how long a request waits until its client is ready.
//!
//! A service sees the calls of `poll_ready`, but not the caller. After a caller has given up, the
//! next poll may come from another caller, hours later. A caller that still waits polls again when
//! the inner service wakes it. So a wait counts only if a wake ends it, lasts until that wake, and
//! belongs to the request that follows immediately.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use crate::series::{RawClock, RawTime};

/// The maximum time, in nanoseconds, from the wake to the next poll, and from that poll to the
/// request. If it takes longer, the caller must have given up, and the wait is dropped.
const MAX_GAP: u64 = 100_000_000;

/// The wait of one instance of a service. Each clone has its own.
#[derive(Debug, Default)]
pub(crate) struct Wait(Option<Box<State>>);

#[derive(Debug)]
enum State {
    Waiting { since: RawTime, wakes: Arc<Wakes>, waker: Waker },
    Over { nanos: u64, at: RawTime },
}

/// Wakes the caller, and records the time of the wake.
#[derive(Debug)]
struct Wakes {
    caller: Waker,
    /// The first wake since the last poll, as [`RawTime::to_bits`]; 0 for none.
    at: AtomicU64,
}

impl Wakes {
    /// Takes the time of the wake that led to this poll, if there was one.
    fn take(&self) -> Option<RawTime> {
        NonZeroU64::new(self.at.swap(0, Ordering::Relaxed)).map(RawTime::from_bits)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let now = RawClock::get().now().to_bits().get();
        // Only the first wake after a poll ends the wait.
        let _ = self.at.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        self.caller.wake_by_ref();
    }
}

impl Wait {
    /// Polls the inner service for readiness.
    pub(crate) fn poll<E>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll_ready: impl FnMut(&mut Context<'_>) -> Poll<Result<(), E>>,
    ) -> Poll<Result<(), E>> {
        if let Some(State::Waiting { since, wakes, waker }) = self.0.as_deref()
            && wakes.caller.will_wake(cx.waker())
        {
            let (since, woken) = (*since, wakes.take());
            let polled = poll_ready(&mut Context::from_waker(waker));
            if polled.is_ready() {
                self.0 =
                    woken.filter(|_| matches!(polled, Poll::Ready(Ok(())))).and_then(|woken| {
                        let (clock, at) = (RawClock::get(), RawClock::get().now());
                        let nanos = clock.nanos(since, woken);
                        (clock.nanos(woken, at) <= MAX_GAP)
                            .then(|| Box::new(State::Over { nanos, at }))
                    });
            }
            return polled;
        }
        match poll_ready(cx) {
            // Poll again, so that the service stores the waker that records the time.
            Poll::Pending => self.begin(cx.waker(), poll_ready),
            Poll::Ready(Ok(())) => {
                // Drop the wait, which belonged to another caller.
                if matches!(self.0.as_deref(), Some(State::Waiting { .. })) {
                    self.0 = None;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.0 = None;
                Poll::Ready(Err(error))
            }
        }
    }

    #[cold]
    fn begin<E>(
        &mut self,
        caller: &Waker,
        mut poll_ready: impl FnMut(&mut Context<'_>) -> Poll<Result<(), E>>,
    ) -> Poll<Result<(), E>> {
        let since = RawClock::get().now();
        let wakes = Arc::new(Wakes { caller: caller.clone(), at: AtomicU64::new(0) });
        let waker = Waker::from(Arc::clone(&wakes));
        let polled = poll_ready(&mut Context::from_waker(&waker));
        self.0 = polled.is_pending().then(|| Box::new(State::Waiting { since, wakes, waker }));
        polled
    }

    /// Takes the wait of the request that starts now, in nanoseconds.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<u64> {
        self.0.take().and_then(|state| state.of_request())
    }
}

impl State {
    #[cold]
    fn of_request(self) -> Option<u64> {
        match self {
            Self::Over { nanos, at } => {
                let clock = RawClock::get();
                (clock.nanos(at, clock.now()) <= MAX_GAP).then_some(nanos)
            }
            Self::Waiting { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{thread::sleep, time::Duration};

    use super::*;

    /// A service that keeps the waker of the last poll.
    #[derive(Default)]
    struct Inner {
        is_ready: bool,
        fails: bool,
        waker: Option<Waker>,
    }

    impl Inner {
        fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            self.waker = Some(cx.waker().clone());
            match (self.fails, self.is_ready) {
                (true, _) => Poll::Ready(Err("closed")),
                (false, true) => Poll::Ready(Ok(())),
                (false, false) => Poll::Pending,
            }
        }

        fn becomes_ready(&mut self) {
            self.is_ready = true;
            self.waker.take().unwrap().wake();
        }
    }

    /// A waker that does nothing. Each instance stands for another task.
    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    struct Client {
        wait: Wait,
        inner: Inner,
        task: Waker,
    }

    impl Client {
        /// Creates a client that is not ready, and a task that waits for it.
        fn waiting() -> Self {
            let mut client = Self {
                wait: Wait::default(),
                inner: Inner::default(),
                task: Waker::from(Arc::new(Task)),
            };
            assert!(client.poll().is_pending());
            client
        }

        fn poll(&mut self) -> Poll<Result<(), &'static str>> {
            let Self { wait, inner, task } = self;
            wait.poll(&mut Context::from_waker(task), |cx| inner.poll(cx))
        }
    }

    const PAUSE: Duration = Duration::from_millis(20);
    const LATER: Duration = Duration::from_nanos(2 * MAX_GAP);

    #[test]
    fn a_wait_ends_with_the_wake_and_is_recorded_for_the_next_request() {
        let mut client = Client::waiting();
        sleep(PAUSE);
        assert!(client.poll().is_pending(), "a poll without a wake changes nothing");
        sleep(PAUSE);
        client.inner.becomes_ready();
        assert!(client.poll().is_ready());
        let waited = Duration::from_nanos(client.wait.take().unwrap());
        assert!(waited >= 2 * PAUSE, "{waited:?}");
        assert_eq!(client.wait.take(), None, "the next request did not wait");
    }

    #[test]
    fn a_ready_client_has_no_wait() {
        let mut client = Client::waiting();
        client.wait = Wait::default();
        client.inner.is_ready = true;
        assert!(client.poll().is_ready());
        assert_eq!(client.wait.take(), None);
    }

    #[test]
    fn a_wait_abandoned_before_the_wake_is_dropped() {
        let mut client = Client::waiting();
        client.inner.becomes_ready();
        sleep(LATER);
        assert!(client.poll().is_ready());
        assert_eq!(client.wait.take(), None, "no caller polled when the client became ready");
    }

    #[test]
    fn a_wait_abandoned_after_the_client_became_ready_is_dropped() {
        let mut client = Client::waiting();
        client.inner.becomes_ready();
        assert!(client.poll().is_ready());
        sleep(LATER);
        assert!(client.poll().is_ready(), "another caller polls without waiting");
        assert_eq!(client.wait.take(), None);
    }

    #[test]
    fn a_wait_that_ends_without_a_wake_is_dropped() {
        let mut client = Client::waiting();
        client.inner.is_ready = true;
        assert!(client.poll().is_ready());
        assert_eq!(client.wait.take(), None);
    }

    #[test]
    fn a_wait_that_ends_in_an_error_is_dropped() {
        let mut client = Client::waiting();
        client.inner.fails = true;
        client.inner.becomes_ready();
        assert_eq!(client.poll(), Poll::Ready(Err("closed")));
        client.inner.fails = false;
        assert!(client.poll().is_ready());
        assert_eq!(client.wait.take(), None);
    }

    #[test]
    fn an_error_drops_a_finished_wait_too() {
        let mut client = Client::waiting();
        client.inner.becomes_ready();
        assert!(client.poll().is_ready());
        client.inner.fails = true;
        assert_eq!(client.poll(), Poll::Ready(Err("closed")));
        assert_eq!(client.wait.take(), None);
    }

    #[test]
    fn another_task_starts_a_new_wait() {
        let mut client = Client::waiting();
        sleep(PAUSE);
        client.task = Waker::from(Arc::new(Task));
        assert!(client.poll().is_pending());
        client.inner.becomes_ready();
        assert!(client.poll().is_ready());
        let waited = Duration::from_nanos(client.wait.take().unwrap());
        assert!(waited < PAUSE, "includes the first task's wait: {waited:?}");
    }

    #[test]
    fn a_task_that_does_not_wait_records_no_wait() {
        let mut client = Client::waiting();
        client.inner.becomes_ready();
        client.task = Waker::from(Arc::new(Task));
        assert!(client.poll().is_ready());
        assert_eq!(client.wait.take(), None);
    }
}

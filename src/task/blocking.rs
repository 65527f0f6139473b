use std::{
    fmt, io,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use tokio::sync::oneshot;

use crate::{catch_panic::guarded, report};

/// A thread for blocking calls. It runs one call at a time, in order. After the drop, it ends once
/// its calls are done.
///
/// tokio's blocking pool starts threads on demand. If the system cannot start one, `spawn_blocking`
/// panics but keeps the call in its queue, so a retry would run it several times.
pub(crate) struct BlockingThread {
    name: String,
    calls: Mutex<Option<mpsc::Sender<Call>>>,
}

type Call = Box<dyn FnOnce() + Send>;

/// The reason why a call has no result.
#[derive(Debug)]
pub(crate) enum NotCalled {
    /// The thread could not be started, so the call did not run.
    NoThread(io::Error),
    /// The call panicked.
    Panicked(String),
}

impl BlockingThread {
    /// Creates a thread. [`start`](Self::start) or the first call starts it.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), calls: Mutex::default() }
    }

    /// Starts the thread, unless it is running.
    pub(crate) fn start(&self) -> io::Result<()> {
        self.started().map(|_| ())
    }

    /// Runs `call` on the thread, after the calls before it. The call completes even if this future
    /// is dropped.
    pub(crate) async fn call<R: Send + 'static>(
        &self,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, NotCalled> {
        let (done, is_done) = oneshot::channel();
        let call = move || {
            // The caller may have dropped the future.
            let _ = done.send(guarded(call).map_err(|panic| panic.message().to_owned()));
        };
        let ended = || NotCalled::NoThread(io::Error::other("the thread has ended"));
        self.started().map_err(NotCalled::NoThread)?.send(Box::new(call)).map_err(|_| ended())?;
        is_done.await.map_err(|_| ended())?.map_err(NotCalled::Panicked)
    }

    fn started(&self) -> io::Result<mpsc::Sender<Call>> {
        let mut calls = self.lock();
        if let Some(calls) = &*calls {
            return Ok(calls.clone());
        }
        let (sender, receiver) = mpsc::channel::<Call>();
        thread::Builder::new().name(self.name.clone()).spawn(move || {
            report::own_this_thread();
            while let Ok(call) = receiver.recv() {
                // The call catches its own panics, but the drop of its result may panic.
                let _ = guarded(call);
            }
        })?;
        Ok(calls.insert(sender).clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<mpsc::Sender<Call>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for BlockingThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingThread").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for NotCalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoThread(error) => write!(f, "the thread could not be started: {error}"),
            Self::Panicked(message) => write!(f, "the call panicked: {message}"),
        }
    }
}

impl std::error::Error for NotCalled {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn calls_run_in_order_and_a_panic_ends_only_its_own_call() {
        let thread = BlockingThread::new("test");
        let id = || thread::current().id();
        let first = thread.call(id).await.unwrap();
        let panicked = thread.call(|| panic!("on {}", "purpose")).await;
        let panicked: Result<(), _> = panicked;
        assert_eq!(panicked.unwrap_err().to_string(), "the call panicked: on purpose");
        assert_eq!(thread.call(id).await.unwrap(), first);
        assert_ne!(first, id());
    }

    #[tokio::test]
    async fn a_call_completes_after_its_future_is_dropped() {
        let thread = BlockingThread::new("test");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let record = |number| {
            let calls = Arc::clone(&calls);
            move || calls.lock().unwrap().push(number)
        };
        let mut first = Box::pin(thread.call(record(1)));
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx)));
        let _ = polled.await;
        drop(first);
        thread.call(record(2)).await.unwrap();
        assert_eq!(*calls.lock().unwrap(), [1, 2]);
    }
}

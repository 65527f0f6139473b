use std::{
    fmt, io,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use tokio::sync::oneshot;

use crate::{catch_panic::guarded, report};

/// A thread for calls that may block. It runs one call at a time, in their order, and ends when
/// this is dropped and its calls are done.
///
/// tokio's blocking pool starts a thread when it needs one. Where the system has none left at that
/// moment, `spawn_blocking` panics, and its call stays in the queue: retries would run it several
/// times.
pub(crate) struct BlockingThread {
    name: String,
    calls: Mutex<Option<mpsc::Sender<Call>>>,
}

type Call = Box<dyn FnOnce() + Send>;

/// Why a call has no result.
#[derive(Debug)]
pub(crate) enum NotCalled {
    /// The thread can't be started; the call did not run.
    NoThread(io::Error),
    /// The call panicked.
    Panicked(String),
}

impl BlockingThread {
    /// A thread that [`start`](Self::start) starts, or else the first call.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), calls: Mutex::default() }
    }

    /// Starts the thread, unless it runs already.
    pub(crate) fn start(&self) -> io::Result<()> {
        self.started().map(|_| ())
    }

    /// Runs `call` on the thread, after the calls before it. It runs to its end though nobody
    /// awaits this any more.
    pub(crate) async fn call<R: Send + 'static>(
        &self,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, NotCalled> {
        let (done, is_done) = oneshot::channel();
        let call = move || {
            // The caller may be gone.
            let _ = done.send(guarded(call).map_err(|panic| panic.message().to_owned()));
        };
        let gone = || NotCalled::NoThread(io::Error::other("the thread is gone"));
        self.started().map_err(NotCalled::NoThread)?.send(Box::new(call)).map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())?.map_err(NotCalled::Panicked)
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
                // It guards its own panics; a result that panics when it is dropped ends nothing
                // either.
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
            Self::NoThread(error) => write!(f, "no thread can be started: {error}"),
            Self::Panicked(message) => write!(f, "it panicked: {message}"),
        }
    }
}

impl std::error::Error for NotCalled {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn calls_run_one_after_the_other_and_a_panic_ends_its_own_call_alone() {
        let thread = BlockingThread::new("test");
        let id = || thread::current().id();
        let first = thread.call(id).await.unwrap();
        let panicked = thread.call(|| panic!("as the {} asks", "test")).await;
        let panicked: Result<(), _> = panicked;
        assert_eq!(panicked.unwrap_err().to_string(), "it panicked: as the test asks");
        assert_eq!(thread.call(id).await.unwrap(), first);
        assert_ne!(first, id());
    }

    #[tokio::test]
    async fn a_call_runs_to_its_end_though_nobody_awaits_it() {
        let thread = BlockingThread::new("test");
        let noted = Arc::new(Mutex::new(Vec::new()));
        let note = |number| {
            let noted = Arc::clone(&noted);
            move || noted.lock().unwrap().push(number)
        };
        let mut first = Box::pin(thread.call(note(1)));
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx)));
        let _ = polled.await;
        drop(first);
        thread.call(note(2)).await.unwrap();
        assert_eq!(*noted.lock().unwrap(), [1, 2]);
    }
}

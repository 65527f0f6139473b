use std::{borrow::Cow, convert::identity, future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::time::sleep;

use super::{CallSite, MAX_NAME_CHARS, Report, ReportableError, Reporter};
use crate::{
    catch_panic::{Panic, guarded},
    text::short,
};

/// The output of a task for [`Reporter::supervise`]: `!`, `()`, or a `Result<(), E>` whose error is
/// a [`ReportableError`]. The report contains the error's causes. The compiler infers `Kind`.
#[diagnostic::on_unimplemented(
    message = "a task that ends with `{Self}` can't be supervised",
    note = "return `()`, `!` or `Result<(), E>`, where `E` implements `std::error::Error` or is a \
            `Box<dyn Error + Send + Sync>`, an `anyhow::Error` or an `eyre::Report`"
)]
pub trait TaskEnd<Kind = ()>: sealed::Sealed<Kind> {
    #[doc(hidden)]
    fn into_report(self) -> Report;
}

impl TaskEnd for () {
    fn into_report(self) -> Report {
        Report::new("", "the task ended unexpectedly")
    }
}

impl<K, E: ReportableError<K>> TaskEnd<K> for Result<(), E> {
    fn into_report(self) -> Report {
        match self {
            Ok(()) => ().into_report(),
            Err(error) => Report::of(&error),
        }
    }
}

/// An endless loop.
impl TaskEnd for sealed::Never {
    fn into_report(self) -> Report {
        self
    }
}

mod sealed {
    pub trait Sealed<Kind> {}
    impl Sealed<()> for () {}
    impl Sealed<()> for Never {}

    /// Names the type `!` on stable Rust, as the return type of a function.
    pub trait Returns {
        type Output;
    }

    impl<T> Returns for fn() -> T {
        type Output = T;
    }

    pub(super) type Never = <fn() -> ! as Returns>::Output;

    impl<K, E: crate::report::ReportableError<K>> Sealed<K> for Result<(), E> {}
}

/// The shortest and the longest pause before a restart.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// After a run of this length, the next pause is the shortest again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

impl Reporter {
    /// Runs a background task that should not end, and reports its end under `name`: an error, a
    /// panic, or a return. Spawn the returned future.
    ///
    /// The alert fires until you supervise the task again from the same line, or the process ends.
    /// An aborted task, or one dropped with its runtime, is not reported. So abort a task that
    /// would return at the shutdown.
    ///
    /// A panic resumes after the report, so the join handle returns it. The report contains the
    /// source location of the panic if you called [`report_panics`](Self::report_panics).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn send_events() -> std::io::Result<()> { Ok(()) }
    /// # async fn run() -> Result<(), tower_lookout::StartError> {
    /// let lookout = tower_lookout::Lookout::builder().service("orders").start()?;
    /// tokio::spawn(lookout.reporter().supervise("OrderEvents", send_events()));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn supervise<N, F, K>(&self, name: N, task: F) -> impl Future<Output = ()> + use<N, F, K>
    where
        N: Into<Cow<'static, str>>,
        F: Future<Output: TaskEnd<K>>,
    {
        let name = short(name.into(), MAX_NAME_CHARS);
        let (reporter, site) = (self.clone(), CallSite::caller());
        async move {
            reporter.reports.task_resumed(&name, &site);
            let end = reporter.guarded(task).await;
            let panic = reporter.report_end(name, site, end, Report::lasting);
            if let Some(panic) = panic {
                panic.resume();
            }
        }
    }

    /// Runs a background task, and restarts it when it ends: after 1 s, 2 s, 4 s … up to a minute,
    /// and after 1 s again once it has run for a minute. Each end is reported, and a panic does not
    /// resume. The alert resolves five minutes after the last end.
    #[doc(alias("supervisor"))]
    #[track_caller]
    pub fn supervise_restarting<N, M, F, K>(
        &self,
        name: N,
        mut make: M,
    ) -> impl Future<Output = ()> + use<N, M, F, K>
    where
        N: Into<Cow<'static, str>>,
        M: FnMut() -> F,
        F: Future<Output: TaskEnd<K>>,
    {
        let name = short(name.into(), MAX_NAME_CHARS);
        let (reporter, site) = (self.clone(), CallSite::caller());
        async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let began = tokio::time::Instant::now();
                let made = reporter.polling(|| guarded(&mut make));
                let end = match made {
                    Ok(task) => reporter.guarded(task).await,
                    Err(panic) => Err(panic),
                };
                reporter.report_end(name.clone(), site.clone(), end, identity);
                if began.elapsed() >= HEALTHY_AFTER {
                    pause = FIRST_PAUSE;
                }
                sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }

    /// Runs a future and returns its panic as an error.
    async fn guarded<F: Future>(&self, task: F) -> Result<F::Output, (Panic, Option<CallSite>)> {
        let mut task = pin!(task);
        poll_fn(|cx| {
            // The task is not polled again after a panic.
            let poll = || guarded(|| task.as_mut().poll(cx));
            match self.polling(poll) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        })
        .await
    }

    /// Reports the end of a task, and returns its panic, if any.
    fn report_end<K, E: TaskEnd<K>>(
        &self,
        name: Cow<'static, str>,
        site: CallSite,
        end: Result<E, (Panic, Option<CallSite>)>,
        until: impl FnOnce(Report) -> Report,
    ) -> Option<Panic> {
        let (report, panic) = match end {
            Ok(end) => (end.into_report(), None),
            Err((panic, location)) => {
                let at = location.map(|location| format!(" at {location}")).unwrap_or_default();
                let text = format!("the task panicked{at}: {}", panic.message());
                (Report::new(name.clone(), text), Some(panic))
            }
        };
        self.send(until(report.named(name.clone()).at(site).field("task", name)));
        panic
    }
}

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::call_error::CallError;
use crate::observe::{
    LookoutId,
    exchange::{Exchange, Inside, error_kind::kind_of_error, local, state::ExchangeState},
    head::{layer_config::Entry, route::Route},
};
use crate::{
    catch_panic::guarded,
    operation::{self, Call, MethodLabel, OperationId, Protocol, Side, System, TrafficId},
    outcome::{Ending, ErrorKind},
};

/// Watches calls to a dependency that are plain futures: to a database, a cache, a queue, an SDK.
/// Made by [`Lookout::dependency`](crate::Lookout::dependency). See the
/// [guide](crate::guide::clients#watch-sqlx-redis-kafka-or-an-sdk).
///
/// It is cheap to clone, fits into a struct, and works on any thread, with or without a runtime. A
/// call counts from its first poll: its duration, its outcome, and as in flight while it runs. In
/// the steady state it allocates nothing. After the lookout has ended the calls continue, and
/// nothing is counted.
///
/// | made by | metrics | labels |
/// |---|---|---|
/// | [`database`](Self::database) | `db_client_operation_duration_seconds`, … | `dependency`, `db_system_name`, `db_operation_name` |
/// | [`messaging`](Self::messaging) | `messaging_client_operation_duration_seconds`, … | `dependency`, `messaging_system`, `messaging_operation_name` |
/// | neither | `dependency_operation_duration_seconds`, … | `dependency`, `operation` |
///
/// # Examples
///
/// ```
/// use std::io;
/// use tower_lookout::{Lookout, Rule, observe::Dependency};
///
/// struct Orders {
///     postgres: Dependency,
/// }
///
/// impl Orders {
///     async fn find(&self, id: u64) -> io::Result<String> {
///         self.postgres.call("find_order", async { Ok(format!("order {id}")) }).await
///     }
/// }
///
/// let lookout = Lookout::builder()
///     .rule(Rule::error_ratio().above(0.05).dependency("postgres"))
///     .start()?;
/// let orders = Orders { postgres: lookout.dependency("postgres").database("postgresql") };
/// # drop(orders.find(7));
/// # Ok::<_, tower_lookout::StartError>(())
/// ```
#[doc(alias("sqlx", "redis", "kafka", "diesel"))]
#[derive(Clone)]
pub struct Dependency {
    lookout: LookoutId,
    called: operation::Dependency,
    side: OnceLock<Side>,
}

impl Dependency {
    pub(crate) fn new(lookout: LookoutId, name: Arc<str>) -> Self {
        Self::of(lookout, name, System::Other)
    }

    fn of(lookout: LookoutId, name: Arc<str>, system: System) -> Self {
        let called = operation::Dependency { name, call: Call::Operation(system) };
        Self { lookout, called, side: OnceLock::new() }
    }

    /// Uses OpenTelemetry's metric names for databases. `system` is the `db_system_name`, such as
    /// `postgresql`, `mysql` or `redis`; see [the
    /// list](https://opentelemetry.io/docs/specs/semconv/registry/attributes/db/#db-system-name).
    #[must_use]
    pub fn database(self, system: impl Into<Arc<str>>) -> Self {
        Self::of(self.lookout, self.called.name, System::Database(system.into()))
    }

    /// Uses OpenTelemetry's metric names for messaging. `system` is the `messaging_system`, such as
    /// `kafka`, `rabbitmq` or `aws_sqs`; see [the
    /// list](https://opentelemetry.io/docs/specs/semconv/registry/attributes/messaging/#messaging-system).
    #[must_use]
    pub fn messaging(self, system: impl Into<Arc<str>>) -> Self {
        Self::of(self.lookout, self.called.name, System::Messaging(system.into()))
    }

    /// Returns the name, which is the label `dependency` and the scope of rules.
    pub fn name(&self) -> &str {
        &self.called.name
    }

    /// Watches a call that returns a `Result`. An `Err` counts as `error`, with the `error_type` of
    /// the types of the error and its causes. A drop before the end counts as `cancelled`, a panic
    /// as `panicked`.
    ///
    /// `operation` names the call, such as `find_order`. Use a few fixed words, since each has its
    /// own series; above [`max_operations`](crate::LookoutBuilder::max_operations) further ones
    /// share `_OVERFLOW`. The error may implement [`Error`](std::error::Error), be boxed, or
    /// dereference to an error, as `anyhow::Error` does. For other outputs use
    /// [`call_with`](Self::call_with).
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let lookout = tower_lookout::Lookout::builder().start()?;
    /// let files = lookout.dependency("files");
    /// let text = files.call("read_config", async { std::fs::read_to_string("config.toml") }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<F, T, E, M>(
        &self,
        operation: &str,
        future: F,
    ) -> CallFuture<F::IntoFuture, ClassifyFn<Result<T, E>>>
    where
        F: IntoFuture<Output = Result<T, E>>,
        E: CallError<M>,
    {
        let classify: ClassifyFn<Result<T, E>> = |result| match result {
            Ok(_) => CallResult::success(),
            Err(error) => CallResult::error(error.as_error()),
        };
        self.call_with(operation, future, classify)
    }

    /// Watches a call with any output. `classify` decides whether the output is a success.
    ///
    /// If `classify` panics, the call counts as `error`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use tower_lookout::observe::CallResult;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let lookout = tower_lookout::Lookout::builder().start()?;
    /// let files = lookout.dependency("files");
    /// // A missing file is a success.
    /// let read = async { std::fs::read_to_string("config.toml") };
    /// let text = files.call_with("read_config", read, |read| match read {
    ///     Err(error) if error.kind() != io::ErrorKind::NotFound => CallResult::error(error),
    ///     _ => CallResult::success(),
    /// });
    /// let text = text.await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_with<F, C>(
        &self,
        operation: &str,
        future: F,
        classify: C,
    ) -> CallFuture<F::IntoFuture, C>
    where
        F: IntoFuture,
        C: FnOnce(&F::Output) -> CallResult,
    {
        CallFuture {
            inner: future.into_future(),
            begin: self.begin(operation),
            exchange: None,
            classify: Some(classify),
        }
    }

    /// Where a call of this operation counts; `None` once the lookout was closed.
    fn begin(&self, operation: &str) -> Option<Begin> {
        let traffic = TrafficId::new(self.side()?, Protocol::Call);
        let operation = local::with(self.lookout, move |store, _| {
            store.operations.id_of(traffic, MethodLabel::Other, operation)
        })?;
        Some(Begin { lookout: self.lookout, traffic, operation })
    }

    fn side(&self) -> Option<Side> {
        if let Some(side) = self.side.get() {
            return Some(*side);
        }
        let called = &self.called;
        let asks =
            move |core: &crate::observe::Core| core.store.operations.side(Some(called.clone()));
        let side = local::with_core(self.lookout, asks)?;
        Some(*self.side.get_or_init(|| side))
    }
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dependency").field(&self.called.name).finish()
    }
}

/// How [`Dependency::call`] classifies an output, so that its future has a type that can be named.
pub type ClassifyFn<O> = fn(&O) -> CallResult;

/// Whether a call succeeded, as the closure of [`Dependency::call_with`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallResult(Ending);

impl CallResult {
    /// The call succeeded.
    pub fn success() -> Self {
        Self(Ending::Complete)
    }

    /// The call failed with this error. Its type and its causes say the `error_type`, such as `timeout`
    /// or `connect`; its text does not.
    pub fn error(error: &(dyn std::error::Error + 'static)) -> Self {
        Self(Ending::Error(kind_of_error(error)))
    }

    /// The call failed, and there is no error to look at: the `error_type` is `error`.
    pub fn failure() -> Self {
        Self(Ending::Error(ErrorKind::Other))
    }
}

/// Where a call counts once it has begun.
#[derive(Clone, Copy, Debug)]
struct Begin {
    lookout: LookoutId,
    traffic: TrafficId,
    operation: OperationId,
}

impl Begin {
    fn begin(self) -> Option<Exchange> {
        let route = Route::Looked(self.operation);
        let entry = Entry { traffic: self.traffic, method: MethodLabel::Other, route };
        ExchangeState::begin(self.lookout, &entry).map(|facts| Exchange { facts, companion: () })
    }
}

pin_project! {
    /// A call that a [`Dependency`] watches. It counts from its first poll, and dropped before its end
    /// as `cancelled`.
    #[must_use = "futures do nothing unless polled"]
    pub struct CallFuture<F, C> {
        #[pin]
        inner: F,
        begin: Option<Begin>,
        exchange: Option<Exchange>,
        classify: Option<C>,
    }
}

impl<F, C> Future for CallFuture<F, C>
where
    F: Future,
    C: FnOnce(&F::Output) -> CallResult,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(begin) = this.begin.take() {
            *this.exchange = begin.begin();
        }
        let inside = Inside::enter(this.exchange);
        let polled = this.inner.poll(cx);
        inside.leave();
        if let Poll::Ready(output) = &polled
            && let Some(classify) = this.classify.take()
        {
            let classified = guarded(|| classify(output));
            let CallResult(ending) = classified.unwrap_or_else(|_| CallResult::failure());
            Exchange::end(this.exchange, ending);
        }
        polled
    }
}

impl<F, C> fmt::Debug for CallFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::call_error::CallError;
use crate::{
    catch_panic::guarded,
    observe::{
        Core, LookoutId,
        exchange::{
            Exchange, PanicGuard, error_kind::kind_of_error, local, start::OperationKey,
            state::ExchangeState,
        },
        head::route::Route,
    },
    operation::{self, Call, MethodLabel, OperationId, Protocol, Side, System, TrafficId},
    outcome::{Ending, ErrorKind},
};

/// Watches calls to a dependency, such as a database, a cache, a queue or an SDK. The calls are
/// plain futures. Created by [`Lookout::dependency`](crate::Lookout::dependency). See the
/// [guide](crate::guide::clients#watch-sqlx-redis-kafka-or-an-sdk).
///
/// It is cheap to clone and works on any thread, with or without a runtime. A call is in flight
/// from its first poll. When it ends, its duration and outcome are recorded. In the steady state a
/// call allocates nothing. After the lookout has shut down, calls run but are not counted.
///
/// The metric's name depends on the kind. Each metric has the label `dependency` and these labels:
///
/// | kind | duration | labels |
/// |---|---|---|
/// | [`database`](Self::database) | `db_client_operation_duration_seconds` | `db_system_name`, `db_operation_name` |
/// | [`messaging`](Self::messaging) | `messaging_client_operation_duration_seconds` | `messaging_system`, `messaging_operation_name` |
/// | other | `dependency_operation_duration_seconds` | `operation` |
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
    /// `postgresql`, `mysql` or `redis`; see [the known
    /// values](https://opentelemetry.io/docs/specs/semconv/registry/attributes/db/#db-system-name).
    #[must_use]
    pub fn database(self, system: impl Into<Arc<str>>) -> Self {
        Self::of(self.lookout, self.called.name, System::Database(system.into()))
    }

    /// Uses OpenTelemetry's metric names for messaging. `system` is the `messaging_system`, such as
    /// `kafka`, `rabbitmq` or `aws_sqs`; see [the known
    /// values](https://opentelemetry.io/docs/specs/semconv/registry/attributes/messaging/#messaging-system).
    #[must_use]
    pub fn messaging(self, system: impl Into<Arc<str>>) -> Self {
        Self::of(self.lookout, self.called.name, System::Messaging(system.into()))
    }

    /// Returns the dependency's name, which rules and the `dependency` label use.
    pub fn name(&self) -> &str {
        &self.called.name
    }

    /// Watches a call that returns a `Result`. An `Err` counts as `error`, with an `error_type`
    /// derived from its type and its causes. A call that is dropped before its end counts as
    /// `cancelled`, one that panics as `panicked`.
    ///
    /// `operation` names the call, such as `find_order`. Use a few fixed names: each has its own
    /// series, and names beyond [`max_operations`](crate::LookoutBuilder::max_operations) share
    /// `_OVERFLOW`. The error must implement [`Error`](std::error::Error), or dereference to a type
    /// that does, as boxed errors and `anyhow::Error` do. For other outputs, use
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

    /// Watches a call with any output. `classify` decides whether it succeeded.
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
    /// // A missing file is a success here.
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
            start: self.start(operation),
            exchange: None,
            classify: Some(classify),
        }
    }

    /// Looks up the call's operation. Returns `None` once the lookout is closed.
    fn start(&self, operation: &str) -> Option<CallStart> {
        let traffic = TrafficId::new(self.side()?, Protocol::Call);
        let operation = local::with(self.lookout, move |store, _| {
            store.operations.id_of(traffic, MethodLabel::Other, operation)
        })?;
        Some(CallStart { lookout: self.lookout, traffic, operation })
    }

    fn side(&self) -> Option<Side> {
        if let Some(side) = self.side.get() {
            return Some(*side);
        }
        let called = &self.called;
        let register = move |core: &Core| core.store.operations.side(Some(called.clone()));
        let side = local::with_core(self.lookout, register)?;
        Some(*self.side.get_or_init(|| side))
    }
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dependency").field(&self.called.name).finish()
    }
}

/// The classifier of [`Dependency::call`]. It is a function pointer, so that the future's type can
/// be named.
pub type ClassifyFn<O> = fn(&O) -> CallResult;

/// The result of a call, returned by the closure of [`Dependency::call_with`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallResult(Ending);

impl CallResult {
    /// Reports that the call succeeded.
    pub fn success() -> Self {
        Self(Ending::Complete)
    }

    /// Reports that the call failed with this error. The `error_type`, such as `timeout` or
    /// `connect`, is derived from the types of the error and its causes, never from their texts.
    pub fn error(error: &(dyn std::error::Error + 'static)) -> Self {
        Self(Ending::Error(kind_of_error(error)))
    }

    /// Reports that the call failed without an error value. The `error_type` is `error`.
    pub fn failure() -> Self {
        Self(Ending::Error(ErrorKind::Other))
    }
}

/// A call that has not been polled yet.
#[derive(Clone, Copy, Debug)]
struct CallStart {
    lookout: LookoutId,
    traffic: TrafficId,
    operation: OperationId,
}

impl CallStart {
    fn begin(self) -> Option<Exchange> {
        let route = Route::LookedUp(self.operation);
        let key = OperationKey { traffic: self.traffic, method: MethodLabel::Other, route };
        ExchangeState::begin(self.lookout, &key).map(|state| Exchange { state, hooks: () })
    }
}

pin_project! {
    /// The future of a call that a [`Dependency`] watches. The call starts with the first poll. If
    /// the future is dropped before its end, the call counts as `cancelled`.
    #[must_use = "futures do nothing unless polled"]
    pub struct CallFuture<F, C> {
        #[pin]
        inner: F,
        start: Option<CallStart>,
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
        if let Some(start) = this.start.take() {
            *this.exchange = start.begin();
        }
        let guard = PanicGuard::new(this.exchange);
        let polled = this.inner.poll(cx);
        guard.disarm();
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

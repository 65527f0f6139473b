use std::{
    error::Error,
    fmt,
    future::{Ready, pending, ready},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, buffer::Buffer, service_fn};

use super::*;

#[derive(Debug, thiserror::Error)]
#[error("order 4711 of {0}")]
struct Wrapped(&'static str, #[source] io::Error);

#[test]
fn the_kind_depends_on_types_and_never_on_texts() {
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let boxed = |error: Wrapped| -> BoxError { error.into() };
    assert_eq!(kind_of(&refused()), ErrorKind::Connect);
    assert_eq!(kind_of(&boxed(Wrapped("me", refused()))), ErrorKind::Connect);
    assert_eq!(kind_of(&io::Error::from(io::ErrorKind::BrokenPipe)), ErrorKind::ConnectionReset);
    #[cfg(feature = "axum")]
    assert_eq!(kind_of(&axum::Error::new(Wrapped("me", refused()))), ErrorKind::Connect);
    assert_eq!(kind_of(&"a timeout"), ErrorKind::Other);
    assert_eq!(kind_of(&BoxError::from("connect timeout")), ErrorKind::Other);
}

#[test]
fn a_known_error_is_found_within_each_common_error_type() {
    let elapsed = tower::timeout::error::Elapsed::new;
    let boxed: [Box<dyn Any>; 7] = [
        Box::new(elapsed()),
        Box::new(BoxError::from(elapsed())),
        Box::new(Box::<dyn Error + Send>::from(Box::new(elapsed()))),
        Box::new(Box::<dyn Error>::from(elapsed())),
        Box::new(Arc::<dyn Error + Send + Sync>::from(BoxError::from(elapsed()))),
        Box::new(io::Error::other(elapsed())),
        Box::new(BoxError::from(io::Error::other(io::Error::other(elapsed())))),
    ];
    for (index, error) in boxed.iter().enumerate() {
        let found = as_error(&**error).map(kind_of_chain);
        assert_eq!(found, Some(ErrorKind::Timeout), "box {index}");
    }
}

/// A service whose `poll_ready` fails.
struct NeverReady;

impl Service<()> for NeverReady {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Err(tower::timeout::error::Elapsed::new().into()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_towers_layers_are_classified() {
    let hangs = || service_fn(|()| pending::<Result<(), BoxError>>());

    let timeout = ServiceBuilder::new().timeout(Duration::from_secs(1)).service(hangs());
    let error = timeout.oneshot(()).await.unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::Timeout, "timeout");

    let mut shed = ServiceBuilder::new().load_shed().concurrency_limit(1).service(hangs());
    let _holds_the_permit = shed.ready().await.unwrap().call(());
    let error = shed.ready().await.unwrap().call(()).await.unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::Overloaded, "load_shed");

    let error = Buffer::new(NeverReady, 1).oneshot(()).await.unwrap_err();
    assert!(error.is::<tower::buffer::error::ServiceError>(), "{error:?}");
    assert_eq!(kind_of(&error), ErrorKind::Timeout, "the error of the buffered service");

    let (buffered, worker) = Buffer::pair(hangs(), 1);
    drop(worker);
    let error = buffered.oneshot(()).await.unwrap_err();
    assert!(error.is::<tower::buffer::error::Closed>(), "{error:?}");
    assert_eq!(kind_of(&error), ErrorKind::Cancelled, "a buffer whose task has ended");

    let task = tokio::spawn(pending::<()>());
    task.abort();
    let error = task.await.unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::Cancelled, "a task that was aborted");
}

#[tokio::test(start_paused = true)]
async fn a_body_over_its_limit_is_too_large() {
    let body = || Limited::new(Full::new(Bytes::from_static(b"12345")), 4);
    let error = body().collect().await.unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::TooLarge);
    #[cfg(feature = "axum")]
    {
        let error = axum::body::to_bytes(axum::body::Body::new(body()), 10).await.unwrap_err();
        assert_eq!(kind_of(&error), ErrorKind::TooLarge, "a limit around axum's body");
        let body = axum::body::Body::from("12345");
        let error = axum::body::to_bytes(body, 4).await.unwrap_err();
        assert_eq!(kind_of(&error), ErrorKind::TooLarge, "axum's own limit");
    }
}

#[cfg(feature = "tower-http")]
#[tokio::test(start_paused = true)]
async fn a_timeout_of_a_body_by_tower_http_is_a_timeout() {
    let hangs = || Hangs;
    let second = Duration::from_secs(1);
    let body = tower_http::timeout::TimeoutBody::new(second, hangs());
    assert_eq!(kind_of(&body.collect().await.unwrap_err()), ErrorKind::Timeout);
    let body = tower_http::timeout::DeadlineBody::new(second, hangs());
    assert_eq!(kind_of(&body.collect().await.unwrap_err()), ErrorKind::Timeout);
    let body = tower_http_06::timeout::TimeoutBody::new(second, hangs());
    assert_eq!(kind_of(&body.collect().await.unwrap_err()), ErrorKind::Timeout);
    #[cfg(feature = "axum")]
    {
        let body = tower_http::timeout::TimeoutBody::new(second, hangs());
        let error = axum::body::Body::new(body).collect().await.unwrap_err();
        assert_eq!(kind_of(&error), ErrorKind::Timeout, "as axum's body");
    }
}

/// A body that never yields a frame.
#[cfg(feature = "tower-http")]
struct Hangs;

#[cfg(feature = "tower-http")]
impl http_body::Body for Hangs {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

#[cfg(feature = "tonic")]
#[test]
fn a_tonic_status_without_a_cause_is_classified_by_its_code() {
    use tonic::Status;

    assert_eq!(kind_of(&Status::deadline_exceeded("")), ErrorKind::Timeout);
    assert_eq!(kind_of(&Status::resource_exhausted("")), ErrorKind::Overloaded);
    assert_eq!(kind_of(&Status::cancelled("")), ErrorKind::Cancelled);
    assert_eq!(kind_of(&Status::internal("timeout")), ErrorKind::Other);
    let mut status = Status::cancelled("");
    status.set_source(Arc::new(io::Error::from(io::ErrorKind::ConnectionReset)));
    assert_eq!(kind_of(&status), ErrorKind::ConnectionReset, "the cause is more specific");
}

/// An error that is its own source or the source of its source, or whose `source()` panics.
#[derive(Debug)]
enum Odd {
    Itself,
    Cycle,
    Panics,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("odd")
    }
}

impl Error for Odd {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Itself => Some(self),
            Self::Cycle => Some(&CYCLE),
            Self::Panics => panic!("intended by the test"),
        }
    }
}

static CYCLE: Odd = Odd::Cycle;

#[test]
fn endless_causes_and_a_panicking_source_are_classified() {
    for odd in [Odd::Itself, Odd::Cycle, Odd::Panics] {
        assert_eq!(kind_of(&BoxError::from(odd)), ErrorKind::Other);
    }
}

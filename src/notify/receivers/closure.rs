use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower::BoxError;
use tower_service::Service;

use crate::notify::{DeliveryError, Notification};
use crate::{
    alert::Alert,
    task::{BlockingThread, NotCalled},
};

/// A notifier that calls a closure on a dedicated thread, where the closure may block.
pub(crate) struct ClosureNotifier<F> {
    hook: Arc<F>,
    thread: Arc<BlockingThread>,
}

impl<F> ClosureNotifier<F> {
    pub(crate) fn new(hook: F, thread: Arc<BlockingThread>) -> Self {
        Self { hook: Arc::new(hook), thread }
    }
}

impl<F> Service<Notification> for ClosureNotifier<F>
where
    F: Fn(&Alert) + Send + Sync + 'static,
{
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let (hook, thread) = (Arc::clone(&self.hook), Arc::clone(&self.thread));
        Box::pin(async move {
            let call = move || notification.alerts.iter().for_each(|alert| hook(alert));
            thread.call(call).await.map_err(|error| match error {
                NotCalled::NoThread(_) => DeliveryError::temporary(error),
                // A retry would panic again, and delay the alerts that follow.
                NotCalled::Panicked(_) => DeliveryError::rejected(error),
            })?;
            Ok(())
        })
    }
}

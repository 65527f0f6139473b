use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower::BoxError;
use tower_service::Service;

use super::{DeliveryError, Notification};
use crate::alert::Alert;

/// A closure as a notifier: called on a thread where it may block.
pub(crate) struct Hook<F>(Arc<F>);

impl<F> Hook<F> {
    pub(crate) fn new(hook: F) -> Self {
        Self(Arc::new(hook))
    }
}

impl<F> Service<Notification> for Hook<F>
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
        let hook = Arc::clone(&self.0);
        Box::pin(async move {
            let call = move || notification.alerts.iter().for_each(|alert| hook(alert));
            // It would panic again, and hold up the alerts that come after.
            tokio::task::spawn_blocking(call).await.map_err(DeliveryError::rejected)?;
            Ok(())
        })
    }
}

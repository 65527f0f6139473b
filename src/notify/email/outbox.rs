use std::sync::Arc;

use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinHandle,
};

use crate::notify::DeliveryError;

/// The mail whose content a server has, and which it has not answered yet. It may be taken, so it is
/// waited for beyond the time that one delivery has, and not sent again meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox(Arc<Mutex<Option<Handed>>>);

/// A mail that was handed in, and the changes that it tells.
#[derive(Debug)]
struct Handed {
    changes: Vec<u64>,
    answer: Answer,
}

/// What the server comes to say.
pub(super) type Answer = JoinHandle<Result<(), DeliveryError>>;

/// The outbox for as long as a delivery has it.
pub(super) struct Opened<'a>(MutexGuard<'a, Option<Handed>>);

impl Outbox {
    pub(super) async fn open(&self) -> Opened<'_> {
        Opened(self.0.lock().await)
    }
}

impl Opened<'_> {
    /// Waits for the answer to a mail that an earlier delivery handed in; gives the changes that it told,
    /// if it was taken.
    pub(super) async fn taken(&mut self) -> Vec<u64> {
        let answer = self.answered().await;
        answer.and_then(|(answer, changes)| answer.is_ok().then_some(changes)).unwrap_or_default()
    }

    /// Waits for the answer to a mail with these changes, and keeps it where this is dropped meanwhile.
    pub(super) async fn wait(
        &mut self,
        changes: Vec<u64>,
        answer: Answer,
    ) -> Result<(), DeliveryError> {
        *self.0 = Some(Handed { changes, answer });
        self.answered().await.map_or(Ok(()), |(answer, _)| answer)
    }

    async fn answered(&mut self) -> Option<(Result<(), DeliveryError>, Vec<u64>)> {
        let answer = (&mut self.0.as_mut()?.answer).await;
        let handed = self.0.take()?;
        Some((answer.unwrap_or_else(|stopped| Err(DeliveryError::retry(stopped))), handed.changes))
    }
}

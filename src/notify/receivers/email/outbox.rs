use std::{collections::VecDeque, sync::Arc};

use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinHandle,
};

use crate::notify::DeliveryError;

/// Which recipients have which changes, until a delivery is complete. It outlives a delivery, so
/// that a retry sends a change only to the recipients that lack it.
#[derive(Clone, Debug)]
pub(super) struct Outbox(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    recipients: usize,
    /// A mail that the server has received but not accepted yet. The next delivery waits for the
    /// reply instead of sending the mail again.
    in_flight: Option<SubmittedMail>,
    open: VecDeque<Change>,
}

/// A mail that was submitted to the server.
#[derive(Debug)]
pub(super) struct SubmittedMail {
    /// The ids of its changes.
    pub(super) changes: Vec<u64>,
    /// Its recipients, by their index in the notifier's list.
    pub(super) recipients: Vec<usize>,
    pub(super) reply: ReplyTask,
}

/// The task that waits for the server's reply. It returns the rejected recipients; an error
/// concerns the whole mail.
pub(super) type ReplyTask = JoinHandle<Result<Vec<RejectedRecipient>, DeliveryError>>;

/// A recipient that the server rejected.
#[derive(Clone, Debug)]
pub(super) struct RejectedRecipient {
    /// Its index among the recipients of the mail, and after the reply in the notifier's list.
    pub(super) index: usize,
    /// Whether the server may accept it later: a 4xx reply.
    pub(super) is_transient: bool,
    pub(super) reason: String,
}

/// A change of an alert that some recipient lacks.
#[derive(Debug)]
struct Change {
    id: u64,
    recipients: Vec<DeliveryState>,
}

/// The state of a change for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeliveryState {
    Open,
    Accepted,
    /// The server permanently rejected this recipient.
    Rejected,
}

/// The outbox, locked by a delivery.
pub(super) struct Opened<'a>(MutexGuard<'a, State>);

/// The most changes that are remembered. A forgotten change may be sent twice to a recipient.
const CAPACITY: usize = 1_000;

impl Outbox {
    pub(super) fn new(recipients: usize) -> Self {
        Self(Arc::new(Mutex::new(State { recipients, in_flight: None, open: VecDeque::new() })))
    }

    pub(super) async fn open(&self) -> Opened<'_> {
        Opened(self.0.lock().await)
    }
}

impl Opened<'_> {
    /// Waits for the reply to a mail that an earlier delivery submitted.
    pub(super) async fn settle_earlier(&mut self) {
        let _ = self.reply().await;
    }

    /// Waits for the reply to a mail. If this future is dropped, the mail stays in flight.
    pub(super) async fn wait(
        &mut self,
        mail: SubmittedMail,
    ) -> Result<Vec<RejectedRecipient>, DeliveryError> {
        self.0.in_flight = Some(mail);
        self.reply().await
    }

    async fn reply(&mut self) -> Result<Vec<RejectedRecipient>, DeliveryError> {
        let Some(mail) = &mut self.0.in_flight else { return Ok(Vec::new()) };
        let reply = (&mut mail.reply).await;
        let Some(mail) = self.0.in_flight.take() else { return Ok(Vec::new()) };
        let mut rejected =
            reply.unwrap_or_else(|stopped| Err(DeliveryError::temporary(stopped)))?;
        for rejection in &mut rejected {
            rejection.index = mail.recipients[rejection.index];
        }
        for id in mail.changes {
            let change = self.0.change(id);
            for index in &mail.recipients {
                let rejection = rejected.iter().find(|rejection| rejection.index == *index);
                change[*index] = match rejection {
                    None => DeliveryState::Accepted,
                    Some(rejection) if rejection.is_transient => DeliveryState::Open,
                    Some(_) => DeliveryState::Rejected,
                };
            }
        }
        Ok(rejected)
    }

    /// For each recipient, whether it lacks a change.
    pub(super) fn lacks(&self, change: u64) -> Vec<bool> {
        match self.0.open.iter().find(|known| known.id == change) {
            Some(known) => {
                known.recipients.iter().map(|fate| *fate == DeliveryState::Open).collect()
            }
            None => vec![true; self.0.recipients],
        }
    }

    /// Forgets a change that no recipient lacks. Returns whether a recipient has it.
    pub(super) fn finish(&mut self, change: u64) -> bool {
        let index = self.0.open.iter().position(|known| known.id == change);
        let known = index.and_then(|index| self.0.open.remove(index));
        known.is_some_and(|known| known.recipients.contains(&DeliveryState::Accepted))
    }
}

impl State {
    fn change(&mut self, id: u64) -> &mut [DeliveryState] {
        let recipients = self.recipients;
        let index = match self.open.iter().position(|known| known.id == id) {
            Some(index) => index,
            None => {
                if self.open.len() >= CAPACITY {
                    self.open.pop_front();
                }
                self.open
                    .push_back(Change { id, recipients: vec![DeliveryState::Open; recipients] });
                self.open.len() - 1
            }
        };
        &mut self.open[index].recipients
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a mail with change 1. The server rejects some of the recipients, transiently or
    /// permanently.
    async fn send(outbox: &Outbox, recipients: &[usize], rejected: &[(usize, bool)]) {
        let rejected = rejected.iter().map(|(index, is_transient)| RejectedRecipient {
            index: *index,
            is_transient: *is_transient,
            reason: String::new(),
        });
        let rejected = rejected.collect();
        let reply = tokio::spawn(async { Ok(rejected) });
        let mail = SubmittedMail { changes: vec![1], recipients: recipients.to_vec(), reply };
        outbox.open().await.wait(mail).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_stays_open_for_transiently_rejected_recipients() {
        let outbox = Outbox::new(3);
        send(&outbox, &[0, 1, 2], &[(1, true), (2, false)]).await;
        assert_eq!(outbox.open().await.lacks(1), [false, true, false]);
        assert_eq!(outbox.open().await.lacks(2), [true; 3], "another change");
        send(&outbox, &[1], &[(0, true)]).await;
        assert_eq!(outbox.open().await.lacks(1), [false, true, false]);
        send(&outbox, &[1], &[]).await;
        assert_eq!(outbox.open().await.lacks(1), [false; 3]);
        assert!(outbox.open().await.finish(1), "a recipient has it");
        assert_eq!(outbox.open().await.lacks(1), [true; 3], "a repeat is for all recipients");
    }

    #[tokio::test]
    async fn a_change_that_the_server_rejects_for_all_recipients_is_delivered_to_none() {
        let outbox = Outbox::new(2);
        send(&outbox, &[0, 1], &[(0, true), (1, false)]).await;
        send(&outbox, &[0], &[(0, false)]).await;
        let mut outbox = outbox.open().await;
        assert_eq!(outbox.lacks(1), [false; 2]);
        assert!(!outbox.finish(1));
        assert_eq!(outbox.lacks(1), [true; 2]);
    }

    #[tokio::test]
    async fn past_a_thousand_open_changes_the_oldest_is_forgotten() {
        let outbox = Outbox::new(2);
        let reply = tokio::spawn(async { Ok(Vec::new()) });
        let changes = (1..=CAPACITY as u64 + 1).collect();
        let mut outbox = outbox.open().await;
        outbox.wait(SubmittedMail { changes, recipients: vec![0], reply }).await.unwrap();
        assert_eq!(outbox.lacks(1), [true; 2]);
        assert_eq!(outbox.lacks(2), [false, true]);
    }
}

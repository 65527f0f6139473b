use std::{collections::VecDeque, sync::Arc};

use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinHandle,
};

use crate::notify::DeliveryError;

/// Which recipient has which change, while a delivery is not complete. It outlives a delivery: the next
/// one sends a change only to the recipients that lack it.
#[derive(Clone, Debug)]
pub(super) struct Outbox(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    recipients: usize,
    /// A mail that the server has and did not answer yet. It may be accepted, so the next delivery waits
    /// for the answer instead of sending the mail again.
    under_way: Option<Handed>,
    open: VecDeque<Change>,
}

/// A mail that was handed in: its changes, and its recipients by their place.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) changes: Vec<u64>,
    pub(super) recipients: Vec<usize>,
    pub(super) answer: Answer,
}

/// The server's answer: the recipients that it refused, and why; an error is of all of them.
pub(super) type Answer = JoinHandle<Result<Vec<Refused>, DeliveryError>>;

/// A recipient that the server refused.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// Its place among the recipients of that mail.
    pub(super) place: usize,
    /// Whether the server may accept it later: a 4xx answer.
    pub(super) is_passing: bool,
    pub(super) reason: String,
}

/// A change of an alert that some recipient lacks.
#[derive(Debug)]
struct Change {
    id: u64,
    recipients: Vec<Fate>,
}

/// What a recipient knows of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Accepted,
    /// The server will never accept this recipient.
    Rejected,
}

/// The outbox for as long as a delivery has it.
pub(super) struct Opened<'a>(MutexGuard<'a, State>);

/// Past these the oldest change is forgotten, and may be sent twice to somebody.
const CAPACITY: usize = 1_000;

impl Outbox {
    pub(super) fn new(recipients: usize) -> Self {
        Self(Arc::new(Mutex::new(State { recipients, under_way: None, open: VecDeque::new() })))
    }

    pub(super) async fn open(&self) -> Opened<'_> {
        Opened(self.0.lock().await)
    }
}

impl Opened<'_> {
    /// Waits for the answer to a mail that an earlier delivery handed in.
    pub(super) async fn settle_earlier(&mut self) {
        let _ = self.answered().await;
    }

    /// Waits for the answer to a mail, and keeps the mail if this is dropped meanwhile.
    pub(super) async fn wait(&mut self, handed: Handed) -> Result<Vec<Refused>, DeliveryError> {
        self.0.under_way = Some(handed);
        self.answered().await
    }

    async fn answered(&mut self) -> Result<Vec<Refused>, DeliveryError> {
        let Some(handed) = &mut self.0.under_way else { return Ok(Vec::new()) };
        let answer = (&mut handed.answer).await;
        let Some(handed) = self.0.under_way.take() else { return Ok(Vec::new()) };
        let mut refused = answer.unwrap_or_else(|stopped| Err(DeliveryError::retry(stopped)))?;
        for refusal in &mut refused {
            refusal.place = handed.recipients[refusal.place];
        }
        for id in handed.changes {
            let change = self.0.change(id);
            for place in &handed.recipients {
                let refusal = refused.iter().find(|refusal| refusal.place == *place);
                change[*place] = match refusal {
                    None => Fate::Accepted,
                    Some(refusal) if refusal.is_passing => Fate::Open,
                    Some(_) => Fate::Rejected,
                };
            }
        }
        Ok(refused)
    }

    /// For each recipient, whether it lacks a change.
    pub(super) fn lacks(&self, change: u64) -> Vec<bool> {
        match self.0.open.iter().find(|known| known.id == change) {
            Some(known) => known.recipients.iter().map(|fate| *fate == Fate::Open).collect(),
            None => vec![true; self.0.recipients],
        }
    }

    /// Forgets a change that no recipient lacks; gives whether anybody has it.
    pub(super) fn finish(&mut self, change: u64) -> bool {
        let place = self.0.open.iter().position(|known| known.id == change);
        let known = place.and_then(|place| self.0.open.remove(place));
        known.is_some_and(|known| known.recipients.contains(&Fate::Accepted))
    }
}

impl State {
    fn change(&mut self, id: u64) -> &mut [Fate] {
        let recipients = self.recipients;
        let place = match self.open.iter().position(|known| known.id == id) {
            Some(place) => place,
            None => {
                if self.open.len() >= CAPACITY {
                    self.open.pop_front();
                }
                self.open.push_back(Change { id, recipients: vec![Fate::Open; recipients] });
                self.open.len() - 1
            }
        };
        &mut self.open[place].recipients
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mail with the change 1 to these recipients, of which the server refuses some, for now or for ever.
    async fn hand(outbox: &Outbox, recipients: &[usize], refused: &[(usize, bool)]) {
        let refused = refused.iter().map(|(place, is_passing)| Refused {
            place: *place,
            is_passing: *is_passing,
            reason: String::new(),
        });
        let refused = refused.collect();
        let answer = tokio::spawn(async { Ok(refused) });
        let handed = Handed { changes: vec![1], recipients: recipients.to_vec(), answer };
        outbox.open().await.wait(handed).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_is_open_for_the_recipients_that_are_refused_for_now() {
        let outbox = Outbox::new(3);
        hand(&outbox, &[0, 1, 2], &[(1, true), (2, false)]).await;
        assert_eq!(outbox.open().await.lacks(1), [false, true, false]);
        assert_eq!(outbox.open().await.lacks(2), [true; 3], "another change");
        hand(&outbox, &[1], &[(0, true)]).await;
        assert_eq!(outbox.open().await.lacks(1), [false, true, false]);
        hand(&outbox, &[1], &[]).await;
        assert_eq!(outbox.open().await.lacks(1), [false; 3]);
        assert!(outbox.open().await.finish(1), "somebody has it");
        assert_eq!(outbox.open().await.lacks(1), [true; 3], "a repeat is for all of them");
    }

    #[tokio::test]
    async fn a_change_that_every_recipient_is_rejected_for_is_had_by_nobody() {
        let outbox = Outbox::new(2);
        hand(&outbox, &[0, 1], &[(0, true), (1, false)]).await;
        hand(&outbox, &[0], &[(0, false)]).await;
        let mut outbox = outbox.open().await;
        assert_eq!(outbox.lacks(1), [false; 2]);
        assert!(!outbox.finish(1));
        assert_eq!(outbox.lacks(1), [true; 2]);
    }

    #[tokio::test]
    async fn past_a_thousand_open_changes_the_oldest_is_forgotten() {
        let outbox = Outbox::new(2);
        let answer = tokio::spawn(async { Ok(Vec::new()) });
        let changes = (1..=CAPACITY as u64 + 1).collect();
        let mut outbox = outbox.open().await;
        outbox.wait(Handed { changes, recipients: vec![0], answer }).await.unwrap();
        assert_eq!(outbox.lacks(1), [true; 2]);
        assert_eq!(outbox.lacks(2), [false, true]);
    }
}

//! Which messages a bot has posted, and its next action.

use std::{
    collections::{HashMap, VecDeque},
    time::SystemTime,
};

use crate::{
    alert::{Alert, AlertStatus, Cause},
    notify::Notification,
};

/// The messages that were posted to the chat, and the alerts that they show. `R` is the receiver's
/// reference to a message.
///
/// An alert has one message at a time; later changes edit it and reply to it. This state shows
/// which actions are complete, so a retry does not repeat them.
#[derive(Debug)]
pub(super) struct PostedMessages<R> {
    /// The oldest first.
    messages: VecDeque<Message<R>>,
    /// The number of the next message.
    number: u64,
}

#[derive(Debug)]
struct Message<R> {
    number: u64,
    /// `None` if the response did not contain it.
    reference: Option<R>,
    alerts: Vec<PostedAlert>,
}

/// An alert in a message.
#[derive(Debug)]
struct PostedAlert {
    fingerprint: u64,
    /// The alert as the message shows it.
    shown: Alert,
    /// The last change that was posted, in the message or in a reply to it.
    latest: Change,
}

/// What distinguishes two changes of one alert: its status, its start, and its number of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change(AlertStatus, SystemTime, u64);

/// One call of the receiver's API.
#[derive(Debug)]
pub(super) enum Action<R> {
    /// Posts a new message for these alerts.
    Post(Notification),
    /// Edits the message with this number, so that it shows these alerts.
    Edit(u64, R, Notification),
    /// Posts these changes as a reply to the message with this number.
    Reply(u64, R, Notification),
    /// Posts these changes to the chat, since they belong to too many messages.
    Digest(Notification),
}

/// The most new messages, or replies, that one notification posts, at one second each. For more,
/// one message is posted for all.
const MAX_SEPARATE: usize = 3;

/// The most alerts that are remembered.
const CAPACITY: usize = 1_000;

impl<R> Default for PostedMessages<R> {
    fn default() -> Self {
        Self { messages: VecDeque::new(), number: 0 }
    }
}

impl<R: Clone> PostedMessages<R> {
    /// Whether this change is complete: the message shows it, and it was posted.
    pub(super) fn is_posted(&self, alert: &Alert) -> bool {
        let change = Change::of(alert);
        self.find(alert.fingerprint())
            .is_some_and(|(_, known)| known.latest == change && Change::of(&known.shown) == change)
    }

    /// The next action for these changes, none of which is complete.
    pub(super) fn next(&self, left: &Notification) -> Option<Action<R>> {
        // Looked up once, since there may be many alerts and many messages.
        let numbers: Vec<_> =
            left.alerts.iter().map(|alert| self.number_of(alert.fingerprint())).collect();
        let of = |number| {
            let mut numbers = numbers.iter();
            let mut of_it = left.clone();
            of_it.retain(|_| numbers.next() == Some(&number));
            of_it
        };
        let mut fresh = of(None);
        if !fresh.alerts.is_empty() {
            if fresh.alerts.len() <= MAX_SEPARATE {
                fresh.alerts.truncate(1);
                fresh.changes.truncate(1);
            }
            return Some(Action::Post(fresh));
        }
        let mut changed: Vec<_> = self
            .messages
            .iter()
            .filter(|message| numbers.contains(&Some(message.number)))
            .collect();
        let are_many = changed.len() > MAX_SEPARATE;
        if !are_many {
            changed.truncate(1);
        }
        let edit = changed.iter().find_map(|message| message.edit(&of(Some(message.number))));
        edit.or_else(|| match changed.as_slice() {
            _ if are_many => Some(Action::Digest(left.clone())),
            [message] => {
                let reference = message.reference.clone()?;
                Some(Action::Reply(message.number, reference, of(Some(message.number))))
            }
            _ => None,
        })
    }

    /// Records a completed action. Returns the alerts that are complete now.
    pub(super) fn done(&mut self, action: Action<R>, reference: Option<R>) -> Option<Notification> {
        match action {
            Action::Post(fresh) => {
                self.add(reference, &fresh);
                Some(fresh)
            }
            Action::Edit(number, _, shown) => {
                let message = self.messages.iter_mut().find(|message| message.number == number)?;
                for (known, alert) in message.alerts.iter_mut().zip(shown.alerts) {
                    known.shown = alert;
                }
                None
            }
            Action::Reply(_, _, news) | Action::Digest(news) => {
                news.alerts.iter().for_each(|alert| self.record(alert));
                Some(news)
            }
        }
    }

    /// Adds a message with these alerts.
    fn add(&mut self, reference: Option<R>, notification: &Notification) {
        let alerts: Vec<_> = notification.alerts.iter().map(PostedAlert::new).collect();
        while !self.messages.is_empty() && self.known() + alerts.len() > CAPACITY {
            let over = self.messages.iter().position(Message::is_over);
            self.messages.remove(over.unwrap_or(0));
        }
        self.messages.push_back(Message { number: self.number, reference, alerts });
        self.number += 1;
    }

    fn known(&self) -> usize {
        self.messages.iter().map(|message| message.alerts.len()).sum()
    }

    /// Records that this change was posted.
    fn record(&mut self, alert: &Alert) {
        let fingerprint = alert.fingerprint();
        let number = self.number_of(fingerprint);
        let known = self
            .messages
            .iter_mut()
            .filter(|message| Some(message.number) == number)
            .flat_map(|message| &mut message.alerts)
            .find(|known| known.fingerprint == fingerprint);
        if let Some(known) = known {
            known.latest = Change::of(alert);
        }
    }

    /// Forgets a message that can't be edited any more. Its alerts get a new one.
    pub(super) fn forget(&mut self, number: u64) {
        self.messages.retain(|message| message.number != number);
    }

    /// Forgets the messages that need no further edit. Called at the end of a delivery: before
    /// that, a retry would post their alerts again.
    pub(super) fn settle(&mut self) {
        self.messages.retain(|message| message.reference.is_some() && !message.is_over());
    }

    /// The message that an alert's next change updates.
    fn number_of(&self, fingerprint: u64) -> Option<u64> {
        let (message, known) = self.find(fingerprint)?;
        let is_open = known.latest.0 == AlertStatus::Firing;
        (is_open && message.reference.is_some()).then_some(message.number)
    }

    /// The newest message with this alert.
    fn find(&self, fingerprint: u64) -> Option<(&Message<R>, &PostedAlert)> {
        let mut all = self
            .messages
            .iter()
            .rev()
            .flat_map(|message| message.alerts.iter().map(move |known| (message, known)));
        all.find(|(_, known)| known.fingerprint == fingerprint)
    }
}

impl<R> Action<R> {
    /// Drops the alerts that do not fit into one message. They are left for the next action.
    /// `fitting` returns the number of alerts that fit.
    pub(super) fn cut_to_fit(mut self, fitting: impl Fn(&Notification) -> usize) -> Self {
        if let Self::Post(alerts) | Self::Digest(alerts) = &mut self {
            alerts.split_off(fitting(alerts));
        }
        self
    }

    /// The number of the message that this action updates.
    pub(super) fn message(&self) -> Option<u64> {
        match self {
            Self::Post(_) | Self::Digest(_) => None,
            Self::Edit(number, ..) | Self::Reply(number, ..) => Some(*number),
        }
    }

    pub(super) fn alerts(&self) -> &Notification {
        match self {
            Self::Post(alerts)
            | Self::Edit(_, _, alerts)
            | Self::Reply(_, _, alerts)
            | Self::Digest(alerts) => alerts,
        }
    }
}

impl<R: Clone> Message<R> {
    /// The edit that makes this message show `news`; `None` if it does already.
    fn edit(&self, news: &Notification) -> Option<Action<R>> {
        let news: HashMap<_, _> =
            news.alerts.iter().map(|alert| (alert.fingerprint(), alert)).collect();
        let mut differs = false;
        let alerts: Vec<_> = self
            .alerts
            .iter()
            .map(|PostedAlert { fingerprint, shown, .. }| match news.get(fingerprint) {
                Some(alert) if Change::of(alert) != Change::of(shown) => {
                    differs = true;
                    showing(alert, shown)
                }
                _ => shown.clone(),
            })
            .collect();
        let reference = self.reference.clone().filter(|_| differs)?;
        Some(Action::Edit(self.number, reference, Notification::new(alerts)))
    }
}

impl<R> Message<R> {
    fn is_over(&self) -> bool {
        self.alerts.iter().all(|known| known.latest.0 == AlertStatus::Resolved)
    }
}

impl PostedAlert {
    fn new(alert: &Alert) -> Self {
        let fingerprint = alert.fingerprint();
        Self { fingerprint, shown: alert.clone(), latest: Change::of(alert) }
    }
}

impl Change {
    fn of(alert: &Alert) -> Self {
        let reports = alert.failure().map_or(0, |failure| failure.total);
        Self(alert.status, alert.starts_at, reports)
    }
}

/// The alert as the message is to show it: a resolved alert keeps its top routes.
fn showing(alert: &Alert, shown: &Alert) -> Alert {
    let mut alert = alert.clone();
    match &mut alert.cause {
        Cause::Rule(breach) if breach.top.is_empty() => breach.top = shown.top().to_vec(),
        _ => {}
    }
    alert
}

#[cfg(test)]
#[path = "posted_tests.rs"]
mod tests;

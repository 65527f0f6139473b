use std::{collections::VecDeque, time::SystemTime};

use serde_json::Value;

use crate::{
    alert::{Alert, AlertStatus},
    notify::Notification,
};

/// What stands in the channel of the alerts that were told, and what is to be done to tell more.
///
/// An alert has one message at a time: what comes of it is edited in there, and told in its thread. So
/// what was done already is seen here, and is not done again when the rest is tried again.
#[derive(Debug, Default)]
pub(super) struct Posted {
    /// The oldest first.
    messages: VecDeque<Message>,
    /// Of the next message.
    number: u64,
}

#[derive(Debug)]
struct Message {
    number: u64,
    /// Not known where the answer did not say.
    place: Option<Place>,
    alerts: Vec<Told>,
}

/// An alert of a message.
#[derive(Debug)]
struct Told {
    /// As the message shows it.
    shown: Alert,
    /// The change that people were told last, by the message itself or in its thread.
    told: Change,
}

/// By what two changes of one alert differ: the state, its start, and the reports until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change(AlertStatus, SystemTime, u64);

/// By what Slack finds a message again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The channel's ID, since an edit takes no name.
    pub(super) channel: String,
    pub(super) ts: String,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Step {
    /// A message for these alerts, which becomes theirs.
    Post(Notification),
    /// The message with this number, as it is to show its alerts now.
    Edit(u64, Place, Notification),
    /// What became of these alerts, in the thread of their message.
    Reply(u64, Place, Notification),
    /// What became of these alerts, whose threads are too many, in one message.
    Digest(Notification),
}

/// How many messages or threads are posted to for one notification, a second each; for more it is one
/// message for all.
const EACH: usize = 3;

/// How many alerts are known at most.
const CAPACITY: usize = 1_000;

impl Posted {
    /// Whether nothing is left to do for this change.
    pub(super) fn is_told(&self, alert: &Alert) -> bool {
        let change = Change::of(alert);
        self.find(alert)
            .is_some_and(|(_, known)| known.told == change && Change::of(&known.shown) == change)
    }

    /// The next step for these changes, none of which is told.
    pub(super) fn next(&self, left: &Notification) -> Option<Step> {
        let fresh = part(left, |alert| self.message_of(alert).is_none());
        match fresh.alerts.len() {
            0 => {}
            1..=EACH => return Some(Step::Post(first(fresh))),
            _ => return Some(Step::Post(fresh)),
        }
        let with_news = |message: &&Message| {
            left.alerts.iter().any(|alert| self.number_of(alert) == Some(message.number))
        };
        let mut threads = self.messages.iter().filter(with_news).peekable();
        let are_few = self.messages.iter().filter(with_news).count() <= EACH;
        if are_few {
            let message = threads.next()?;
            return self.edit(message, left).or_else(|| {
                let of_it = part(left, |alert| self.number_of(alert) == Some(message.number));
                Some(Step::Reply(message.number, message.place.clone()?, of_it))
            });
        }
        let mut edits = threads.filter_map(|message| self.edit(message, left));
        edits.next().or_else(|| Some(Step::Digest(left.clone())))
    }

    /// What the message is to show instead; `None` if it does so already.
    fn edit(&self, message: &Message, left: &Notification) -> Option<Step> {
        let mut differs = false;
        let alerts: Vec<_> = message
            .alerts
            .iter()
            .map(|known| match self.news(message, known, left) {
                Some(news) if Change::of(news) != Change::of(&known.shown) => {
                    differs = true;
                    showing(news, &known.shown)
                }
                _ => known.shown.clone(),
            })
            .collect();
        let changes = vec![1; alerts.len()];
        let shown = Notification { alerts, changes };
        differs.then(|| Some(Step::Edit(message.number, message.place.clone()?, shown)))?
    }

    /// The newest of an alert of a message, unless it has a newer message.
    fn news<'a>(
        &self,
        message: &Message,
        known: &Told,
        left: &'a Notification,
    ) -> Option<&'a Alert> {
        left.alerts.iter().find(|alert| {
            is_same(alert, &known.shown) && self.number_of(alert) == Some(message.number)
        })
    }

    /// These alerts have a message now.
    pub(super) fn posted(&mut self, place: Option<Place>, notification: &Notification) {
        let alerts: Vec<_> = notification
            .alerts
            .iter()
            .map(|alert| Told { shown: alert.clone(), told: Change::of(alert) })
            .collect();
        while !self.messages.is_empty() && self.known() + alerts.len() > CAPACITY {
            let over = self.messages.iter().position(Message::is_over);
            self.messages.remove(over.unwrap_or(0));
        }
        self.messages.push_back(Message { number: self.number, place, alerts });
        self.number += 1;
    }

    fn known(&self) -> usize {
        self.messages.iter().map(|message| message.alerts.len()).sum()
    }

    /// A message shows this now.
    pub(super) fn edited(&mut self, number: u64, shown: Notification) {
        if let Some(message) = self.messages.iter_mut().find(|message| message.number == number) {
            for (known, alert) in message.alerts.iter_mut().zip(shown.alerts) {
                known.shown = alert;
            }
        }
    }

    /// People were told what became of these alerts.
    pub(super) fn told(&mut self, notification: &Notification) {
        for alert in &notification.alerts {
            let number = self.number_of(alert);
            let known = self
                .messages
                .iter_mut()
                .filter(|message| Some(message.number) == number)
                .flat_map(|message| &mut message.alerts)
                .find(|known| is_same(alert, &known.shown));
            if let Some(known) = known {
                known.told = Change::of(alert);
            }
        }
    }

    /// A message is no more: what becomes of its alerts is told by another one.
    pub(super) fn forget(&mut self, number: u64) {
        self.messages.retain(|message| message.number != number);
    }

    /// A delivery has ended, so that nothing of it is tried again by mistake: forgets the messages that
    /// nothing more comes to.
    pub(super) fn settle(&mut self) {
        self.messages.retain(|message| message.place.is_some() && !message.is_over());
    }

    /// The message that an alert's next change belongs to.
    fn message_of(&self, alert: &Alert) -> Option<&Message> {
        let (message, known) = self.find(alert)?;
        let is_open = known.told.0 == AlertStatus::Firing;
        (is_open && message.place.is_some()).then_some(message)
    }

    fn number_of(&self, alert: &Alert) -> Option<u64> {
        self.message_of(alert).map(|message| message.number)
    }

    /// The newest message of an alert.
    fn find(&self, alert: &Alert) -> Option<(&Message, &Told)> {
        let mut all = self
            .messages
            .iter()
            .rev()
            .flat_map(|message| message.alerts.iter().map(move |known| (message, known)));
        all.find(|(_, known)| is_same(alert, &known.shown))
    }
}

impl Message {
    fn is_over(&self) -> bool {
        self.alerts.iter().all(|known| known.told.0 == AlertStatus::Resolved)
    }
}

impl Change {
    fn of(alert: &Alert) -> Self {
        let reports = alert.failure.as_ref().map_or(0, |failure| failure.total);
        Self(alert.status, alert.starts_at, reports)
    }
}

impl Place {
    /// From the answer to a post.
    pub(super) fn of(answer: &Value) -> Option<Self> {
        let text = |name: &str| Some(answer[name].as_str()?.to_owned());
        Some(Self { channel: text("channel")?, ts: text("ts")? })
    }
}

/// An alert as its message shows it: with what made it fire, also when that is over.
fn showing(alert: &Alert, shown: &Alert) -> Alert {
    let mut alert = alert.clone();
    if alert.top.is_empty() {
        alert.top.clone_from(&shown.top);
    }
    alert
}

/// Whether two changes are of one alert; a clone of the notifier may be another lookout's.
fn is_same(one: &Alert, other: &Alert) -> bool {
    one.identity() == other.identity() && one.origin == other.origin
}

fn part(of: &Notification, keep: impl FnMut(&Alert) -> bool) -> Notification {
    let mut part = of.clone();
    part.retain(keep);
    part
}

fn first(mut of: Notification) -> Notification {
    of.alerts.truncate(1);
    of.changes.truncate(1);
    of
}

#[cfg(test)]
#[path = "posted_tests.rs"]
mod tests;

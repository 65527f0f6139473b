use std::{collections::VecDeque, time::SystemTime};

use serde_json::Value;

use crate::{
    alert::{Alert, AlertStatus},
    notify::{Notification, receivers::slack::payload::payload},
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
    place: Option<MessageRef>,
    alerts: Vec<PostedAlert>,
}

/// An alert of a message.
#[derive(Debug)]
struct PostedAlert {
    /// As the message shows it.
    shown: Alert,
    /// The change that people were told last, by the message itself or in its thread.
    latest: Change,
}

/// By what two changes of one alert differ: the state, its start, and the reports until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change(AlertStatus, SystemTime, u64);

/// By what Slack finds a message again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MessageRef {
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
    Edit(u64, MessageRef, Notification),
    /// What became of these alerts, in the thread of their message.
    Reply(u64, MessageRef, Notification),
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
    pub(super) fn is_posted(&self, alert: &Alert) -> bool {
        let change = Change::of(alert);
        self.find(alert)
            .is_some_and(|(_, known)| known.latest == change && Change::of(&known.shown) == change)
    }

    /// The next step for these changes, none of which is told.
    pub(super) fn next(&self, left: &Notification) -> Option<Step> {
        // Found once, since both may be many.
        let numbers: Vec<_> = left.alerts.iter().map(|alert| self.number_of(alert)).collect();
        let of = |number| {
            let mut numbers = numbers.iter();
            let mut of_it = left.clone();
            of_it.retain(|_| numbers.next() == Some(&number));
            of_it
        };
        let mut fresh = of(None);
        if !fresh.alerts.is_empty() {
            if fresh.alerts.len() <= EACH {
                fresh.alerts.truncate(1);
                fresh.changes.truncate(1);
            }
            return Some(Step::Post(fresh));
        }
        let mut threads: Vec<_> = self
            .messages
            .iter()
            .filter(|message| numbers.contains(&Some(message.number)))
            .collect();
        let are_many = threads.len() > EACH;
        if !are_many {
            threads.truncate(1);
        }
        let edit = threads.iter().find_map(|message| message.edit(&of(Some(message.number))));
        edit.or_else(|| match threads.as_slice() {
            _ if are_many => Some(Step::Digest(left.clone())),
            [message] => {
                let place = message.place.clone()?;
                Some(Step::Reply(message.number, place, of(Some(message.number))))
            }
            _ => None,
        })
    }

    /// A step is done, and gave this answer: the alerts of which nothing is left to tell.
    pub(super) fn done(&mut self, step: Step, place: Option<MessageRef>) -> Option<Notification> {
        match step {
            Step::Post(fresh) => {
                self.add(place, &fresh);
                Some(fresh)
            }
            Step::Edit(number, _, shown) => {
                let message = self.messages.iter_mut().find(|message| message.number == number)?;
                for (known, alert) in message.alerts.iter_mut().zip(shown.alerts) {
                    known.shown = alert;
                }
                None
            }
            Step::Reply(_, _, news) | Step::Digest(news) => {
                news.alerts.iter().for_each(|alert| self.tell(alert));
                Some(news)
            }
        }
    }

    /// These alerts have a message now.
    fn add(&mut self, place: Option<MessageRef>, notification: &Notification) {
        let alerts: Vec<_> = notification
            .alerts
            .iter()
            .map(|alert| PostedAlert { shown: alert.clone(), latest: Change::of(alert) })
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

    /// People were told what became of this alert.
    fn tell(&mut self, alert: &Alert) {
        let number = self.number_of(alert);
        let known = self
            .messages
            .iter_mut()
            .filter(|message| Some(message.number) == number)
            .flat_map(|message| &mut message.alerts)
            .find(|known| is_same(alert, &known.shown));
        if let Some(known) = known {
            known.latest = Change::of(alert);
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
    fn number_of(&self, alert: &Alert) -> Option<u64> {
        let (message, known) = self.find(alert)?;
        let is_open = known.latest.0 == AlertStatus::Firing;
        (is_open && message.place.is_some()).then_some(message.number)
    }

    /// The newest message of an alert.
    fn find(&self, alert: &Alert) -> Option<(&Message, &PostedAlert)> {
        let mut all = self
            .messages
            .iter()
            .rev()
            .flat_map(|message| message.alerts.iter().map(move |known| (message, known)));
        all.find(|(_, known)| is_same(alert, &known.shown))
    }
}

impl Step {
    /// The message that it is about, if there is one.
    /// Without the alerts that a message of so many would not name: they are for the next step.
    pub(super) fn named(mut self, now: SystemTime) -> Self {
        if let Self::Post(alerts) | Self::Digest(alerts) = &mut self {
            let (_, named) = payload(alerts, now);
            alerts.alerts.truncate(named);
            alerts.changes.truncate(named);
        }
        self
    }

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

impl Message {
    /// How it is to show this news of its alerts; `None` if it does so already.
    fn edit(&self, news: &Notification) -> Option<Step> {
        let mut differs = false;
        let alerts: Vec<_> = self
            .alerts
            .iter()
            .map(|PostedAlert { shown, .. }| {
                match news.alerts.iter().find(|alert| is_same(alert, shown)) {
                    Some(alert) if Change::of(alert) != Change::of(shown) => {
                        differs = true;
                        showing(alert, shown)
                    }
                    _ => shown.clone(),
                }
            })
            .collect();
        let changes = vec![1; alerts.len()];
        let place = self.place.clone().filter(|_| differs)?;
        Some(Step::Edit(self.number, place, Notification::new(alerts, changes)))
    }

    fn is_over(&self) -> bool {
        self.alerts.iter().all(|known| known.latest.0 == AlertStatus::Resolved)
    }
}

impl Change {
    fn of(alert: &Alert) -> Self {
        let reports = alert.failure().map_or(0, |failure| failure.total);
        Self(alert.status, alert.starts_at, reports)
    }
}

impl MessageRef {
    /// From the answer to a post.
    pub(super) fn of(answer: &Value) -> Option<Self> {
        let text = |name: &str| Some(answer[name].as_str()?.to_owned());
        Some(Self { channel: text("channel")?, ts: text("ts")? })
    }
}

/// An alert as its message shows it: with what made it fire, also when that is over.
fn showing(alert: &Alert, shown: &Alert) -> Alert {
    let mut alert = alert.clone();
    if let Some(breach) = alert.breach_mut().filter(|breach| breach.top.is_empty()) {
        breach.top = shown.top().to_vec();
    }
    alert
}

/// Whether two changes are of one alert; a clone of the notifier may be another lookout's.
fn is_same(one: &Alert, other: &Alert) -> bool {
    one.identity() == other.identity() && one.origin == other.origin
}

#[cfg(test)]
#[path = "posted_tests.rs"]
mod tests;

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Repeat, RepeatPolicy, Repeats};
use crate::{
    alert::{SavedAlert, fields},
    notify::Delivered,
};

/// A repeated alert in the state file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::notify) struct SavedRepeat {
    pub(in crate::notify) alert: SavedAlert,
    every: Duration,
    resolved_for: Duration,
    #[serde(rename = "forgets")]
    expires: bool,
    #[serde(with = "fields::instant")]
    due: SystemTime,
    /// The time when the repeats of a resolved alert end.
    #[serde(with = "fields::optional_instant")]
    until: Option<SystemTime>,
}

impl Repeats {
    pub(in crate::notify) fn saved(&self) -> Vec<SavedRepeat> {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let at = |instant: Instant| {
            wall.checked_add(instant.saturating_duration_since(now)).unwrap_or(wall)
        };
        let saved = self.all.iter().map(|repeat| SavedRepeat {
            alert: SavedAlert(repeat.alert.clone()),
            every: repeat.policy.every,
            resolved_for: repeat.policy.resolved_for,
            expires: repeat.policy.expires,
            due: at(repeat.due),
            until: repeat.until.map(at),
        });
        saved.collect()
    }

    /// Restores the repeats of the previous process. A repeat whose time has passed is due now,
    /// before the receiver resolves its alert.
    pub(in crate::notify) fn restore(&mut self, saved: Vec<SavedRepeat>) {
        let (now, wall) = (Instant::now(), SystemTime::now());
        // A clock that was set back must not delay a repeat by more than its interval.
        let within = |instant: SystemTime, longest: Duration| {
            now + instant.duration_since(wall).unwrap_or_default().min(longest)
        };
        let has_ended = |saved: &SavedRepeat| saved.until.is_some_and(|until| until < wall);
        self.all.extend(saved.into_iter().filter(|saved| !has_ended(saved)).map(|saved| {
            let policy = RepeatPolicy {
                every: saved.every.min(Delivered::LONGEST_INTERVAL),
                resolved_for: saved.resolved_for.min(Delivered::LONGEST_INTERVAL),
                expires: saved.expires,
            };
            Repeat {
                alert: saved.alert.0,
                due: within(saved.due, policy.every),
                until: saved.until.map(|until| within(until, policy.resolved_for)),
                policy,
            }
        }));
    }
}

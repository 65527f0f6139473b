use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Again, Repeat, Repeats};
use crate::{
    alert::{SavedAlert, fields},
    notify::delivered::LONGEST,
};

/// An alert that is told again, as the state file has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::notify) struct SavedRepeat {
    pub(in crate::notify) alert: SavedAlert,
    every: Duration,
    resolved_for: Duration,
    forgets: bool,
    #[serde(with = "fields::instant")]
    due: SystemTime,
    /// Of a resolved alert.
    #[serde(with = "fields::optional_instant")]
    until: Option<SystemTime>,
}

impl Repeats {
    pub(in crate::notify) fn saved(&self) -> Vec<SavedRepeat> {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let at = |instant: Instant| {
            wall.checked_add(instant.saturating_duration_since(now)).unwrap_or(wall)
        };
        let saved = self.0.iter().map(|repeat| SavedRepeat {
            alert: SavedAlert(repeat.alert.clone()),
            every: repeat.again.every,
            resolved_for: repeat.again.resolved_for,
            forgets: repeat.again.forgets,
            due: at(repeat.due),
            until: repeat.until.map(at),
        });
        saved.collect()
    }

    /// Takes over what an earlier process had to tell again, each when it is due; what became due
    /// meanwhile is so now, before a receiver that forgets has forgotten it.
    pub(in crate::notify) fn restore(&mut self, saved: Vec<SavedRepeat>) {
        let (now, wall) = (Instant::now(), SystemTime::now());
        // Whatever was done to the clock, it is not longer than a repeat takes.
        let within = |instant: SystemTime, longest: Duration| {
            now + instant.duration_since(wall).unwrap_or_default().min(longest)
        };
        let is_over = |saved: &SavedRepeat| saved.until.is_some_and(|until| until < wall);
        self.0.extend(saved.into_iter().filter(|saved| !is_over(saved)).map(|saved| {
            let again = Again {
                every: saved.every.min(LONGEST),
                resolved_for: saved.resolved_for.min(LONGEST),
                forgets: saved.forgets,
            };
            Repeat {
                alert: saved.alert.0,
                due: within(saved.due, again.every),
                until: saved.until.map(|until| within(until, again.resolved_for)),
                again,
            }
        }));
    }
}

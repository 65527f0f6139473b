//! The controls in the state file: silences of a handle, acknowledgements, and the alerts that were
//! not sent.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{
    SilenceStatus,
    state::{ActiveSilence, Entry, Source, State},
};
use crate::{
    alert::{Acknowledgement, SavedAlert, Suppression, SuppressionKind, fields},
    notify::SavedMatcher,
    rule::Severity,
};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SavedControls {
    last_id: u64,
    silences: Vec<SavedSilence>,
    alerts: Vec<SavedEntry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedSilence {
    id: u64,
    is_maintenance: bool,
    matcher: SavedMatcher,
    by: String,
    reason: String,
    #[serde(with = "fields::instant")]
    starts_at: SystemTime,
    #[serde(with = "fields::instant")]
    ends_at: SystemTime,
    until_resolved: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedEntry {
    fingerprint: u64,
    was_sent: bool,
    held: Option<SavedAlert>,
    #[serde(with = "fields::suppression")]
    suppressed: Option<Suppression>,
    #[serde(with = "fields::acknowledgement")]
    acknowledged: Option<Acknowledgement>,
    #[serde(with = "fields::SeverityWord")]
    acknowledged_at: Severity,
}

impl SavedControls {
    /// Removes the details of reports, to make the file smaller.
    pub(crate) fn shorten(&mut self) {
        let held = self.alerts.iter_mut().filter_map(|entry| entry.held.as_mut());
        held.for_each(|SavedAlert(alert)| alert.shorten());
    }

    /// The number of alerts.
    pub(crate) fn len(&self) -> usize {
        self.alerts.len()
    }

    /// Removes half of the alerts. Returns the number of removed alerts.
    pub(crate) fn halve(&mut self) -> usize {
        let count = self.alerts.len();
        self.alerts.truncate(count / 2);
        count - count / 2
    }
}

impl From<&SilenceStatus> for SavedSilence {
    fn from(status: &SilenceStatus) -> Self {
        Self {
            id: status.id,
            is_maintenance: status.kind == SuppressionKind::Maintenance,
            matcher: (&status.matcher).into(),
            by: status.by.clone(),
            reason: status.reason.clone(),
            starts_at: status.starts_at,
            ends_at: status.ends_at,
            until_resolved: status.until_resolved,
        }
    }
}

impl From<SavedSilence> for SilenceStatus {
    fn from(saved: SavedSilence) -> Self {
        let kind = match saved.is_maintenance {
            true => SuppressionKind::Maintenance,
            false => SuppressionKind::Silence,
        };
        Self {
            id: saved.id,
            kind,
            matcher: saved.matcher.into(),
            by: saved.by,
            reason: saved.reason,
            starts_at: saved.starts_at,
            ends_at: saved.ends_at,
            until_resolved: saved.until_resolved,
        }
    }
}

impl State {
    pub(super) fn saved(&self) -> SavedControls {
        let of_handle = self.silences.iter().filter(|silence| silence.source == Source::Handle);
        let alerts = self.alerts.iter().map(|(fingerprint, entry)| SavedEntry {
            fingerprint: *fingerprint,
            was_sent: entry.was_sent,
            held: entry.held.clone().map(SavedAlert),
            suppressed: entry.suppressed.clone(),
            acknowledged: entry.acknowledged.as_ref().map(|(by, _)| by.clone()),
            acknowledged_at: entry.acknowledged.as_ref().map_or(Severity::Info, |(_, at)| *at),
        });
        SavedControls {
            last_id: self.last_id,
            silences: of_handle.map(|silence| (&silence.status).into()).collect(),
            alerts: alerts.collect(),
        }
    }

    /// Restores the controls of the previous process. The silences of the builder and of the file
    /// are set before.
    pub(super) fn restore(&mut self, saved: SavedControls, now: SystemTime) {
        let SavedControls { last_id, silences, alerts } = saved;
        // The ids of this process must not repeat those of the last one.
        for silence in &mut self.silences {
            silence.status.id += last_id;
        }
        self.last_id += last_id;
        let silences = silences.into_iter().map(SilenceStatus::from);
        let silences = silences.filter(|status| now < status.ends_at);
        self.silences.extend(silences.map(|status| ActiveSilence::new(status, Source::Handle)));
        self.alerts = alerts
            .into_iter()
            .map(|saved| {
                let SavedEntry { fingerprint, was_sent, acknowledged_at, .. } = saved;
                let entry = Entry {
                    was_sent,
                    held: saved.held.map(|SavedAlert(alert)| alert),
                    suppressed: saved.suppressed,
                    acknowledged: saved.acknowledged.map(|by| (by, acknowledged_at)),
                    ..Entry::sent()
                };
                (fingerprint, entry)
            })
            .collect();
    }
}

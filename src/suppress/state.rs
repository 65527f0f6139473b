use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use super::{
    ControlError, Inhibition, Silence, SilenceStatus,
    inhibition::inhibited,
    silence::{person_or_reason, time_text},
};
use crate::{
    alert::{Acknowledgement, Alert, AlertStatus, Suppression, SuppressionKind},
    catch_panic::logged,
    rule::Severity,
};

/// Decides which changes of alerts are sent. It reads no clock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) silences: Vec<ActiveSilence>,
    inhibitions: Vec<(Source, Inhibition)>,
    /// The end of the quiet time after the start.
    quiet: Option<Quiet>,
    /// The alerts that are suppressed, acknowledged or not sent, by their fingerprints.
    pub(super) alerts: HashMap<u64, Entry>,
    pub(super) last_id: u64,
    /// Changes that were not sent, for each kind of control.
    pub(super) suppressed: [u64; SuppressionKind::ALL.len()],
    /// Whether the state to be saved has changed.
    pub(super) has_changed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct ActiveSilence {
    pub(super) status: SilenceStatus,
    pub(super) source: Source,
    /// Whether its start was logged.
    has_started: bool,
}

/// The place where a silence was created. Only silences of a handle are in the state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Handle,
    Builder,
    File,
}

#[derive(Clone, Copy, Debug)]
struct Quiet {
    since: SystemTime,
    until: SystemTime,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Whether a firing change was sent.
    pub(super) was_sent: bool,
    /// The last change, if it was not sent.
    pub(super) held: Option<Alert>,
    /// The last suppression, perhaps over.
    pub(super) suppressed: Option<Suppression>,
    /// The last time at which a source inhibited the alert, with the title of the source.
    pub(super) inhibited: Option<(SystemTime, String)>,
    /// The acknowledgement, with the severity of the alert then.
    pub(super) acknowledged: Option<(Acknowledgement, Severity)>,
}

/// How long an inhibition outlives its source.
const INHIBITION_LINGERS: Duration = Duration::from_secs(10);

/// The maximum number of silences.
const MAX_SILENCES: usize = 1_000;

impl ActiveSilence {
    pub(super) fn new(status: SilenceStatus, source: Source) -> Self {
        Self { status, source, has_started: false }
    }
}

impl Entry {
    /// The state of an alert that was sent and that no control concerns.
    pub(super) fn sent() -> Self {
        Self { was_sent: true, held: None, suppressed: None, inhibited: None, acknowledged: None }
    }

    pub(super) fn is_suppressed(&self) -> bool {
        self.suppressed.as_ref().is_some_and(|suppressed| suppressed.ended_at.is_none())
    }

    /// Whether it differs from an alert that no control concerns.
    fn is_needed(&self) -> bool {
        !self.was_sent
            || self.held.is_some()
            || self.suppressed.is_some()
            || self.acknowledged.is_some()
    }

    /// Adds the notes to an alert.
    pub(super) fn annotate(&self, alert: &mut Alert) {
        alert.suppressed.clone_from(&self.suppressed);
        alert.acknowledged =
            self.acknowledged.as_ref().map(|(acknowledged, _)| acknowledged.clone());
    }
}

impl State {
    /// Adds a silence, and returns its id. An ended one is not added.
    pub(super) fn silence(
        &mut self,
        silence: Silence,
        source: Source,
        now: SystemTime,
    ) -> Result<u64, ControlError> {
        let mut status = silence.checked(now)?;
        if self.silences.len() >= MAX_SILENCES {
            let problem = format!("{MAX_SILENCES} silences are active, the maximum: end some");
            return Err(ControlError::setting("silence", problem));
        }
        self.last_id += 1;
        status.id = self.last_id;
        let id = status.id;
        let SilenceStatus { kind, matcher, by, reason, starts_at, ends_at, .. } = &status;
        let (from, until) = (time_text(*starts_at), time_text(*ends_at));
        logged(|| tracing::info!(id, %kind, %matcher, by, reason, %from, %until, "silence added"));
        self.silences.push(ActiveSilence::new(status, source));
        self.has_changed |= source == Source::Handle;
        Ok(id)
    }

    /// Ends a silence early.
    pub(super) fn end_silence(&mut self, id: u64, by: &str) -> Result<(), ControlError> {
        let by = person_or_reason("by", by, "the person, such as \"anna\"")?;
        let count = self.silences.len();
        self.silences.retain(|silence| silence.status.id != id);
        if self.silences.len() == count {
            return Err(ControlError::UnknownSilence { id });
        }
        logged(|| tracing::info!(id, by, "silence ended early"));
        self.has_changed = true;
        Ok(())
    }

    /// Replaces the silences and inhibitions of the builder or of the file.
    pub(super) fn configure(
        &mut self,
        source: Source,
        silences: Vec<Silence>,
        inhibitions: Vec<Inhibition>,
        now: SystemTime,
    ) -> Result<(), ControlError> {
        for inhibition in &inhibitions {
            inhibition.check()?;
        }
        self.silences.retain(|silence| silence.source != source);
        self.inhibitions.retain(|(from, _)| *from != source);
        self.inhibitions.extend(inhibitions.into_iter().map(|inhibition| (source, inhibition)));
        for silence in silences.into_iter().filter(|silence| !silence.has_ended(now)) {
            self.silence(silence, source, now)?;
        }
        Ok(())
    }

    pub(super) fn quiet(&mut self, since: SystemTime, duration: Duration) {
        let until = since.checked_add(duration).unwrap_or(since);
        self.quiet = Some(Quiet { since, until });
    }

    /// Acknowledges an alert that fires.
    pub(super) fn acknowledge(
        &mut self,
        alert: &Alert,
        by: &str,
        reason: &str,
        now: SystemTime,
    ) -> Result<(), ControlError> {
        let by = person_or_reason("by", by, "the person, such as \"anna\"")?;
        let reason = person_or_reason("because", reason, "a reason, such as \"looking\"")?;
        logged(|| tracing::info!(%alert, by, reason, "alert acknowledged"));
        let entry = self.alerts.entry(alert.fingerprint()).or_insert_with(Entry::sent);
        entry.acknowledged = Some((Acknowledgement::new(&by, &reason, now), alert.severity));
        self.has_changed = true;
        Ok(())
    }

    /// Whether no control exists that could concern an alert.
    pub(super) fn is_idle(&self) -> bool {
        self.silences.is_empty()
            && self.inhibitions.is_empty()
            && self.quiet.is_none()
            && self.alerts.is_empty()
    }

    /// Returns the changes to send: those of `changes` that no control suppresses, and alerts whose
    /// suppression has ended. `firing` are all firing alerts after these changes.
    pub(super) fn filter(
        &mut self,
        changes: Vec<Alert>,
        firing: &[Alert],
        now: SystemTime,
    ) -> Vec<Alert> {
        self.end_silences(firing, now);
        let inhibited =
            inhibited(self.inhibitions.iter().map(|(_, inhibition)| inhibition), firing);
        let source = |index| inhibited.get(&index).map(|source| firing[*source].title());
        let current = firing.iter().enumerate().map(|(index, alert)| {
            let fingerprint = alert.fingerprint();
            (fingerprint, (alert, self.suppression(fingerprint, alert, source(index), now), index))
        });
        let current: Vec<_> = current.collect();
        let by_fingerprint: HashMap<_, _> =
            current.iter().map(|(key, value)| (*key, value)).collect();
        let mut sent = Vec::new();
        let mut handled = HashSet::new();
        for alert in changes {
            let fingerprint = alert.fingerprint();
            match alert.status {
                AlertStatus::Resolved => sent.extend(self.resolve(fingerprint, alert, now)),
                AlertStatus::Firing => {
                    handled.insert(fingerprint);
                    let suppression = match by_fingerprint.get(&fingerprint) {
                        Some((_, suppression, _)) => suppression.clone(),
                        None => self.suppression(fingerprint, &alert, None, now),
                    };
                    sent.extend(self.change(fingerprint, alert, suppression, now));
                }
            }
        }
        for (fingerprint, (alert, suppression, index)) in &current {
            if !handled.contains(fingerprint) {
                sent.extend(self.update(*fingerprint, alert, suppression.clone(), now));
            }
            if let (Some(source), Some(entry)) = (source(*index), self.alerts.get_mut(fingerprint))
            {
                entry.inhibited = Some((now, source));
            }
        }
        self.forget(&by_fingerprint.keys().chain(&handled).copied().collect());
        sent
    }

    /// Drops ended silences, and logs the starts and the ends.
    fn end_silences(&mut self, firing: &[Alert], now: SystemTime) {
        let is_over = |silence: &SilenceStatus| {
            let is_resolved = silence.until_resolved
                && !firing.iter().any(|alert| silence.matcher.matches(alert));
            is_resolved || now >= silence.ends_at
        };
        let count = self.silences.len();
        self.silences.retain_mut(|ActiveSilence { status, has_started, .. }| {
            let SilenceStatus { id, kind, by, reason, .. } = &*status;
            if is_over(status) {
                logged(|| tracing::info!(id, %kind, by, reason, "silence ended"));
                return false;
            }
            if !*has_started && status.is_active(now) {
                *has_started = true;
                logged(|| tracing::info!(id, %kind, by, reason, "silence started"));
            }
            true
        });
        self.has_changed |= self.silences.len() != count;
        if self.quiet.is_some_and(|quiet| now >= quiet.until) {
            self.quiet = None;
            logged(|| tracing::info!("the quiet time after the start has ended"));
        }
    }

    /// The control that suppresses a firing alert now.
    fn suppression(
        &self,
        fingerprint: u64,
        alert: &Alert,
        source: Option<String>,
        now: SystemTime,
    ) -> Option<Suppression> {
        let suppression = |kind, by: &str, reason: &str, since| {
            let (by, reason) = (by.to_owned(), reason.to_owned());
            Some(Suppression { kind, by, reason, since, ended_at: None })
        };
        let silences = self.silences.iter().map(|silence| &silence.status);
        let mut matching = silences.filter(|silence| silence.silences(alert, now));
        if let Some(SilenceStatus { kind, by, reason, .. }) = matching.next() {
            return suppression(*kind, by, reason, now);
        }
        if let Some(source) = source {
            return suppression(SuppressionKind::Inhibition, "", &source, now);
        }
        let entry = self.alerts.get(&fingerprint);
        if let Some((last, source)) = entry.and_then(|entry| entry.inhibited.as_ref())
            && now.duration_since(*last).is_ok_and(|since| since < INHIBITION_LINGERS)
        {
            return suppression(SuppressionKind::Inhibition, "", source, now);
        }
        let quiet = self.quiet.filter(|_| alert.failure().is_none());
        quiet.and_then(|quiet| suppression(SuppressionKind::QuietAfterStart, "", "", quiet.since))
    }

    /// A firing change: returns it if it is sent.
    fn change(
        &mut self,
        fingerprint: u64,
        mut alert: Alert,
        suppression: Option<Suppression>,
        now: SystemTime,
    ) -> Option<Alert> {
        let suppression = suppression.or_else(|| self.acknowledged(fingerprint, &alert, now));
        let Some(suppression) = suppression else {
            let Some(entry) = self.alerts.get_mut(&fingerprint) else { return Some(alert) };
            if let Some(held) = entry.held.take() {
                alert.merge_earlier(&held);
            }
            entry.end_suppression(now);
            entry.was_sent = true;
            entry.annotate(&mut alert);
            self.has_changed = true;
            return Some(alert);
        };
        // Without an entry, an alert that fires for the first time was not sent, and any other was.
        let was_sent = alert.is_relabelled || alert.failure().is_some_and(is_further);
        let entry = self.alerts.entry(fingerprint);
        let entry = entry.or_insert_with(|| Entry { was_sent, ..Entry::sent() });
        let kind = suppression.kind;
        let (by, reason) = (&suppression.by, &suppression.reason);
        logged(|| tracing::info!(%alert, %kind, by, reason, "alert suppressed"));
        if let Some(held) = entry.held.take() {
            alert.merge_earlier(&held);
        }
        entry.held = Some(alert);
        entry.suppress(suppression);
        self.count(kind);
        None
    }

    /// Further reports of a failure that is acknowledged are repeats, unless the severity rises.
    fn acknowledged(
        &self,
        fingerprint: u64,
        alert: &Alert,
        now: SystemTime,
    ) -> Option<Suppression> {
        let entry = self.alerts.get(&fingerprint)?;
        let (acknowledged, severity) = entry.acknowledged.as_ref()?;
        let is_repeat = entry.was_sent && alert.failure().is_some() && alert.severity <= *severity;
        is_repeat.then(|| Suppression {
            kind: SuppressionKind::Acknowledgement,
            by: acknowledged.by.clone(),
            reason: acknowledged.reason.clone(),
            since: now,
            ended_at: None,
        })
    }

    /// A firing alert without a change: returns it if its suppression ends and it is sent.
    fn update(
        &mut self,
        fingerprint: u64,
        alert: &Alert,
        suppression: Option<Suppression>,
        now: SystemTime,
    ) -> Option<Alert> {
        if let Some(suppression) = suppression {
            let entry = self.alerts.entry(fingerprint).or_insert_with(Entry::sent);
            if !entry.is_suppressed() {
                let (kind, by, reason) = (suppression.kind, &suppression.by, &suppression.reason);
                logged(|| tracing::info!(%alert, %kind, by, reason, "alert suppressed"));
                self.has_changed = true;
            }
            entry.suppress(suppression);
            return None;
        }
        let entry = self.alerts.get_mut(&fingerprint)?;
        let kind = entry.suppressed.as_ref().filter(|_| entry.is_suppressed())?.kind;
        if kind == SuppressionKind::Acknowledgement && entry.acknowledged.is_some() {
            return None;
        }
        entry.end_suppression(now);
        self.has_changed = true;
        let is_silence = matches!(kind, SuppressionKind::Silence | SuppressionKind::Maintenance);
        // A report without new figures has nothing to send.
        let is_due = is_silence && entry.acknowledged.is_none() && alert.failure().is_none();
        let held = entry.held.take();
        if !is_due && held.is_none() {
            return None;
        }
        entry.was_sent = true;
        let mut alert = match held {
            // It has the reports that were not sent.
            Some(held) if held.failure().is_some() => held,
            held => {
                let is_relabelled = held.is_some_and(|held| held.is_relabelled);
                Alert { is_relabelled, ..alert.clone() }
            }
        };
        entry.annotate(&mut alert);
        logged(|| tracing::info!(%alert, %kind, "suppression ended, alert sent"));
        Some(alert)
    }

    /// A resolve: returns it if the alert was sent.
    fn resolve(&mut self, fingerprint: u64, mut alert: Alert, now: SystemTime) -> Option<Alert> {
        let Some(mut entry) = self.alerts.remove(&fingerprint) else { return Some(alert) };
        self.has_changed = true;
        if entry.was_sent {
            if let Some(held) = &entry.held {
                alert.merge_earlier(held);
            }
            entry.end_suppression(now);
            entry.annotate(&mut alert);
            return Some(alert);
        }
        let kind = entry.suppressed.as_ref().map(|suppressed| suppressed.kind);
        logged(|| tracing::info!(%alert, "alert resolved while suppressed, nobody was notified"));
        kind.into_iter().for_each(|kind| self.count(kind));
        None
    }

    /// Removes the entries of alerts that no longer fire, and those that are not needed.
    fn forget(&mut self, firing: &HashSet<u64>) {
        self.alerts.retain(|fingerprint, entry| {
            let is_firing = firing.contains(fingerprint);
            if let (false, false, Some(alert)) = (is_firing, entry.was_sent, &entry.held) {
                let text = "suppressed alert no longer exists, nobody was notified";
                logged(|| tracing::warn!(%alert, "{text}"));
            }
            is_firing && entry.is_needed()
        });
    }

    fn count(&mut self, kind: SuppressionKind) {
        let position = SuppressionKind::ALL.iter().position(|known| *known == kind);
        let counter = position.and_then(|position| self.suppressed.get_mut(position));
        counter.into_iter().for_each(|counter| *counter += 1);
        self.has_changed = true;
    }

    /// The alerts whose repeats people do not get.
    pub(super) fn muted(&self) -> HashSet<u64> {
        let is_muted = |entry: &Entry| entry.is_suppressed() || entry.acknowledged.is_some();
        let muted = self.alerts.iter().filter(|(_, entry)| is_muted(entry));
        muted.map(|(fingerprint, _)| *fingerprint).collect()
    }

    /// Logs the alerts that were not sent, at the end of the lookout.
    pub(super) fn give_up(&mut self) {
        for alert in self.alerts.values_mut().filter_map(|entry| entry.held.take()) {
            logged(
                || tracing::warn!(%alert, "alert suppressed at the shutdown, nobody was notified"),
            );
        }
    }
}

impl Entry {
    /// Records the control that suppresses the alert now. The period starts with the first of
    /// several controls.
    fn suppress(&mut self, suppression: Suppression) {
        let earlier = self.suppressed.take().filter(|earlier| earlier.ended_at.is_none());
        let since = earlier.map_or(suppression.since, |earlier| earlier.since);
        self.suppressed = Some(Suppression { since, ..suppression });
    }

    fn end_suppression(&mut self, now: SystemTime) {
        if let Some(suppressed) = &mut self.suppressed {
            suppressed.ended_at.get_or_insert(now);
        }
    }
}

/// Whether an alert with these reports was sent before.
fn is_further(failure: &crate::alert::Failure) -> bool {
    failure.total > failure.count
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use crate::text::one_line;

/// Why an alert is not sent, or was not sent for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suppression {
    /// The control that suppresses the alert.
    pub kind: SuppressionKind,
    /// The person who created the silence; empty for an inhibition and after a start.
    pub by: String,
    /// The reason for the silence, or the title of the alert that inhibits this one.
    pub reason: String,
    /// When the lookout began to suppress the alert.
    pub since: SystemTime,
    /// When that ended; `None` while the alert is suppressed.
    pub ended_at: Option<SystemTime>,
}

/// The kinds of controls that suppress an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SuppressionKind {
    /// A [`Silence`](crate::suppress::Silence).
    Silence,
    /// A [maintenance window](crate::suppress::Silence::maintenance).
    Maintenance,
    /// An [`Inhibition`](crate::suppress::Inhibition).
    Inhibition,
    /// The time after the start; see
    /// [`quiet_after_start`](crate::LookoutBuilder::quiet_after_start).
    QuietAfterStart,
    /// An [acknowledgement](crate::Lookout::acknowledge), for further reports of the same failure.
    Acknowledgement,
}

/// Who handles a firing alert, from [`Lookout::acknowledge`](crate::Lookout::acknowledge).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acknowledgement {
    /// The person who handles the alert.
    pub by: String,
    /// A comment of that person.
    pub reason: String,
    /// When the alert was acknowledged.
    pub at: SystemTime,
}

impl Suppression {
    /// A sentence for the reader of the alert. `date` formats a time, and `escape` the texts that a
    /// person wrote.
    pub fn note(
        &self,
        date: impl Fn(SystemTime) -> String,
        escape: impl Fn(&str) -> String,
    ) -> String {
        let since = date(self.since);
        let period = match self.ended_at {
            Some(end) => format!("from {since} to {}", date(end)),
            None => format!("since {since}"),
        };
        let (by, reason) = (escape(&self.by), escape(&self.reason));
        match self.kind {
            SuppressionKind::Silence => format!("Silenced by {by} {period}: {reason}."),
            SuppressionKind::Maintenance => {
                format!("In a maintenance window of {by} {period}: {reason}.")
            }
            SuppressionKind::Inhibition => format!("Inhibited {period} by {reason}."),
            SuppressionKind::QuietAfterStart => {
                format!("Not sent {period}, since the service had just started.")
            }
            SuppressionKind::Acknowledgement => {
                format!("Further reports not sent {period}, acknowledged by {by}: {reason}.")
            }
        }
    }

    /// The approximate memory of the texts, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.by.len() + self.reason.len()
    }
}

impl Acknowledgement {
    /// An acknowledgement. The texts become one line.
    pub(crate) fn new(by: &str, reason: &str, at: SystemTime) -> Self {
        Self { by: one_line(by), reason: one_line(reason), at }
    }

    /// A sentence for the reader of the alert. `date` formats a time, and `escape` the texts that a
    /// person wrote.
    pub fn note(
        &self,
        date: impl Fn(SystemTime) -> String,
        escape: impl Fn(&str) -> String,
    ) -> String {
        let (by, reason) = (escape(&self.by), escape(&self.reason));
        format!("Acknowledged by {by} at {}: {reason}.", date(self.at))
    }

    /// The approximate memory of the texts, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.by.len() + self.reason.len()
    }
}

impl SuppressionKind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Silence,
        Self::Maintenance,
        Self::Inhibition,
        Self::QuietAfterStart,
        Self::Acknowledgement,
    ];

    /// The word for a metric's label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Maintenance => "maintenance",
            Self::Inhibition => "inhibition",
            Self::QuietAfterStart => "quiet_after_start",
            Self::Acknowledgement => "acknowledgement",
        }
    }
}

impl fmt::Display for SuppressionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The sentence with times in UTC.
impl fmt::Display for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note(utc, str::to_owned))
    }
}

/// The sentence with the time in UTC.
impl fmt::Display for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note(utc, str::to_owned))
    }
}

/// `humantime` panics on times outside these years.
fn utc(time: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let time = time.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + LAST);
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suppression(kind: SuppressionKind) -> Suppression {
        Suppression {
            kind,
            by: "anna".to_owned(),
            reason: "deploy".to_owned(),
            since: SystemTime::UNIX_EPOCH,
            ended_at: None,
        }
    }

    #[test]
    fn a_suppression_is_a_sentence_with_its_period() {
        let silenced = suppression(SuppressionKind::Silence);
        assert_eq!(silenced.to_string(), "Silenced by anna since 1970-01-01T00:00:00Z: deploy.");
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
        let ended = Suppression { ended_at: Some(end), ..silenced };
        let text = "Silenced by *anna* from 0 to 60: *deploy*.";
        let seconds = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().to_string()
        };
        assert_eq!(ended.note(seconds, |text| format!("*{text}*")), text);
    }

    #[test]
    fn each_kind_has_a_word_and_a_sentence_of_its_own() {
        let words: std::collections::HashSet<_> =
            SuppressionKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), SuppressionKind::ALL.len());
        for kind in SuppressionKind::ALL {
            let text = suppression(kind).to_string();
            assert!(text.ends_with('.') && text.contains("1970-01-01T00:00:00Z"), "{text}");
        }
    }

    #[test]
    fn an_acknowledgement_is_one_line() {
        let acknowledged = Acknowledgement::new("anna\n", "on it", SystemTime::UNIX_EPOCH);
        let text = r"Acknowledged by anna\n at 1970-01-01T00:00:00Z: on it.";
        assert_eq!(acknowledged.to_string(), text);
    }
}

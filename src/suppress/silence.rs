use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::ControlError;
use crate::{
    alert::{Alert, SuppressionKind},
    notify::Matcher,
    text::one_line,
};

/// Keeps matching alerts from people for a while, as a silence of Alertmanager does.
///
/// It needs a matcher, an end, a person and a reason. It lasts at most
/// [`LONGEST`](Self::LONGEST), and ends by itself. See the [module](crate::suppress) for its
/// effects. Add it with [`Lookout::silence`](crate::Lookout::silence), with
/// [`LookoutBuilder::silence`](crate::LookoutBuilder::silence), or in the
/// [file](crate::config#silences).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_lookout::{Lookout, notify::Matcher, suppress::Silence};
///
/// let lookout = Lookout::builder().start()?;
/// let checkout = Matcher::new().rule("HighErrorRatio").label("route", "/checkout");
/// let silence = Silence::new(checkout, Duration::from_secs(15 * 60));
/// let id = lookout.silence(silence.by("anna").because("the provider is down"))?;
/// lookout.end_silence(id, "anna")?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("mute", "snooze"))]
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Silence {
    matcher: Matcher,
    starts_at: Option<SystemTime>,
    end: End,
    by: String,
    reason: String,
    kind: SuppressionKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    After(Duration),
    At(SystemTime),
    /// When no matching alert fires any more.
    Resolved,
}

/// A silence or a maintenance window that has not ended, in a
/// [`Snapshot`](crate::snapshot::Snapshot::silences).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SilenceStatus {
    /// Identifies it for [`Lookout::end_silence`](crate::Lookout::end_silence).
    pub id: u64,
    /// A silence, or a maintenance window.
    pub kind: SuppressionKind,
    /// The alerts that it matches.
    pub matcher: Matcher,
    /// The person who created it.
    pub by: String,
    /// Its reason.
    pub reason: String,
    /// When it starts; a maintenance window may start later.
    pub starts_at: SystemTime,
    /// When it ends at the latest.
    pub ends_at: SystemTime,
    /// Whether it ends as soon as no matching alert fires.
    pub until_resolved: bool,
}

impl Silence {
    /// The maximum length: 7 days.
    pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// The maximum length of a text, in characters.
    pub(super) const LONGEST_TEXT: usize = 300;

    /// The maximum size of a matcher, in bytes.
    const LARGEST_MATCHER: usize = 16 << 10;

    /// The maximum number of matchers inside each other.
    const DEEPEST_MATCHER: usize = 20;

    /// Silences the matching alerts for this time, from now on. Alerts that start to fire during
    /// the silence are silenced too.
    pub fn new(matcher: Matcher, duration: Duration) -> Self {
        Self::with(matcher, None, End::After(duration), SuppressionKind::Silence)
    }

    /// Silences the matching alerts until none of them fires, at most for
    /// [`LONGEST`](Self::LONGEST). At least one must fire now.
    pub fn until_resolved(matcher: Matcher) -> Self {
        Self::with(matcher, None, End::Resolved, SuppressionKind::Silence)
    }

    /// A maintenance window, which may start later: silences every alert from `start` to `end`.
    /// [`matching`](Self::matching) limits it to some alerts.
    pub fn maintenance(start: SystemTime, end: SystemTime) -> Self {
        Self::with(Matcher::new(), Some(start), End::At(end), SuppressionKind::Maintenance)
    }

    /// A silence with a fixed end, for the file.
    #[cfg(feature = "toml")]
    pub(crate) fn until(matcher: Matcher, start: Option<SystemTime>, end: SystemTime) -> Self {
        Self::with(matcher, start, End::At(end), SuppressionKind::Silence)
    }

    fn with(
        matcher: Matcher,
        starts_at: Option<SystemTime>,
        end: End,
        kind: SuppressionKind,
    ) -> Self {
        Self { matcher, starts_at, end, by: String::new(), reason: String::new(), kind }
    }

    /// Sets the matcher. Use it for a maintenance window.
    pub fn matching(self, matcher: Matcher) -> Self {
        Self { matcher, ..self }
    }

    /// Sets the person who silences the alerts. Required.
    pub fn by(self, person: impl Into<String>) -> Self {
        Self { by: person.into(), ..self }
    }

    /// Sets the reason. Required.
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..self }
    }

    /// Checks the values. `now` is the start unless a start is set. Returns the silence that takes
    /// effect, or the problem.
    pub(crate) fn checked(self, now: SystemTime) -> Result<SilenceStatus, ControlError> {
        self.check_matcher()?;
        let by = person_or_reason("by", &self.by, "the person, such as \"anna\"")?;
        let reason = person_or_reason("because", &self.reason, "a reason, such as \"deploy\"")?;
        let starts_at = self.starts_at.unwrap_or(now);
        let longest = starts_at.checked_add(Self::LONGEST).unwrap_or(starts_at);
        let ends_at = match self.end {
            End::Resolved => longest,
            End::At(end) => end,
            End::After(Duration::ZERO) => {
                return Err(ControlError::setting(
                    "duration",
                    "0s is too short: set one such as 15 minutes",
                ));
            }
            End::After(duration) if duration > Self::LONGEST => {
                let text = humantime::format_duration(duration);
                let problem = format!("{text} is longer than 7 days: set a shorter time");
                return Err(ControlError::setting("duration", problem));
            }
            End::After(duration) => starts_at.checked_add(duration).unwrap_or(longest),
        };
        if ends_at <= starts_at {
            return Err(ControlError::setting("end", "is not after the start: set a later time"));
        }
        if ends_at > longest {
            return Err(ControlError::setting(
                "end",
                "is more than 7 days after the start: set an earlier time",
            ));
        }
        Ok(SilenceStatus {
            id: 0,
            kind: self.kind,
            matcher: self.matcher,
            by,
            reason,
            starts_at,
            ends_at,
            until_resolved: self.end == End::Resolved,
        })
    }

    pub(crate) fn is_until_resolved(&self) -> bool {
        self.end == End::Resolved
    }

    pub(crate) fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Whether its fixed end has passed.
    pub(crate) fn has_ended(&self, now: SystemTime) -> bool {
        matches!(self.end, End::At(end) if end <= now && self.starts_at.is_none_or(|start| start < end))
    }

    fn check_matcher(&self) -> Result<(), ControlError> {
        if self.matcher.is_empty() && self.kind == SuppressionKind::Silence {
            return Err(ControlError::setting(
                "matcher",
                "has no condition, and would silence every alert: add one such as .rule(..), or use a \
                 maintenance window",
            ));
        }
        let (depth, bytes) = (self.matcher.depth(), self.matcher.bytes());
        if depth > Self::DEEPEST_MATCHER {
            let most = Self::DEEPEST_MATCHER;
            let problem =
                format!("has {depth} levels of .or(..) and !, more than {most}: use fewer");
            return Err(ControlError::setting("matcher", problem));
        }
        if bytes > Self::LARGEST_MATCHER {
            let problem = format!("has {bytes} bytes, more than 16 KiB: use fewer conditions");
            return Err(ControlError::setting("matcher", problem));
        }
        Ok(())
    }
}

impl SilenceStatus {
    /// Whether it has started and not ended.
    pub(super) fn is_active(&self, now: SystemTime) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    /// Whether it silences this alert now.
    pub(super) fn silences(&self, alert: &Alert, now: SystemTime) -> bool {
        self.is_active(now) && self.matcher.matches(alert)
    }
}

/// One line for the log, such as `silence 3 of alertname="A" by anna from … until …: deploy`.
impl fmt::Display for SilenceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, kind, matcher, by, reason, .. } = self;
        let until = time_text(self.ends_at);
        let end = if self.until_resolved { "until resolved, at the latest" } else { "until" };
        write!(f, "{kind} {id} of {matcher} by {by} from {}", time_text(self.starts_at))?;
        write!(f, " {end} {until}: {reason}")
    }
}

/// A time in UTC. `humantime` panics on times outside these years.
pub(super) fn time_text(time: SystemTime) -> impl fmt::Display {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let time = time.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + LAST);
    humantime::format_rfc3339_seconds(time)
}

/// Checks a text that a person wrote, and returns it as one line.
pub(super) fn person_or_reason(
    field: &'static str,
    text: &str,
    fix: &str,
) -> Result<String, ControlError> {
    let most = Silence::LONGEST_TEXT;
    let length = text.chars().take(100_000).count();
    match text.trim() {
        "" => Err(ControlError::setting(field, format!("{text:?} is empty: set {fix}"))),
        _ if length > most => Err(ControlError::setting(
            field,
            format!("has more than {most} characters: shorten it"),
        )),
        text => Ok(one_line(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    fn named() -> Matcher {
        Matcher::new().rule("A")
    }

    fn complete(silence: Silence) -> Silence {
        silence.by("anna").because("deploy")
    }

    #[test]
    fn a_complete_silence_starts_now_and_ends_after_its_duration() {
        let silence = complete(Silence::new(named(), minutes(15))).checked(NOW).unwrap();
        assert_eq!((silence.starts_at, silence.ends_at), (NOW, NOW + minutes(15)));
        assert_eq!((&*silence.by, &*silence.reason), ("anna", "deploy"));
        let open = complete(Silence::until_resolved(named())).checked(NOW).unwrap();
        assert!(open.until_resolved && open.ends_at == NOW + Silence::LONGEST);
    }

    #[test]
    fn an_invalid_silence_is_an_error_with_field_value_and_fix() {
        let deep = (0..30).map(|n| Matcher::new().rule(n.to_string())).reduce(Matcher::or).unwrap();
        let large = Matcher::new().rule("x".repeat(20_000));
        let (silence, new) = (Silence::new(named(), minutes(1)), Silence::new);
        let window = |start, end| complete(Silence::maintenance(NOW + start, NOW + end));
        for (silence, text) in [
            (silence.clone(), "by: \"\" is empty: set the person, such as \"anna\""),
            (
                silence.clone().by("anna"),
                "because: \"\" is empty: set a reason, such as \"deploy\"",
            ),
            (silence.clone().by(" "), "by: \" \" is empty"),
            (silence.by("x".repeat(301)), "by: has more than 300 characters: shorten it"),
            (complete(new(named(), Duration::ZERO)), "duration: 0s is too short: set one such as"),
            (
                complete(new(named(), minutes(11_000))),
                "duration: 7days 15h 20m is longer than 7 days",
            ),
            (complete(new(named(), Duration::MAX)), "is longer than 7 days: set a shorter time"),
            (complete(new(Matcher::new(), minutes(1))), "matcher: has no condition"),
            (
                complete(new(deep, minutes(1))),
                "matcher: has 30 levels of .or(..) and !, more than 20",
            ),
            (complete(new(large, minutes(1))), "more than 16 KiB: use fewer conditions"),
            (window(minutes(2), minutes(2)), "end: is not after the start: set a later time"),
            (window(minutes(2), minutes(20_000)), "end: is more than 7 days after the start"),
        ] {
            let error = silence.checked(NOW).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        assert!(window(minutes(20_000), minutes(20_001)).checked(NOW).is_ok());
    }

    #[test]
    fn a_text_becomes_one_line() {
        let silence = Silence::new(named(), minutes(1)).by("anna\n").because("a\nb\u{1b}");
        let silence = silence.checked(NOW).unwrap();
        assert_eq!((&*silence.by, &*silence.reason), ("anna", r"a\nb\u{1b}"));
    }
}

use std::time::Duration;

use crate::rule::Rule;

/// The state of an alert. Times are since the lookout's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Inactive,
    /// The condition holds, but not yet for `hold_for`.
    Pending {
        since: Duration,
    },
    Firing {
        since: Duration,
        last_breach: Duration,
        last_verdict: Duration,
    },
}

/// A change of state that raises a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Fired,
    Resolved,
}

/// The durations that a rule sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) hold_for: Duration,
    pub(crate) keep_firing_for: Duration,
    /// How long an alert keeps firing without a verdict.
    pub(crate) forget_after: Duration,
}

impl Timing {
    pub(crate) fn of(rule: &Rule) -> Self {
        Self {
            hold_for: rule.hold_for,
            keep_firing_for: rule.keep_firing_for,
            forget_after: rule.forget_after(),
        }
    }
}

impl State {
    /// The state after a verdict; `is_breached` is `None` without a verdict.
    pub(crate) fn next(
        self,
        timing: Timing,
        is_breached: Option<bool>,
        now: Duration,
    ) -> (Self, Option<Change>) {
        let firing = |since| Self::Firing { since, last_breach: now, last_verdict: now };
        let fire = |since| (firing(since), Some(Change::Fired));
        match (self, is_breached) {
            (Self::Inactive, Some(true)) if timing.hold_for.is_zero() => fire(now),
            (Self::Inactive, Some(true)) => (Self::Pending { since: now }, None),
            (Self::Pending { since }, Some(true)) => {
                if now.saturating_sub(since) >= timing.hold_for {
                    fire(since)
                } else {
                    (self, None)
                }
            }
            (Self::Inactive | Self::Pending { .. }, _) => (Self::Inactive, None),
            (Self::Firing { since, .. }, Some(true)) => (firing(since), None),
            (Self::Firing { since, last_breach, last_verdict }, verdict) => {
                let is_kept = now.saturating_sub(last_breach) < timing.keep_firing_for;
                let is_unknown =
                    verdict.is_none() && now.saturating_sub(last_verdict) < timing.forget_after;
                if is_kept || is_unknown {
                    let last_verdict = if verdict.is_some() { now } else { last_verdict };
                    (Self::Firing { since, last_breach, last_verdict }, None)
                } else {
                    (Self::Inactive, Some(Change::Resolved))
                }
            }
        }
    }

    pub(crate) fn is_firing(self) -> bool {
        matches!(self, Self::Firing { .. })
    }

    /// The value of the state's metric.
    pub(crate) fn number(self) -> f64 {
        match self {
            Self::Inactive => 0.0,
            Self::Pending { .. } => 1.0,
            Self::Firing { .. } => 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays one verdict per second: `!` breached, `.` not breached, `?` no verdict. Returns a
    /// letter for each state: `i`, `p` or `f`, in upper case when the alert fires or resolves.
    fn play(hold: u64, keep: u64, forget: u64, verdicts: &str) -> String {
        let timing = Timing {
            hold_for: Duration::from_secs(hold),
            keep_firing_for: Duration::from_secs(keep),
            forget_after: Duration::from_secs(forget),
        };
        let mut state = State::Inactive;
        verdicts
            .chars()
            .enumerate()
            .map(|(second, verdict)| {
                let is_breached = match verdict {
                    '!' => Some(true),
                    '.' => Some(false),
                    _ => None,
                };
                let (next, change) =
                    state.next(timing, is_breached, Duration::from_secs(second as u64));
                state = next;
                let letter = match state {
                    State::Inactive => 'i',
                    State::Pending { .. } => 'p',
                    State::Firing { .. } => 'f',
                };
                match change {
                    Some(Change::Fired) => {
                        assert_eq!(letter, 'f');
                        'F'
                    }
                    Some(Change::Resolved) => {
                        assert_eq!(letter, 'i');
                        'I'
                    }
                    None => letter,
                }
            })
            .collect()
    }

    #[test]
    fn the_states_follow_the_verdicts() {
        for (title, (hold, keep, forget), verdicts, states) in [
            ("fires at once, resolves at once", (0, 0, 0), "..!!..", "iiFfIi"),
            ("fires again after a resolve", (0, 0, 0), "!.!.", "FIFI"),
            ("stays pending for hold_for", (3, 0, 0), "!!!!!.", "pppFfI"),
            ("a verdict without a breach restarts hold_for", (3, 0, 0), "!!.!!!!", "ppipppF"),
            ("a missing verdict restarts hold_for", (3, 0, 0), "!!?!!!!", "ppipppF"),
            ("keeps firing after the last breach", (0, 3, 0), "!...", "FffI"),
            ("a breach restarts keep_firing_for", (0, 3, 0), "!..!...", "FfffffI"),
            ("a pause in the traffic does not resolve", (0, 0, 4), "!???!.", "FffffI"),
            ("a long pause resolves", (0, 0, 4), "!????", "FfffI"),
            ("a verdict after a pause resolves at once", (0, 0, 4), "!?.", "FfI"),
            ("is inactive without any verdict", (0, 0, 4), "???", "iii"),
        ] {
            let played = play(hold, keep, forget, verdicts);
            assert_eq!(played, states, "{title}");
        }
    }
}

//! The key and the title of an alert in a system that manages incidents.

use crate::alert::{Alert, Target};

/// The key by which a receiver deduplicates an alert: its identity in readable form, at most `most`
/// characters. The fingerprint keeps keys distinct if they are cut, or if parts contain spaces.
///
/// The key contains the instance: with a shared key, the first replica to recover would resolve the
/// alert of all of them.
pub(super) fn dedup_key(alert: &Alert, most: usize) -> String {
    let is_readable = |character: char| character.is_ascii_graphic() || character == ' ';
    let readable: String = alert
        .identity_parts()
        .join(" ")
        .chars()
        .map(|character| if is_readable(character) { character } else { '_' })
        .take(most - " 0123456789abcdef".len())
        .collect();
    format!("{readable} {:016x}", alert.fingerprint())
}

/// The title of an incident, which may be read out in a phone call: the service, the rule, the
/// target and the measured value. It contains no status, since it stays when the alert resolves.
pub(super) fn summary(alert: &Alert) -> String {
    let target = match &alert.target {
        Target::Service => String::new(),
        Target::CallSite(_) if alert.group().is_empty() => String::new(),
        _ => format!(" · {}", alert.target_name()),
    };
    let (service, rule) = (&alert.origin.service, &alert.name);
    format!("{service}: {rule}{target}: {} ({})", alert.measured(), alert.condition())
}

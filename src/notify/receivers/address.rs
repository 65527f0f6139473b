//! Tells notifiers of one type apart in the state file, whatever their order.

use std::any::Any;

use ring::digest::{SHA256, digest};

use crate::notify::RepeatEvery;

/// A receiver that knows where it delivers to.
pub(crate) trait Addressed {
    /// The parts that tell it from others of its type; they may hold secrets.
    fn address(&self) -> Vec<String>;
}

/// A hash of the address of a built-in receiver, in hexadecimal; `None` for other types, since a layer shows
/// nothing of the notifier within. It is the same in each process and each build. Half of SHA-256 leaves no way
/// back to the secret within an address.
pub(crate) fn address_hash(notifier: &dyn Any) -> Option<String> {
    let parts = parts(notifier)?;
    let mut text = String::new();
    for part in parts {
        // With its length, so that the parts can't run into each other.
        text.push_str(&format!("{}:{part}", part.len()));
    }
    let hash = digest(&SHA256, text.as_bytes());
    Some(hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn parts(notifier: &dyn Any) -> Option<Vec<String>> {
    #[cfg(feature = "slack")]
    let found =
        of::<crate::notify::Slack>(notifier).or_else(|| of::<crate::notify::SlackBot>(notifier));
    #[cfg(not(feature = "slack"))]
    let found = None;
    #[cfg(feature = "discord")]
    let found = found.or_else(|| of::<crate::notify::Discord>(notifier));
    #[cfg(feature = "teams")]
    let found = found.or_else(|| of::<crate::notify::Teams>(notifier));
    #[cfg(feature = "pagerduty")]
    let found = found.or_else(|| of::<crate::notify::PagerDuty>(notifier));
    #[cfg(feature = "webhook")]
    let found = found.or_else(|| of::<crate::notify::Webhook>(notifier));
    #[cfg(feature = "alertmanager")]
    let found = found.or_else(|| of::<crate::notify::Alertmanager>(notifier));
    #[cfg(feature = "email")]
    let found = found.or_else(|| of::<crate::notify::Email>(notifier));
    found
}

fn of<N: Addressed + 'static>(notifier: &dyn Any) -> Option<Vec<String>> {
    let repeating = || notifier.downcast_ref::<RepeatEvery<N>>().map(RepeatEvery::notifier);
    notifier.downcast_ref::<N>().or_else(repeating).map(N::address)
}

#[cfg(test)]
#[cfg(all(feature = "slack", feature = "pagerduty"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::notify::{Log, NotifierExt, PagerDuty, Slack};

    #[test]
    fn the_hash_of_an_address_never_changes_and_shows_nothing_of_it() {
        let slack =
            |secret| Slack::new(format!("https://hooks.slack.com/services/T/B/{secret}")).unwrap();
        let hash = address_hash(&slack("secret"));
        assert_eq!(hash.as_deref(), Some("cb93e482702b314d80ee4bac99d477c3"));
        assert_ne!(address_hash(&slack("another")), hash);
        let repeating = slack("secret").repeat_every(Duration::from_secs(3_600));
        assert_eq!(address_hash(&repeating), hash);
        let pager = |key: &str| address_hash(&PagerDuty::new(key).unwrap());
        assert_ne!(pager(&"a".repeat(32)), pager(&"b".repeat(32)));
        assert_eq!(address_hash(&Log::new()), None);
    }
}

//! Identifies a receiver in the state file by its address.

use std::any::Any;

use ring::digest::{SHA256, digest};

use crate::notify::RepeatEvery;

/// A receiver that knows where it delivers to.
pub(crate) trait Addressed {
    /// The parts that distinguish it from others of its type. They may be secrets.
    fn address(&self) -> Vec<String>;
}

/// The address of `notifier`, if it is an `N`, by itself or within [`RepeatEvery`].
pub(super) fn of<N: Addressed + 'static>(notifier: &dyn Any) -> Option<Vec<String>> {
    let repeating = || notifier.downcast_ref::<RepeatEvery<N>>().map(RepeatEvery::notifier);
    notifier.downcast_ref::<N>().or_else(repeating).map(N::address)
}

/// Each process and each build computes the same hash. Half of SHA-256 does not reveal the secret
/// within an address.
pub(super) fn hash(parts: &[String]) -> String {
    let mut text = String::new();
    for part in parts {
        // With its length, so that no two lists of parts give the same text.
        text.push_str(&format!("{}:{part}", part.len()));
    }
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[cfg(all(feature = "slack", feature = "pagerduty"))]
mod tests {
    use std::time::Duration;

    use crate::notify::{Log, NotifierExt, PagerDuty, Slack, address_hash};

    #[test]
    fn the_hash_of_an_address_never_changes_and_hides_the_secret() {
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

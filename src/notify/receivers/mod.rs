//! The built-in receivers, and what they share.

#[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
mod address;
pub(super) mod closure;
#[cfg(feature = "toml")]
#[allow(dead_code, unused_imports, reason = "each receiver needs a part of it")]
mod config;
pub(super) mod log;
#[cfg(feature = "webhook")]
pub(super) mod ping;
pub(super) mod prometheus;
#[cfg(feature = "_tls")]
mod tls;

#[cfg(feature = "toml")]
pub(crate) use self::config::{Kind, Receiver};

/// Declares the built-in receivers. From each row it makes the module, the re-export with a line of
/// documentation, the `kind` of the configuration file, and the address in the state file.
macro_rules! receivers {
    ($(
        #[cfg(feature = $feature:literal)]
        mod $module:ident {
            $($name:ident { kind: $kind:literal, delivers_to: $delivers_to:literal })+
        }
        $(with { $($other:ident),+ })?
    )+) => {
        $(
            #[cfg(feature = $feature)]
            mod $module;
        )+

        // The lints find unused shared code in a build with all receivers.
        #[cfg(feature = "_http")]
        #[cfg_attr(
            not(all($(feature = $feature),+)),
            allow(dead_code, unused_imports, unused_macros)
        )]
        pub(super) mod http;
        #[cfg(any(feature = "_http", feature = "email"))]
        #[cfg_attr(not(all($(feature = $feature),+)), allow(dead_code))]
        mod chat;
        #[cfg(feature = "_http")]
        #[cfg_attr(not(all($(feature = $feature),+)), allow(dead_code))]
        mod incident;

        /// The public types of the receivers.
        pub(super) mod public {
            $(
                $(
                    #[cfg(feature = $feature)]
                    #[doc = concat!("Delivers to ", $delivers_to, ".")]
                    ///
                    #[doc = concat!(
                        "Requires the feature `", $feature, "`. In a configuration file: `kind = \"",
                        $kind, "\"`."
                    )]
                    ///
                    pub use super::$module::$name;
                )+
                $(
                    #[cfg(feature = $feature)]
                    pub use super::$module::{$($other),+};
                )?
            )+
        }

        /// Each receiver: its type, feature, kind, and where it delivers to.
        #[cfg(test)]
        const ROWS: &[[&str; 4]] =
            &[$($([stringify!($name), $feature, $kind, $delivers_to]),+),+];

        #[cfg(feature = "toml")]
        pub(crate) const KINDS: &[Kind] = &[
            Kind { name: "log", feature: "", make: Some(config::make::<log::Log>) },
            $($(
                Kind {
                    name: $kind,
                    feature: $feature,
                    #[cfg(feature = $feature)]
                    make: Some(config::make::<$module::$name>),
                    #[cfg(not(feature = $feature))]
                    make: None,
                },
            )+)+
        ];

        /// A hash of the address of a built-in receiver, in hexadecimal. Returns `None` for another
        /// type, since a layer hides the notifier that it wraps.
        #[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
        pub(crate) fn address_hash(notifier: &dyn std::any::Any) -> Option<String> {
            let found = None;
            $($(
                #[cfg(feature = $feature)]
                let found = found.or_else(|| address::of::<$module::$name>(notifier));
            )+)+
            found.map(|parts: Vec<String>| address::hash(&parts))
        }
    };
}

receivers! {
    #[cfg(feature = "slack")]
    mod slack {
        Slack { kind: "slack", delivers_to: "an incoming webhook" }
        SlackBot { kind: "slackbot", delivers_to: "a channel, with a bot token: edits the alert's message, follow-ups in its thread" }
    }
    #[cfg(feature = "discord")]
    mod discord {
        Discord { kind: "discord", delivers_to: "a webhook" }
    }
    #[cfg(feature = "teams")]
    mod teams {
        Teams { kind: "teams", delivers_to: "the webhook of a workflow, as an adaptive card" }
    }
    #[cfg(feature = "pagerduty")]
    mod pagerduty {
        PagerDuty { kind: "pagerduty", delivers_to: "the Events API v2: triggers and resolves" }
    }
    #[cfg(feature = "opsgenie")]
    mod opsgenie {
        Opsgenie { kind: "opsgenie", delivers_to: "the Alert API v2: creates and closes" }
    }
    #[cfg(feature = "webhook")]
    mod webhook {
        Webhook { kind: "webhook", delivers_to: "any URL, in the format of Alertmanager's webhook" }
    }
    #[cfg(feature = "alertmanager")]
    mod alertmanager {
        Alertmanager { kind: "alertmanager", delivers_to: "each member of a cluster" }
    }
    #[cfg(feature = "email")]
    mod email {
        Email { kind: "email", delivers_to: "a mail server, by SMTP with TLS" }
    }
    with { EmailBuilder, EmailError }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables for people have the same rows as the code.
    #[test]
    fn each_receiver_has_a_row_in_the_readme_in_the_guide_and_in_the_docs_of_the_file() {
        let readme = include_str!("../../../README.md");
        let guide = include_str!("../../guide/notifiers.md");
        let config = include_str!("../../config/mod.rs");
        for [name, feature, kind, delivers_to] in ROWS {
            let row = format!("{name}` | `{feature}` | {delivers_to} |\n");
            for (page, text) in [("README.md", readme), ("guide/notifiers.md", guide)] {
                assert!(text.contains(&row), "{page} has no row with {row}");
            }
            let mut kinds = config.lines().filter(|line| line.starts_with("//! | `"));
            assert!(kinds.any(|row| row.contains(&format!("`{kind}`"))), "no keys of {kind}");
        }
    }
}

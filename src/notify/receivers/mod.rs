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

/// Declares the built-in receivers. From each row it makes the module, the re-export with its
/// documentation, the row of the guide's table, the `kind` of the configuration file, and the
/// address in the state file. The receiver's folder has a file `KIND.toml` with its keys.
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
                    #[doc = concat!("Requires the feature `", $feature, "`.")]
                    /// In a [configuration file][file]:
                    ///
                    /// ```toml
                    #[doc = include_str!(concat!(stringify!($module), "/", $kind, ".toml"))]
                    /// ```
                    ///
                    /// [file]: crate::guide::operations#put-rules-and-notifiers-into-a-file
                    ///
                    pub use super::$module::$name;
                )+
                $(
                    #[cfg(feature = $feature)]
                    pub use super::$module::{$($other),+};
                )?
            )+
        }

        /// The receivers as a table for people, with the type, feature, kind, and where it delivers
        /// to.
        macro_rules! receiver_table {
            () => {
                concat!(
                    "| notifier | feature | `kind` | delivers to |\n|---|---|---|---|\n",
                    $($(
                        "| `notify::", stringify!($name), "` | `", $feature, "` | `", $kind, "` | ",
                        $delivers_to, " |\n",
                    )+)+
                )
            };
        }
        pub(crate) use receiver_table;

        /// Each receiver: its type, feature, and where it delivers to.
        #[cfg(test)]
        const ROWS: &[[&str; 3]] = &[$($([stringify!($name), $feature, $delivers_to]),+),+];

        /// The keys of each receiver: its kind and its file.
        #[cfg(all(test, feature = "toml"))]
        pub(crate) const EXAMPLES: &[[&str; 2]] = &[
            $($([
                $kind,
                include_str!(concat!(stringify!($module), "/", $kind, ".toml")),
            ]),+),+
        ];

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
    #[cfg(feature = "telegram")]
    mod telegram {
        Telegram { kind: "telegram", delivers_to: "a chat, through a bot: edits the alert's message, follow-ups as replies" }
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

    /// README can't include the table of the code, so it has a copy.
    #[test]
    fn each_receiver_has_a_row_in_the_readme() {
        let readme = include_str!("../../../README.md");
        for [name, feature, delivers_to] in ROWS {
            let row = format!("{name}` | `{feature}` | {delivers_to} |\n");
            assert!(readme.contains(&row), "README.md has no row with {row}");
        }
        let table = receiver_table!();
        assert!(table.contains("| `notify::Slack` | `slack` | `slack` | an incoming webhook |\n"));
    }
}

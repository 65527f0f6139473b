//! The built-in receivers, and what they share.

#[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
mod address;
pub(super) mod closure;
#[cfg(feature = "toml")]
#[allow(dead_code, reason = "each receiver needs a part of it")]
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
        #[cfg(any(feature = "_http", feature = "email"))]
        #[cfg_attr(not(all($(feature = $feature),+)), allow(dead_code))]
        mod stable_hash;

        /// The public types of the receivers.
        pub(super) mod public {
            $(
                $(
                    #[cfg(feature = $feature)]
                    #[doc = concat!("Delivers to ", $delivers_to, ".")]
                    ///
                    #[doc = concat!(
                        "Requires the feature `", $feature, "`. In a [configuration file](",
                        "crate::guide::operations): `kind = \"", $kind, "\"`."
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

        /// A hash of the address of a built-in receiver, in hexadecimal. Returns `None` for another type,
        /// since a layer hides the notifier that it wraps.
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
        Slack { kind: "slack", delivers_to: "an incoming webhook of Slack" }
        SlackBot { kind: "slackbot", delivers_to: "a Slack channel, with a bot token" }
    }
    #[cfg(feature = "discord")]
    mod discord {
        Discord { kind: "discord", delivers_to: "a webhook of Discord" }
    }
    #[cfg(feature = "teams")]
    mod teams {
        Teams { kind: "teams", delivers_to: "the webhook of a Teams workflow" }
    }
    #[cfg(feature = "pagerduty")]
    mod pagerduty {
        PagerDuty { kind: "pagerduty", delivers_to: "PagerDuty's Events API v2" }
    }
    #[cfg(feature = "webhook")]
    mod webhook {
        Webhook { kind: "webhook", delivers_to: "any URL, in the format of Alertmanager's webhook" }
    }
    #[cfg(feature = "alertmanager")]
    mod alertmanager {
        Alertmanager { kind: "alertmanager", delivers_to: "each member of an Alertmanager cluster" }
    }
    #[cfg(feature = "email")]
    mod email {
        Email { kind: "email", delivers_to: "a mail server, by SMTP with TLS" }
    }
    with { EmailBuilder, EmailError }
}

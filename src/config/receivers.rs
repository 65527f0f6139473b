//! The kinds of notifiers, and the keys of each.

use std::fmt;

use toml::de::DeValue;
use tower::{BoxError, Service, ServiceExt, util::BoxCloneService};

use super::{
    document::Section,
    secret::{FIX, Secrets},
    value,
};
use crate::notify::{self, Delivered, Notification};

/// A notifier of any kind. Clones are the fallbacks of other notifiers.
pub(super) type Receiver = BoxCloneService<Notification, Delivered, BoxError>;

/// Creates a notifier from its section. Returns `None` if a problem is recorded.
type Make = fn(&mut Section<'_>, &Secrets<'_>) -> Option<Receiver>;

/// Each kind with the feature that it needs, if any.
const KINDS: [(&str, &str); 9] = [
    ("log", ""),
    ("slack", "slack"),
    ("slackbot", "slack"),
    ("discord", "discord"),
    ("teams", "teams"),
    ("pagerduty", "pagerduty"),
    ("webhook", "webhook"),
    ("alertmanager", "alertmanager"),
    ("email", "email"),
];

/// Reads the kind of a section, and returns its constructor.
pub(super) fn kind(section: &mut Section<'_>) -> Option<(&'static str, Make)> {
    section.require("kind", "set one such as \"slack\"", |value| {
        let kind = value::one_of(value, &KINDS.map(|(kind, _)| kind))?;
        let make: Make = match kind {
            "log" => |_, _| boxed(Some(notify::Log::new())),
            #[cfg(feature = "slack")]
            "slack" => |section, secrets| {
                let slack = by_secret(section, secrets, "url", notify::Slack::new);
                let slack = set(section, slack, "mention", value::text, notify::Slack::mention);
                http(section, secrets, slack)
            },
            #[cfg(feature = "slack")]
            "slackbot" => slack_bot,
            #[cfg(feature = "discord")]
            "discord" => |section, secrets| {
                let discord = by_secret(section, secrets, "url", notify::Discord::new);
                let discord =
                    set(section, discord, "mention", value::text, notify::Discord::mention);
                http(section, secrets, discord)
            },
            #[cfg(feature = "teams")]
            "teams" => |section, secrets| {
                let teams = by_secret(section, secrets, "url", notify::Teams::new);
                let teams = set(section, teams, "mention", value::text, notify::Teams::mention);
                http(section, secrets, teams)
            },
            #[cfg(feature = "pagerduty")]
            "pagerduty" => pagerduty,
            #[cfg(feature = "webhook")]
            "webhook" => webhook,
            #[cfg(feature = "alertmanager")]
            "alertmanager" => alertmanager,
            #[cfg(feature = "email")]
            "email" => email,
            _ => {
                let is_it = |(name, _): &&(&str, &str)| *name == kind;
                let feature = KINDS.iter().find(is_it).map_or(kind, |(_, feature)| feature);
                return Err(format!(
                    "{kind:?} is not compiled in: enable the feature {feature:?} of tower-lookout"
                ));
            }
        };
        Ok((kind, make))
    })
}

#[cfg(feature = "slack")]
fn slack_bot(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Receiver> {
    let token = section.require("token", FIX, |value| secrets.secret(value));
    let channel = section.require("channel", "set one such as \"#alerts\"", value::text);
    let made = token.zip(channel).map(|(token, channel)| notify::SlackBot::new(token, channel));
    let bot = made.and_then(|made| made_of(section, made));
    let read = |value: &DeValue<'_>| secrets.public(value);
    let bot = set(section, bot, "mention", value::text, notify::SlackBot::mention);
    let bot = set(section, bot, "url", read, notify::SlackBot::url);
    http(section, secrets, bot)
}

#[cfg(feature = "pagerduty")]
fn pagerduty(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Receiver> {
    let pagerduty = by_secret(section, secrets, "routing_key", notify::PagerDuty::new);
    let read = |value: &DeValue<'_>| secrets.public(value);
    let pagerduty = set(section, pagerduty, "url", read, notify::PagerDuty::url);
    http(section, secrets, pagerduty)
}

#[cfg(feature = "webhook")]
fn webhook(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Receiver> {
    let webhook = by_secret(section, secrets, "url", notify::Webhook::new);
    let read = |value: &DeValue<'_>| secrets.table(value);
    let webhook = set(section, webhook, "headers", read, |webhook, headers| {
        headers.iter().try_fold(webhook, |made, (name, value)| made.header(name, value))
    });
    http(section, secrets, webhook)
}

#[cfg(feature = "alertmanager")]
fn alertmanager(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Receiver> {
    let fix = "set the URL of each, such as [\"http://am-1:9093\"]";
    let alertmanager = section.require("members", fix, |value| {
        let members = value::list(value, |value| secrets.public(value))?;
        notify::Alertmanager::new(members).map_err(|error| error.to_string())
    });
    let read = |value: &DeValue<'_>| secrets.table(value);
    let alertmanager = set(section, alertmanager, "headers", read, |alertmanager, headers| {
        headers.iter().try_fold(alertmanager, |made, (name, value)| made.header(name, value))
    });
    let every = |alertmanager: notify::Alertmanager, every| {
        Ok::<_, BoxError>(alertmanager.resend_every(every))
    };
    let alertmanager = set(section, alertmanager, "resend_every", value::duration, every);
    http(section, secrets, alertmanager)
}

#[cfg(feature = "email")]
fn email(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Receiver> {
    let public = |value: &DeValue<'_>| secrets.public(value);
    let server = section.require("server", "set one such as \"smtp://mail.internal\"", public);
    let address = "set a mail address";
    let from = section.require("from", address, value::text);
    let to = section.require("to", address, |value| value::list(value, value::text));
    // Without its password, the user is not a secret.
    let user = section.read("user", |value| match value {
        DeValue::String(_) => value::text(value),
        _ => secrets.secret(value),
    });
    let password = section.read("password", |value| secrets.secret(value));
    let hello_name = section.read("hello_name", value::text);
    let root_certificate = section.read("root_certificate", public);
    let has_bundled_roots = bundled_roots(section);
    let identity = client_identity(section, secrets);
    if user.is_some() != password.is_some() {
        section.report("has only one of user and password: set both, or neither");
    }
    let mut builder = notify::Email::builder(server?, from?, to?);
    if let Some((user, password)) = user.zip(password) {
        builder = builder.credentials(user, password);
    }
    if let Some(name) = hello_name {
        builder = builder.hello_name(name);
    }
    if let Some(certificate) = root_certificate {
        builder = builder.root_certificate(certificate);
    }
    builder = match has_bundled_roots {
        #[cfg(feature = "bundled-roots")]
        true => builder.bundled_roots(),
        _ => builder,
    };
    if let Some((certificate, key)) = identity {
        builder = builder.client_identity(certificate, key);
    }
    boxed(made_of(section, builder.build()))
}

/// Reads the TLS settings that all HTTP notifiers share.
#[cfg(feature = "_http")]
fn http<N>(
    section: &mut Section<'_>,
    secrets: &Secrets<'_>,
    notifier: Option<N>,
) -> Option<Receiver>
where
    N: notify::HttpReceiver + Service<Notification> + Clone + Send + 'static,
    N::Response: Into<Delivered>,
    N::Error: Into<BoxError>,
    N::Future: Send + 'static,
{
    let public = |value: &DeValue<'_>| secrets.public(value);
    let notifier = match bundled_roots(section) {
        #[cfg(feature = "bundled-roots")]
        true => notifier.map(N::trust_bundled_roots),
        _ => notifier,
    };
    let notifier = set(section, notifier, "root_certificate", public, |notifier, pem| {
        notifier.trust_root(pem.as_bytes())
    });
    let position = section.position_of("client_certificate");
    let identity = client_identity(section, secrets);
    let Some((certificate, key)) = identity else { return boxed(notifier) };
    let identified = notifier?.identify(certificate.as_bytes(), key.as_bytes());
    let report = |error: notify::AddressError| {
        section.report_key(position, "client_certificate", &error.to_string());
    };
    boxed(identified.map_err(report).ok())
}

/// Whether a notifier also trusts Mozilla's root certificates.
#[cfg(feature = "_tls")]
fn bundled_roots(section: &mut Section<'_>) -> bool {
    let read = |value: &DeValue<'_>| match value::flag(value)? {
        true if !cfg!(feature = "bundled-roots") => {
            Err("is not compiled in: enable the feature \"bundled-roots\" of tower-lookout"
                .to_owned())
        }
        is_on => Ok(is_on),
    };
    section.read("bundled_roots", read) == Some(true)
}

/// Reads a client certificate and its key.
#[cfg(feature = "_tls")]
fn client_identity(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<(String, String)> {
    let certificate = section.read("client_certificate", |value| secrets.public(value));
    let key = section.read("client_key", |value| secrets.secret(value));
    if certificate.is_some() != key.is_some() {
        let problem = "has only one of client_certificate and client_key: set both, or neither";
        section.report(problem);
    }
    certificate.zip(key)
}

/// Creates a notifier from one secret.
fn by_secret<N, E: fmt::Display>(
    section: &mut Section<'_>,
    secrets: &Secrets<'_>,
    key: &'static str,
    make: impl FnOnce(String) -> Result<N, E>,
) -> Option<N> {
    section
        .require(key, FIX, |value| make(secrets.secret(value)?).map_err(|error| error.to_string()))
}

/// Unwraps a notifier made from several keys, or records the problem.
fn made_of<N, E: fmt::Display>(section: &Section<'_>, made: Result<N, E>) -> Option<N> {
    made.map_err(|error| section.report(&error.to_string())).ok()
}

/// Applies a key's value to the notifier, if the section has the key.
fn set<N, T, E: fmt::Display>(
    section: &mut Section<'_>,
    notifier: Option<N>,
    key: &'static str,
    read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    set: impl FnOnce(N, T) -> Result<N, E>,
) -> Option<N> {
    let position = section.position_of(key);
    let Some(value) = section.read(key, read) else { return notifier };
    let set = set(notifier?, value);
    set.map_err(|error| section.report_key(position, key, &error.to_string())).ok()
}

fn boxed<N>(notifier: Option<N>) -> Option<Receiver>
where
    N: Service<Notification> + Clone + Send + 'static,
    N::Response: Into<Delivered>,
    N::Error: Into<BoxError>,
    N::Future: Send + 'static,
{
    notifier
        .map(|notifier| BoxCloneService::new(notifier.map_response(Into::into).map_err(Into::into)))
}

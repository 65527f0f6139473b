use toml::de::DeValue;

use super::Webhook;
use crate::{
    document::{Secrets, Section},
    notify::receivers::config::{FromSection, by_secret, http, set},
};

impl FromSection for Webhook {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let webhook = by_secret(section, secrets, "url", Self::new);
        let read = |value: &DeValue<'_>| secrets.table(value);
        let webhook = set(section, webhook, "headers", read, |webhook, headers| {
            headers.iter().try_fold(webhook, |made, (name, value)| made.header(name, value))
        });
        http(section, secrets, webhook)
    }
}

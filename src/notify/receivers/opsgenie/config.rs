use toml::de::DeValue;

use super::Opsgenie;
use crate::{
    document::{Secrets, Section},
    notify::receivers::config::{FromSection, by_secret, http, set},
};

impl FromSection for Opsgenie {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let opsgenie = by_secret(section, secrets, "api_key", Self::new);
        let read = |value: &DeValue<'_>| secrets.public(value);
        let opsgenie = set(section, opsgenie, "url", read, Self::url);
        http(section, secrets, opsgenie)
    }
}

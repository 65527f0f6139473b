use toml::de::DeValue;

use super::PagerDuty;
use crate::{
    document::{Secrets, Section},
    notify::receivers::config::{FromSection, by_secret, http, set},
};

impl FromSection for PagerDuty {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let pagerduty = by_secret(section, secrets, "routing_key", Self::new);
        let read = |value: &DeValue<'_>| secrets.public(value);
        let pagerduty = set(section, pagerduty, "url", read, Self::url);
        http(section, secrets, pagerduty)
    }
}

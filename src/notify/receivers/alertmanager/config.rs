use toml::de::DeValue;
use tower::BoxError;

use super::Alertmanager;
use crate::{
    document::{Secrets, Section, value},
    notify::receivers::config::{FromSection, http, set},
};

impl FromSection for Alertmanager {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let fix = "set the URL of each, such as [\"http://am-1:9093\"]";
        let alertmanager = section.require("members", fix, |value| {
            let members = value::list(value, |value| secrets.public(value))?;
            Self::new(members).map_err(|error| error.to_string())
        });
        let read = |value: &DeValue<'_>| secrets.table(value);
        let alertmanager = set(section, alertmanager, "headers", read, |alertmanager, headers| {
            headers.iter().try_fold(alertmanager, |made, (name, value)| made.header(name, value))
        });
        let every = |alertmanager: Self, every| Ok::<_, BoxError>(alertmanager.resend_every(every));
        let alertmanager = set(section, alertmanager, "resend_every", value::duration, every);
        http(section, secrets, alertmanager)
    }
}

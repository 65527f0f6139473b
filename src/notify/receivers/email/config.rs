use toml::de::DeValue;

use super::Email;
use crate::{
    document::{Secrets, Section, value},
    notify::receivers::config::{FromSection, bundled_roots, client_identity, made},
};

impl FromSection for Email {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
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
        let mut builder = Self::builder(server?, from?, to?);
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
        made(section, builder.build())
    }
}

//! Reads receivers from the sections of a configuration file.

use std::fmt;

use toml::de::DeValue;
use tower::{BoxError, Service, ServiceExt, util::BoxCloneService};

#[cfg(feature = "_http")]
use super::http::{AddressError, HttpReceiver};
use crate::{
    document::{FIX, Secrets, Section, value},
    notify::{Delivered, Notification},
};

/// A receiver of any kind. Several notifiers may fall back to clones of it.
pub(crate) type Receiver = BoxCloneService<Notification, Delivered, BoxError>;

/// A receiver's `kind` in a configuration file.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The feature that it needs, or an empty text.
    pub(crate) feature: &'static str,
    /// `None` in a build without the feature.
    pub(crate) make: Option<Make>,
}

/// Makes a receiver from its section; `None` after it has noted a problem there.
type Make = fn(&mut Section<'_>, &Secrets<'_>) -> Option<Receiver>;

/// A receiver that a configuration file can describe.
pub(super) trait FromSection: Sized {
    /// Reads the keys of a section. Returns `None` after it has noted a problem there.
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self>;
}

pub(super) fn make<N>(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Receiver>
where
    N: FromSection + Service<Notification> + Clone + Send + 'static,
    N::Response: Into<Delivered>,
    N::Error: Into<BoxError>,
    N::Future: Send + 'static,
{
    let receiver = N::from_section(section, secrets)?;
    Some(BoxCloneService::new(receiver.map_response(Into::into).map_err(Into::into)))
}

/// Reads the keys that all HTTP receivers have.
#[cfg(feature = "_http")]
pub(super) fn http<N: HttpReceiver>(
    section: &mut Section<'_>,
    secrets: &Secrets<'_>,
    receiver: Option<N>,
) -> Option<N> {
    let public = |value: &DeValue<'_>| secrets.public(value);
    let receiver = match bundled_roots(section) {
        #[cfg(feature = "bundled-roots")]
        true => receiver.map(N::trust_bundled_roots),
        _ => receiver,
    };
    let receiver = set(section, receiver, "root_certificate", public, |receiver, pem| {
        receiver.trust_root(pem.as_bytes())
    });
    let position = section.position_of("client_certificate");
    let identity = client_identity(section, secrets);
    let Some((certificate, key)) = identity else { return receiver };
    let identified = receiver?.identify(certificate.as_bytes(), key.as_bytes());
    let report = |error: AddressError| {
        section.report_key(position, "client_certificate", &error.to_string());
    };
    identified.map_err(report).ok()
}

/// Whether the receiver also trusts Mozilla's root certificates.
#[cfg(feature = "_tls")]
pub(super) fn bundled_roots(section: &mut Section<'_>) -> bool {
    let read = |value: &DeValue<'_>| match value::flag(value)? {
        true if !cfg!(feature = "bundled-roots") => {
            Err("is not compiled in: enable the feature \"bundled-roots\" of tower-lookout"
                .to_owned())
        }
        is_on => Ok(is_on),
    };
    section.read("bundled_roots", read) == Some(true)
}

/// A client certificate and its key.
#[cfg(feature = "_tls")]
pub(super) fn client_identity(
    section: &mut Section<'_>,
    secrets: &Secrets<'_>,
) -> Option<(String, String)> {
    let certificate = section.read("client_certificate", |value| secrets.public(value));
    let key = section.read("client_key", |value| secrets.secret(value));
    if certificate.is_some() != key.is_some() {
        let problem = "has only one of client_certificate and client_key: set both, or neither";
        section.report(problem);
    }
    certificate.zip(key)
}

/// Makes a receiver from one secret.
pub(super) fn by_secret<N, E: fmt::Display>(
    section: &mut Section<'_>,
    secrets: &Secrets<'_>,
    key: &'static str,
    make: impl FnOnce(String) -> Result<N, E>,
) -> Option<N> {
    section
        .require(key, FIX, |value| make(secrets.secret(value)?).map_err(|error| error.to_string()))
}

/// The receiver that was made from several keys; notes the error otherwise.
pub(super) fn made<N, E: fmt::Display>(section: &Section<'_>, made: Result<N, E>) -> Option<N> {
    made.map_err(|error| section.report(&error.to_string())).ok()
}

/// Applies an optional key.
pub(super) fn set<N, T, E: fmt::Display>(
    section: &mut Section<'_>,
    receiver: Option<N>,
    key: &'static str,
    read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    set: impl FnOnce(N, T) -> Result<N, E>,
) -> Option<N> {
    let position = section.position_of(key);
    let Some(value) = section.read(key, read) else { return receiver };
    let set = set(receiver?, value);
    set.map_err(|error| section.report_key(position, key, &error.to_string())).ok()
}

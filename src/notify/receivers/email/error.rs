use tower::BoxError;

use crate::causes::debug_as_display;

/// An invalid setting of an [`Email`](super::Email). The message contains no part of the server's
/// address, since it may contain a password.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EmailError {
    /// The server's address is invalid.
    #[error(
        "the mail server's address {problem}: \
         use one such as smtp://user:password@mail.example.com:587"
    )]
    #[non_exhaustive]
    Server {
        /// The problem with the address.
        problem: &'static str,
    },
    /// The address of the sender or of a recipient is invalid.
    #[error("the {field} {value:?} {problem}: use one such as Alerts <alerts@example.com>")]
    #[non_exhaustive]
    Mailbox {
        /// `sender` or `recipient`.
        field: &'static str,
        /// The address.
        value: String,
        /// The problem with the address.
        problem: &'static str,
    },
    /// There is no recipient.
    #[error("there is no recipient: add at least one, such as oncall@example.com")]
    NoRecipient,
    /// The name for `EHLO` is invalid.
    #[error("the hello name {value:?} is not a host name: use one such as orders.example.com")]
    #[non_exhaustive]
    HelloName {
        /// The name.
        value: String,
    },
    /// A root certificate, or a client certificate or its key, is invalid.
    #[error("the {item} for the mail server {problem}")]
    #[non_exhaustive]
    Certificate {
        /// `root certificate` or `client certificate`.
        item: &'static str,
        /// The problem with the certificate.
        problem: &'static str,
    },
    /// TLS can't be set up, in most cases since the host has no root certificates.
    #[error(
        "no TLS for the mail server: install the host's root certificates (ca-certificates), or set \
         root_certificate or bundled_roots"
    )]
    #[non_exhaustive]
    Tls {
        /// The error of the TLS library.
        source: BoxError,
    },
}

debug_as_display!(EmailError);

use tower::BoxError;

use crate::causes::debug_as_display;

/// The reason why an [`Email`](super::Email) can't be made. Its text contains no part of the server's
/// address, which contains a password.
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
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The address of the sender or of a recipient is invalid.
    #[error("the {field} {value:?} {problem}: use one such as Alerts <alerts@example.com>")]
    #[non_exhaustive]
    Mailbox {
        /// `sender` or `recipient`.
        field: &'static str,
        /// The address as it was given.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no recipient.
    #[error("there is no recipient: give at least one, such as oncall@example.com")]
    NoRecipient,
    /// The name for `EHLO` is invalid.
    #[error("the hello name {value:?} is no host's name: use one such as orders.example.com")]
    #[non_exhaustive]
    HelloName {
        /// The name as it was given.
        value: String,
    },
    /// A root certificate, or a client certificate with its key, can't be used.
    #[error("the {what} for the mail server {problem}")]
    #[non_exhaustive]
    Certificate {
        /// `root certificate` or `client certificate`.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// TLS can't be set up, mostly since the host has no root certificates.
    #[error(
        "no TLS for the mail server: install the host's root certificates (ca-certificates), or give \
         some by root_certificate or bundled_roots"
    )]
    #[non_exhaustive]
    Tls {
        /// The error of the TLS library.
        source: BoxError,
    },
}

debug_as_display!(EmailError);

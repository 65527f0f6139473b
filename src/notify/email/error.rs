use tower::BoxError;

use crate::causes::debug_as_display;

/// Why an [`Email`](super::Email) can't be made. Its text holds no part of the server's address, which
/// has a password in it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EmailError {
    /// The server's address is not one.
    #[error(
        "the mail server's address {problem}: \
         use one such as smtp://user:password@mail.example.com:587"
    )]
    #[non_exhaustive]
    Server {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The sender or a recipient is no mail address.
    #[error("the {field} {value:?} {problem}: use one such as Alerts <alerts@example.com>")]
    #[non_exhaustive]
    Mailbox {
        /// Whose address it is.
        field: &'static str,
        /// The address as it was given.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is nobody to send to.
    #[error("there is no recipient: give at least one, such as oncall@example.com")]
    NoRecipient,
    /// The name to greet by is none.
    #[error("the hello name {value:?} is no host's name: use one such as orders.example.com")]
    #[non_exhaustive]
    HelloName {
        /// The name as it was given.
        value: String,
    },
    /// A root certificate is none.
    #[error("the root certificate {problem}: use the PEM text, -----BEGIN CERTIFICATE----- …")]
    #[non_exhaustive]
    RootCertificate {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no TLS client, mostly since the host has no root certificates.
    #[error(
        "no TLS for the mail server: install the host's root certificates (ca-certificates), or give \
         the server's own by root_certificate"
    )]
    #[non_exhaustive]
    Tls {
        /// What the TLS library says.
        source: BoxError,
    },
}

debug_as_display!(EmailError);

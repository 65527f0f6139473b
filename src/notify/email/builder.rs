use std::fmt;

use lettre::{
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, TlsParameters},
        extension::ClientId,
    },
};

use super::{
    Email, EmailError,
    outbox::Outbox,
    server::{Security, Server},
    session::{Session, Tls},
};

/// The settings of an [`Email`]; [`build`](Self::build) checks them.
///
/// # Examples
///
/// ```no_run
/// use tower_lookout::notify::Email;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let email = Email::builder("smtp://mail.internal", "orders@internal", ["oncall@internal"])
///     .credentials("orders", std::env::var("SMTP_PASSWORD")?)
///     .root_certificate(std::fs::read("internal-ca.pem")?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is sent before `build`"]
pub struct EmailBuilder {
    server: String,
    from: String,
    to: Vec<String>,
    credentials: Option<Credentials>,
    roots: Vec<Vec<u8>>,
    hello_name: Option<String>,
}

impl EmailBuilder {
    pub(super) fn new(server: String, from: String, to: Vec<String>) -> Self {
        Self { server, from, to, credentials: None, roots: Vec::new(), hello_name: None }
    }

    /// User and password as they are, in place of those in the address. Defaults to the address's.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(user.into(), password.into()));
        self
    }

    /// Trusts these certificates, in PEM, beside the host's own: for a server with a private authority.
    /// May be called for each. Defaults to none.
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.roots.push(pem.as_ref().to_vec());
        self
    }

    /// The name by which the server is greeted (`EHLO`), for one that asks for a host's real name.
    /// Defaults to `[127.0.0.1]`.
    pub fn hello_name(mut self, name: impl Into<String>) -> Self {
        self.hello_name = Some(name.into());
        self
    }

    /// Checks the settings; nobody is asked yet.
    ///
    /// # Errors
    ///
    /// An [`EmailError`] that names the setting, and the mend.
    pub fn build(self) -> Result<Email, EmailError> {
        let mut server = Server::parse(&self.server)?;
        server.credentials = self.credentials.or(server.credentials);
        server.check()?;
        let from = mailbox("sender", &self.from)?;
        let to: Vec<_> =
            self.to.iter().map(|to| mailbox("recipient", to)).collect::<Result<_, _>>()?;
        if to.is_empty() {
            return Err(EmailError::NoRecipient);
        }
        let hello = self.hello_name.map_or(Ok(ClientId::default()), hello)?;
        let tls = match server.security {
            Security::StartTls => Tls::Start(tls(&server.host, &self.roots)?),
            Security::Implicit => Tls::Implicit(tls(&server.host, &self.roots)?),
            Security::Plain => Tls::None,
        };
        let Server { host, port, credentials, .. } = server;
        let session = Session { host, port, tls, credentials, hello };
        let outbox = Outbox::new(to.len());
        Ok(Email { session, from, to, outbox })
    }
}

impl fmt::Debug for EmailBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailBuilder")
            .field("server", &"***")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("hello_name", &self.hello_name)
            .finish_non_exhaustive()
    }
}

fn mailbox(field: &'static str, value: &str) -> Result<Mailbox, EmailError> {
    let refused = |problem| EmailError::Mailbox { field, value: value.to_owned(), problem };
    let mailbox: Mailbox = value.trim().parse().map_err(|_| refused("is no mail address"))?;
    // It would need a server that takes such addresses, which few do. A name may have any letters.
    if !AsRef::<str>::as_ref(&mailbox.email).is_ascii() {
        return Err(refused("has letters outside of ASCII in its address"));
    }
    Ok(mailbox)
}

fn hello(value: String) -> Result<ClientId, EmailError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    if value.is_empty() || !value.bytes().all(is_name) {
        return Err(EmailError::HelloName { value });
    }
    Ok(ClientId::Domain(value))
}

/// TLS by ring, unless the process has chosen a provider; none is chosen for it.
fn tls(host: &str, roots: &[Vec<u8>]) -> Result<TlsParameters, EmailError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    for pem in roots {
        let refused = |problem| EmailError::RootCertificate { problem };
        let text = String::from_utf8_lossy(pem);
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Err(refused("holds no certificate"));
        }
        let root = Certificate::from_pem(pem).map_err(|_| refused("can't be read"))?;
        builder = builder.add_root_certificate(root);
    }
    builder.build_rustls().map_err(|source| EmailError::Tls { source: source.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(from: &str, to: &[&str]) -> Result<Email, EmailError> {
        Email::new("smtp://u:s3cret@localhost?tls=none", from, to.iter().copied())
    }

    #[test]
    fn what_can_make_no_mail_is_refused_with_the_field_the_value_and_the_mend() {
        let to = ["oncall@example.com"];
        for (refused, says) in [
            (build("", &to), "the sender \"\" is no mail address: use one such as"),
            (build("alerts", &to), "the sender \"alerts\" is no"),
            (build("a@b.c\r\nBcc: d@e.f", &to), "the sender"),
            (build("größe@example.com", &to), "letters outside of ASCII"),
            (build("a@example.com", &["b@"]), "the recipient \"b@\" is no"),
            (build("a@example.com", &[]), "there is no recipient"),
        ] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
            assert!(!refused.contains("s3cret"));
        }
        build("Größe <a@example.com>", &["\"On, call\" <b@example.com>"]).unwrap();

        let builder = || Email::builder("smtp://localhost", "a@b.example", ["c@d.example"]);
        for (refused, says) in [
            (builder().hello_name("a\r\nb").build(), "the hello name \"a\\r\\nb\" is no"),
            (builder().root_certificate("none").build(), "holds no certificate"),
            (
                builder().root_certificate("-----BEGIN CERTIFICATE-----\n*").build(),
                "the root certificate",
            ),
        ] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
        let plain = Email::builder("smtp://mail?tls=none", "a@b.example", ["c@d.example"]);
        let refused = plain.credentials("u", "s3cret").build().unwrap_err().to_string();
        assert!(refused.contains("without TLS") && !refused.contains("s3cret"), "{refused}");
    }

    #[test]
    fn no_password_is_in_debug_output() {
        let builder = Email::builder("smtp://u:s3cret@localhost", "a@b.example", ["c@d.example"])
            .credentials("u", "s3cret");
        let debug = format!("{builder:?}");
        let debug = format!("{debug} {:?}", builder.build().unwrap());
        assert!(!debug.contains("s3cret") && debug.contains("localhost"), "{debug}");
    }
}

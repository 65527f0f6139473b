use std::net::IpAddr;

use lettre::transport::smtp::authentication::Credentials;
use percent_encoding::percent_decode_str;
use url::Url;

use super::EmailError;

/// A mail server, parsed from its URL.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) credentials: Option<Credentials>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// After `STARTTLS`, before any other command.
    StartTls,
    /// With the connection.
    Implicit,
    /// Never.
    Plain,
}

impl Server {
    pub(super) fn parse(address: &str) -> Result<Self, EmailError> {
        let invalid = |problem| EmailError::Server { problem };
        let address = address.trim();
        if address.is_empty() {
            return Err(invalid("is empty"));
        }
        let url: Url = address.parse().map_err(|_| invalid("is not a URL"))?;
        let security = match (url.scheme(), url.query()) {
            ("smtp", None | Some("tls=required")) => Security::StartTls,
            ("smtp", Some("tls=none")) => Security::Plain,
            ("smtps", None) => Security::Implicit,
            ("smtp", _) => return Err(invalid("has a query other than ?tls=none")),
            ("smtps", _) => return Err(invalid("has a query, which smtps:// does not support")),
            _ => return Err(invalid("is neither smtp nor smtps")),
        };
        // An unencoded `/` or `#` in a password ends the host.
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(invalid(
                "has a path (encode / as %2F, # as %23, ? as %3F and @ as %40 in a password)",
            ));
        }
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(invalid("has no host"));
        }
        let decoded = |text| {
            let text = percent_decode_str(text).decode_utf8().map(String::from);
            text.map_err(|_| invalid("has a user or password that is not UTF-8"))
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (_, None | Some("")) => return Err(invalid("has a user without a password")),
            ("", Some(_)) => return Err(invalid("has a password without a user")),
            (user, Some(password)) => Some(Credentials::new(decoded(user)?, decoded(password)?)),
        };
        let port = url.port().unwrap_or(match security {
            Security::StartTls => 587,
            Security::Implicit => 465,
            Security::Plain => 25,
        });
        Ok(Self { host, port, security, credentials })
    }

    /// Rejects a password without TLS, since others on the network could read it.
    pub(super) fn check(&self) -> Result<(), EmailError> {
        let is_open = self.security == Security::Plain && !is_loopback(&self.host);
        if is_open && self.credentials.is_some() {
            let problem = "would send a password without TLS (remove ?tls=none)";
            return Err(EmailError::Server { problem });
        }
        Ok(())
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_sets_host_port_and_tls() {
        for (address, host, port, security) in [
            ("smtp://mail.example.com", "mail.example.com", 587, Security::StartTls),
            (
                "smtp://mail.example.com:2525?tls=required",
                "mail.example.com",
                2525,
                Security::StartTls,
            ),
            ("smtps://u:p@Mail.Example.com/", "mail.example.com", 465, Security::Implicit),
            ("smtp://relay?tls=none", "relay", 25, Security::Plain),
            ("smtp://u:p@localhost?tls=none", "localhost", 25, Security::Plain),
            ("smtp://u:p@127.0.0.1:25?tls=none", "127.0.0.1", 25, Security::Plain),
            ("smtp://u:p@[::1]:1025?tls=none", "::1", 1025, Security::Plain),
        ] {
            let server = Server::parse(address).unwrap();
            server.check().unwrap();
            let found = (&*server.host, server.port, server.security);
            assert_eq!(found, (host, port, security), "{address}");
        }
    }

    #[test]
    fn user_and_password_are_decoded() {
        let server = Server::parse("smtp://me%40example.com:p%40ss%2Fword@mail").unwrap();
        let expected = Credentials::new("me@example.com".to_owned(), "p@ss/word".to_owned());
        assert_eq!(server.credentials, Some(expected));
    }

    #[test]
    fn an_invalid_address_is_rejected_without_showing_it() {
        for (address, expected) in [
            ("", "is empty"),
            ("mail.example.com", "is not a URL"),
            ("user:s3cret@mail.example.com", "is neither smtp nor smtps"),
            ("https://user:s3cret@mail.example.com", "is neither smtp nor smtps"),
            ("smtp://user:s3cret@mail?tls=opportunistic", "a query other than ?tls=none"),
            ("smtps://user:s3cret@mail?tls=none", "which smtps:// does not"),
            ("smtp://user:s3/cret@mail", "is not a URL"),
            ("smtp://user:12/s3cret@mail", "has a path"),
            ("smtp://user:12#s3cret@mail", "has a path"),
            ("smtp:user:s3cret@mail", "has a path"),
            ("smtp://s3cret@mail", "without a password"),
            ("smtp://:s3cret@mail", "without a user"),
            ("smtp://user:s3cret%ff@mail", "not UTF-8"),
            ("smtp://user:s3cret@mail?tls=none", "without TLS"),
        ] {
            let error = Server::parse(address).and_then(|server| server.check()).unwrap_err();
            assert!(error.to_string().contains(expected), "{address}: {error}");
            assert!(!format!("{error} {error:?}").contains("cret"), "{error}");
        }
    }
}

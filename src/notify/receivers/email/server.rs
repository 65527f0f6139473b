use std::net::IpAddr;

use lettre::transport::smtp::authentication::Credentials;
use percent_encoding::percent_decode_str;
use url::Url;

use super::EmailError;

/// Where mail is handed in, as its address says.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) credentials: Option<Credentials>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// With `STARTTLS`, before anything else is said.
    StartTls,
    /// With the connection.
    Implicit,
    /// Never.
    Plain,
}

impl Server {
    pub(super) fn parse(address: &str) -> Result<Self, EmailError> {
        let refused = |problem| EmailError::Server { problem };
        let address = address.trim();
        if address.is_empty() {
            return Err(refused("is empty"));
        }
        let url: Url = address.parse().map_err(|_| refused("is no URL"))?;
        let security = match (url.scheme(), url.query()) {
            ("smtp", None | Some("tls=required")) => Security::StartTls,
            ("smtp", Some("tls=none")) => Security::Plain,
            ("smtps", None) => Security::Implicit,
            ("smtp", _) => return Err(refused("asks for something else than ?tls=none")),
            ("smtps", _) => return Err(refused("asks for something, as smtps:// can't")),
            _ => return Err(refused("is neither smtp nor smtps")),
        };
        // A password that is not encoded ends the host, and what follows it would be taken for a path.
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(refused(
                "goes on after the host (in a password, / is %2F, # is %23, ? is %3F and @ is %40)",
            ));
        }
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(refused("has no host"));
        }
        let decoded = |text| {
            let text = percent_decode_str(text).decode_utf8().map(String::from);
            text.map_err(|_| refused("has a user or a password that is no UTF-8"))
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (_, None | Some("")) => return Err(refused("has a user without a password")),
            ("", Some(_)) => return Err(refused("has a password without a user")),
            (user, Some(password)) => Some(Credentials::new(decoded(user)?, decoded(password)?)),
        };
        let port = url.port().unwrap_or(match security {
            Security::StartTls => 587,
            Security::Implicit => 465,
            Security::Plain => 25,
        });
        Ok(Self { host, port, security, credentials })
    }

    /// Whoever is between could read a password that is sent without TLS.
    pub(super) fn check(&self) -> Result<(), EmailError> {
        let is_open = self.security == Security::Plain && !is_loopback(&self.host);
        if is_open && self.credentials.is_some() {
            let problem = "would send a password without TLS (leave ?tls=none out)";
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
    fn an_address_says_host_port_and_when_tls_begins() {
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
    fn an_address_that_can_not_be_one_is_refused_without_being_told() {
        for (address, says) in [
            ("", "is empty"),
            ("mail.example.com", "is no URL"),
            ("user:s3cret@mail.example.com", "is neither smtp nor smtps"),
            ("https://user:s3cret@mail.example.com", "is neither smtp nor smtps"),
            ("smtp://user:s3cret@mail?tls=opportunistic", "something else than ?tls=none"),
            ("smtps://user:s3cret@mail?tls=none", "as smtps:// can't"),
            ("smtp://user:s3/cret@mail", "is no URL"),
            ("smtp://user:12/s3cret@mail", "goes on after the host"),
            ("smtp://user:12#s3cret@mail", "goes on after the host"),
            ("smtp:user:s3cret@mail", "goes on after the host"),
            ("smtp://s3cret@mail", "without a password"),
            ("smtp://:s3cret@mail", "without a user"),
            ("smtp://user:s3cret%ff@mail", "no UTF-8"),
            ("smtp://user:s3cret@mail?tls=none", "without TLS"),
        ] {
            let refused = Server::parse(address).and_then(|server| server.check()).unwrap_err();
            assert!(refused.to_string().contains(says), "{address}: {refused}");
            assert!(!format!("{refused} {refused:?}").contains("cret"), "{refused}");
        }
    }
}

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri, uri::Authority};
use percent_encoding::percent_decode_str;

/// Where messages are posted to. It is mostly a secret, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Address {
    /// Without user and password.
    pub(super) uri: Uri,
    /// The user and the password of the URL, as basic authentication.
    pub(super) authorization: Option<HeaderValue>,
}

impl Address {
    /// An error is the problem with the address.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        let url = url.trim();
        if url.is_empty() {
            return Err("is empty");
        }
        if !url.is_ascii() {
            return Err("has characters outside of ASCII (percent-encode them)");
        }
        let no_url = "is no URL";
        let uri: Uri = url.parse().map_err(|_| no_url)?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            Some(_) => return Err("is neither http nor https"),
            None => return Err(no_url),
        }
        let mut parts = uri.into_parts();
        let authority = parts.authority.take().ok_or(no_url)?;
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority.as_str()),
        };
        let authorization = user.map(basic).transpose()?;
        parts.authority = Some(without_user(host).ok_or(no_url)?);
        let uri = Uri::from_parts(parts).map_err(|_| no_url)?;
        Ok(Self { uri, authorization })
    }

    pub(super) fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// The same with `name` instead of the last part of the path, and without a query.
    #[cfg(feature = "slack")]
    pub(super) fn sibling(&self, name: &str) -> Self {
        let path = self.uri.path();
        let folder = path.rfind('/').map_or("", |end| &path[..end]);
        self.with_path(format!("{folder}/{name}"))
    }

    /// The same with a parameter in the query, unless there is one of that name.
    #[cfg(feature = "discord")]
    pub(super) fn with_query(&self, name: &str, value: &str) -> Self {
        let (path, query) = (self.uri.path(), self.uri.query().unwrap_or_default());
        let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or(pair));
        if names.any(|found| found == name) {
            return self.clone();
        }
        let separator = if query.is_empty() { "" } else { "&" };
        self.with_path(format!("{path}?{query}{separator}{name}={value}"))
    }

    #[cfg(any(feature = "discord", feature = "slack"))]
    fn with_path(&self, path: String) -> Self {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = path.try_into().ok().or(parts.path_and_query);
        let uri = Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone());
        Self { uri, authorization: self.authorization.clone() }
    }
}

/// A host with a port that is one: hyper would take another one for the default port.
fn without_user(host: &str) -> Option<Authority> {
    let authority: Authority = host.parse().ok()?;
    let port = host.strip_prefix(authority.host())?;
    let is_host = !authority.host().is_empty();
    (is_host && (port.is_empty() || authority.port_u16().is_some())).then_some(authority)
}

/// The header of RFC 7617 for the percent-encoded user and password of a URL.
fn basic(user: &str) -> Result<HeaderValue, &'static str> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let mut text: Vec<u8> = percent_decode_str(user).collect();
    if text.contains(&b':') {
        return Err("has a colon in its user name, which basic authentication can't send");
    }
    text.push(b':');
    text.extend(percent_decode_str(password));
    let value = format!("Basic {}", STANDARD.encode(text));
    let mut value: HeaderValue = value.try_into().map_err(|_| "is no URL")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str) -> &'static str {
        Address::parse(url).err().unwrap_or("nothing")
    }

    #[test]
    fn an_address_is_an_http_url_with_a_host() {
        for (url, says) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("T000/B000/secret", "is no URL"),
            ("am:secret", "is no URL"),
            ("hooks.slack.com", "is no URL"),
            ("https://", "is no URL"),
            ("https:///path", "is no URL"),
            ("https://[secret", "is no URL"),
            ("https://host:99999/", "is no URL"),
            ("https://host:port/", "is no URL"),
            ("https://ho st/", "is no URL"),
            ("https://us:er:pa@ss@", "is no URL"),
            ("https://größe.example/", "outside of ASCII"),
            ("ftp://hooks.slack.com/secret", "neither http nor https"),
            ("https://a%3Ab:c@host/", "colon in its user name"),
        ] {
            assert!(problem(url).contains(says), "{url}: {}", problem(url));
        }
        for url in ["http://am:9093", "HTTPS://AM/x?y#z", " https://[::1]:1/ ", "http://127.0.0.1"]
        {
            assert_eq!(problem(url), "nothing", "{url}");
        }
    }

    #[test]
    fn user_and_password_become_a_header_and_leave_the_address() {
        let address = Address::parse("https://user:p%40ss@host:8443/path?query").unwrap();
        assert_eq!(address.uri, "https://host:8443/path?query");
        let value = address.authorization.unwrap();
        assert_eq!(value, "Basic dXNlcjpwQHNz");
        assert!(value.is_sensitive());
        let value = Address::parse("https://user@host").unwrap().authorization.unwrap();
        assert_eq!(value, "Basic dXNlcjo=");
        assert!(Address::parse("https://host").unwrap().authorization.is_none());
    }

    #[cfg(feature = "slack")]
    #[test]
    fn a_method_is_beside_another_one() {
        for (url, expected) in [
            ("https://slack.com/api/chat.postMessage", "https://slack.com/api/chat.update"),
            ("https://host/chat.postMessage", "https://host/chat.update"),
        ] {
            assert_eq!(Address::parse(url).unwrap().sibling("chat.update").uri, expected);
        }
    }

    #[cfg(feature = "discord")]
    #[test]
    fn a_parameter_is_added_once() {
        for (url, expected) in [
            ("https://host/hook", "https://host/hook?wait=true"),
            ("https://host/hook?thread_id=1", "https://host/hook?thread_id=1&wait=true"),
            ("https://host/hook?wait=false", "https://host/hook?wait=false"),
        ] {
            assert_eq!(Address::parse(url).unwrap().with_query("wait", "true").uri, expected);
        }
    }
}

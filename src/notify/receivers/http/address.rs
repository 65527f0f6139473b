use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri, uri::Authority};
use percent_encoding::percent_decode_str;

/// The URL that messages are posted to. It often contains a secret, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Address {
    /// The URL without user and password.
    pub(super) uri: Uri,
    /// The URL's user and password, as basic authentication.
    pub(super) authorization: Option<HeaderValue>,
}

impl Address {
    /// Parses a URL. An error describes the problem, without the URL.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        let url = url.trim();
        if url.is_empty() {
            return Err("is empty");
        }
        if !url.is_ascii() {
            return Err("has non-ASCII characters (percent-encode them)");
        }
        let not_url = "is not a URL";
        let uri: Uri = url.parse().map_err(|_| not_url)?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            Some(_) => return Err("is neither http nor https"),
            None => return Err(not_url),
        }
        let mut parts = uri.into_parts();
        let authority = parts.authority.take().ok_or(not_url)?;
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority.as_str()),
        };
        let authorization = user.map(basic).transpose()?;
        parts.authority = Some(host_and_port(host).ok_or(not_url)?);
        let uri = Uri::from_parts(parts).map_err(|_| not_url)?;
        Ok(Self { uri, authorization })
    }

    pub(super) fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Replaces the last path segment by `name`, and drops the query.
    pub(super) fn sibling(&self, name: &str) -> Self {
        let path = self.uri.path();
        let folder = path.rfind('/').map_or("", |end| &path[..end]);
        self.with_path(format!("{folder}/{name}"))
    }

    /// Adds a query parameter, unless the query already has one with this name.
    pub(super) fn with_query(&self, name: &str, value: &str) -> Self {
        let (path, query) = (self.uri.path(), self.uri.query().unwrap_or_default());
        let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or(pair));
        if names.any(|found| found == name) {
            return self.clone();
        }
        let separator = if query.is_empty() { "" } else { "&" };
        self.with_path(format!("{path}?{query}{separator}{name}={value}"))
    }

    fn with_path(&self, path: String) -> Self {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = path.try_into().ok().or(parts.path_and_query);
        let uri = Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone());
        Self { uri, authorization: self.authorization.clone() }
    }
}

/// A host, with a valid port if there is one. For an invalid port, hyper would use the default.
fn host_and_port(host: &str) -> Option<Authority> {
    let authority: Authority = host.parse().ok()?;
    let port = host.strip_prefix(authority.host())?;
    let has_host = !authority.host().is_empty();
    (has_host && (port.is_empty() || authority.port_u16().is_some())).then_some(authority)
}

/// The `Authorization` header of RFC 7617 for a URL's percent-encoded user and password.
fn basic(user: &str) -> Result<HeaderValue, &'static str> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let mut text: Vec<u8> = percent_decode_str(user).collect();
    if text.contains(&b':') {
        return Err("has a colon in its user name, which basic authentication does not allow");
    }
    text.push(b':');
    text.extend(percent_decode_str(password));
    let value = format!("Basic {}", STANDARD.encode(text));
    let mut value: HeaderValue = value.try_into().map_err(|_| "is not a URL")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str) -> &'static str {
        Address::parse(url).err().unwrap_or("none")
    }

    #[test]
    fn an_address_is_an_http_url_with_a_host() {
        for (url, expected) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("T000/B000/secret", "is not a URL"),
            ("am:secret", "is not a URL"),
            ("hooks.slack.com", "is not a URL"),
            ("https://", "is not a URL"),
            ("https:///path", "is not a URL"),
            ("https://[secret", "is not a URL"),
            ("https://host:99999/", "is not a URL"),
            ("https://host:port/", "is not a URL"),
            ("https://ho st/", "is not a URL"),
            ("https://us:er:pa@ss@", "is not a URL"),
            ("https://größe.example/", "non-ASCII characters"),
            ("ftp://hooks.slack.com/secret", "neither http nor https"),
            ("https://a%3Ab:c@host/", "colon in its user name"),
        ] {
            assert!(problem(url).contains(expected), "{url}: {}", problem(url));
        }
        for url in ["http://am:9093", "HTTPS://AM/x?y#z", " https://[::1]:1/ ", "http://127.0.0.1"]
        {
            assert_eq!(problem(url), "none", "{url}");
        }
    }

    #[test]
    fn user_and_password_move_from_the_address_to_a_header() {
        let address = Address::parse("https://user:p%40ss@host:8443/path?query").unwrap();
        assert_eq!(address.uri, "https://host:8443/path?query");
        let value = address.authorization.unwrap();
        assert_eq!(value, "Basic dXNlcjpwQHNz");
        assert!(value.is_sensitive());
        let value = Address::parse("https://user@host").unwrap().authorization.unwrap();
        assert_eq!(value, "Basic dXNlcjo=");
        assert!(Address::parse("https://host").unwrap().authorization.is_none());
    }

    #[test]
    fn a_sibling_replaces_the_last_path_segment() {
        for (url, expected) in [
            ("https://slack.com/api/chat.postMessage", "https://slack.com/api/chat.update"),
            ("https://host/chat.postMessage", "https://host/chat.update"),
        ] {
            assert_eq!(Address::parse(url).unwrap().sibling("chat.update").uri, expected);
        }
    }

    #[test]
    fn a_query_parameter_is_added_once() {
        for (url, expected) in [
            ("https://host/hook", "https://host/hook?wait=true"),
            ("https://host/hook?thread_id=1", "https://host/hook?thread_id=1&wait=true"),
            ("https://host/hook?wait=false", "https://host/hook?wait=false"),
        ] {
            assert_eq!(Address::parse(url).unwrap().with_query("wait", "true").uri, expected);
        }
    }
}

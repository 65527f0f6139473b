use http::Method;

/// The value of the method label: a registered HTTP method, or `_OTHER` for all others, as
/// OpenTelemetry specifies. A client may send any token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum MethodLabel {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Query,
    Other,
}

impl MethodLabel {
    pub(crate) const COUNT: usize = 11;

    /// Whether `name` is a value of the label.
    pub(crate) fn is_name(name: &str) -> bool {
        let method = Method::from_bytes(name.as_bytes());
        name == Self::Other.as_str() || method.is_ok_and(|method| Self::of(&method) != Self::Other)
    }

    /// Parses a label value.
    #[cfg(feature = "state")]
    pub(crate) fn named(name: &str) -> Self {
        Method::from_bytes(name.as_bytes()).map_or(Self::Other, |method| Self::of(&method))
    }

    #[inline]
    pub(crate) fn of(method: &Method) -> Self {
        // The most common method first: a jump table costs more than the comparison.
        if *method == Method::GET { Self::Get } else { Self::of_other(method) }
    }

    #[inline(never)]
    fn of_other(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::DELETE => Self::Delete,
            Method::HEAD => Self::Head,
            Method::OPTIONS => Self::Options,
            Method::PATCH => Self::Patch,
            Method::CONNECT => Self::Connect,
            Method::TRACE => Self::Trace,
            _ if method.as_str() == "QUERY" => Self::Query,
            _ => Self::Other,
        }
    }

    /// Whether a request with this method may have content (RFC 9110 §9.3).
    #[inline]
    pub(crate) fn has_content(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::Connect | Self::Options | Self::Trace)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Query => "QUERY",
            Self::Other => "_OTHER",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_methods_keep_their_names_and_others_share_one() {
        for name in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
        ] {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(MethodLabel::of(&method).as_str(), name);
        }
        for name in ["get", "PROPFIND", "X1", "X2"] {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(MethodLabel::of(&method).as_str(), "_OTHER");
        }
    }
}

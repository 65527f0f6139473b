use std::time::{SystemTime, UNIX_EPOCH};

use http::{
    HeaderMap, HeaderName, Uri, Version,
    header::{REFERER, USER_AGENT},
};

use super::{AccessLog, text::Text};
use crate::observe::{RequestHead, head::traceparent::trace_id};

/// The values of a request's head, kept until the request ends.
#[derive(Debug)]
pub struct Head {
    /// The arrival of the request; at least 1970, the earliest time that can be formatted.
    pub(super) time: SystemTime,
    pub(super) method: Text,
    pub(super) path: Text,
    pub(super) version: Version,
    pub(super) remote_addr: Option<Text>,
    pub(super) referer: Option<Text>,
    pub(super) user_agent: Option<Text>,
    pub(super) request_id: Option<Text>,
    pub(super) trace_id: Option<Box<str>>,
}

impl Head {
    pub(super) fn of(log: &AccessLog, head: &RequestHead<'_>) -> Self {
        let remote_addr = log.remote_addr.as_ref().and_then(|remote_addr| remote_addr(head));
        let referer = value(head.headers, &REFERER);
        let traceparent = value(head.headers, &HeaderName::from_static("traceparent"));
        Self {
            time: SystemTime::now().max(UNIX_EPOCH),
            method: Text::of(head.method.as_str()),
            path: Text::of(path(head.uri, log.with_query)),
            version: head.version,
            remote_addr: remote_addr
                .filter(|address| !address.is_empty())
                .map(|address| Text::of(&*address)),
            referer: referer.map(|url| Text::of(if log.with_query { url } else { bare(url) })),
            user_agent: value(head.headers, &USER_AGENT).map(Text::of),
            request_id: value(head.headers, &log.request_id_header).map(Text::of),
            trace_id: traceparent.and_then(trace_id).map(Into::into),
        }
    }
}

/// Returns a header's value, unless it is empty.
fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get(name).map(|value| value.as_bytes()).filter(|value| !value.is_empty())
}

/// Returns the path, or for `CONNECT` the host.
fn path(uri: &Uri, with_query: bool) -> &str {
    match uri.path_and_query() {
        Some(target) if with_query => target.as_str(),
        Some(target) => target.path(),
        None => uri.host().unwrap_or("-"),
    }
}

/// Returns a URL without its query and fragment.
fn bare(url: &[u8]) -> &[u8] {
    url.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_removed_from_path_and_referer() {
        let path = |uri: &str, with_query| path(&uri.parse().unwrap(), with_query).to_owned();
        assert_eq!(path("/orders?token=s3cret", false), "/orders");
        assert_eq!(path("/orders?page=2", true), "/orders?page=2");
        assert_eq!(path("http://shop.example?page=2", false), "/");
        assert_eq!(path("http://shop.example/orders?page=2", true), "/orders?page=2");
        assert_eq!(path("*", false), "*");
        assert_eq!(path("shop.example:443", true), "shop.example");
        assert_eq!(bare(b"https://shop.example/a?token=s3cret"), b"https://shop.example/a");
        assert_eq!(bare(b"https://shop.example/a#?b"), b"https://shop.example/a");
        assert_eq!(bare(b""), b"");
    }
}

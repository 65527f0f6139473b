use std::mem;

use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

/// A request without its body, for closures and observers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's target.
    pub uri: &'a Uri,
    /// The request's HTTP version.
    pub version: Version,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The request's extensions, set by the layers outside.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

/// The head of a request, moved out of it while it is examined.
///
/// If a function that is not inlined took a reference into the request, the compiler would keep a
/// copy of every request in memory, even if nothing examines it.
pub(crate) struct TakenHead {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: Extensions,
}

impl TakenHead {
    #[inline(always)]
    pub(crate) fn of<B>(request: &mut Request<B>) -> Self {
        Self {
            method: mem::take(request.method_mut()),
            uri: mem::take(request.uri_mut()),
            version: request.version(),
            headers: mem::take(request.headers_mut()),
            extensions: mem::take(request.extensions_mut()),
        }
    }

    #[inline(always)]
    pub(crate) fn give_back<B>(self, request: &mut Request<B>) {
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        *request.extensions_mut() = self.extensions;
    }

    pub(crate) fn as_head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            uri: &self.uri,
            version: self.version,
            headers: &self.headers,
            extensions: &self.extensions,
        }
    }
}

use http::{HeaderName, HeaderValue, Method};
use reqwest::{IntoUrl, RequestBuilder};
use tower::ServiceExt;
use tower_service::Service;

use crate::observe::{HttpAndGrpc, LookoutService};

/// A watched `reqwest::Client` with reqwest's own request builder. Created by
/// [`Lookout::client`](crate::Lookout::client).
///
/// It is cheap to clone. Use [`new`](Self::new) to send the requests through a tower stack, for
/// example with retries or limits.
///
/// # Examples
///
/// ```
/// use tower_lookout::{Lookout, observe::WatchedClient};
///
/// struct Inventory {
///     client: WatchedClient,
/// }
///
/// impl Inventory {
///     async fn stock(&self) -> reqwest::Result<String> {
///         let response = self.client.get("http://inventory/stock").send().await?;
///         response.error_for_status()?.text().await
///     }
/// }
///
/// # fn run(client: reqwest::Client) -> Result<(), tower_lookout::StartError> {
/// let lookout = Lookout::builder().start()?;
/// let inventory = Inventory { client: lookout.client("inventory", client) };
/// # let _ = inventory.stock();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct WatchedClient<S = LookoutService<reqwest::Client, HttpAndGrpc>> {
    requests: reqwest::Client,
    service: S,
}

impl<S: Clone> WatchedClient<S> {
    /// Creates a client that builds requests with `client` and sends them through `service`.
    pub fn new(client: reqwest::Client, service: S) -> Self {
        Self { requests: client, service }
    }

    /// Starts a GET request.
    pub fn get(&self, url: impl IntoUrl) -> WatchedRequest<S> {
        self.request(Method::GET, url)
    }

    /// Starts a POST request.
    pub fn post(&self, url: impl IntoUrl) -> WatchedRequest<S> {
        self.request(Method::POST, url)
    }

    /// Starts a PUT request.
    pub fn put(&self, url: impl IntoUrl) -> WatchedRequest<S> {
        self.request(Method::PUT, url)
    }

    /// Starts a PATCH request.
    pub fn patch(&self, url: impl IntoUrl) -> WatchedRequest<S> {
        self.request(Method::PATCH, url)
    }

    /// Starts a DELETE request.
    pub fn delete(&self, url: impl IntoUrl) -> WatchedRequest<S> {
        self.request(Method::DELETE, url)
    }

    /// Starts a HEAD request.
    pub fn head(&self, url: impl IntoUrl) -> WatchedRequest<S> {
        self.request(Method::HEAD, url)
    }

    /// Starts a request of any method.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> WatchedRequest<S> {
        WatchedRequest {
            builder: self.requests.request(method, url),
            service: self.service.clone(),
        }
    }
}

/// A request of a [`WatchedClient`], before it is sent.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct WatchedRequest<S = LookoutService<reqwest::Client, HttpAndGrpc>> {
    builder: RequestBuilder,
    service: S,
}

impl<S> WatchedRequest<S> {
    /// Applies any method of reqwest's builder: `.with(|request| request.json(&order))`. Some, such
    /// as `json` and `query`, require a feature of reqwest.
    pub fn with(self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        Self { builder: change(self.builder), ..self }
    }

    /// Adds a header.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K, Error: Into<http::Error>>,
        HeaderValue: TryFrom<V, Error: Into<http::Error>>,
    {
        self.with(|request| request.header(name, value))
    }

    /// Adds a bearer token.
    pub fn bearer_auth(self, token: impl std::fmt::Display) -> Self {
        self.with(|request| request.bearer_auth(token))
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        self.with(|request| request.body(body))
    }

    /// Sends the request through the watched service. Set timeouts on the client or on the request,
    /// so that they count as `error` with the `error_type` `timeout`.
    ///
    /// # Errors
    ///
    /// Fails if the request cannot be built, which is not counted, or if the service returns an
    /// error.
    pub async fn send(self) -> Result<reqwest::Response, S::Error>
    where
        S: Service<reqwest::Request, Response = reqwest::Response, Error: From<reqwest::Error>>,
    {
        let request = self.builder.build()?;
        self.service.oneshot(request).await
    }
}

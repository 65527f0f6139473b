//! A local HTTP server that acts as a receiver. It responds by a script, and records each post.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{
    collections::VecDeque,
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
};
use serde_json::Value;
use tokio::{net::TcpListener, time::Instant};

/// How the receiver reacts to a post.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// A status, a `Retry-After` if not empty, and a body.
    Response(u16, &'static str, &'static str),
    /// Reads the post and never responds.
    Hang,
}

pub(crate) const OK: Reply = Reply::Response(200, "", "ok");

/// A post that the receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) at: Instant,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) was_accepted: bool,
}

impl Post {
    /// Returns the texts of the header blocks.
    pub(crate) fn titles(&self) -> Vec<String> {
        let blocks = self.body["blocks"].as_array().unwrap();
        let headers = blocks.iter().filter(|block| block["type"] == "header");
        headers.map(|block| block["text"]["text"].as_str().unwrap().to_owned()).collect()
    }
}

#[derive(Clone)]
pub(crate) struct Receiver {
    /// The response after the end of the script.
    reply: Reply,
    /// Posts that contain this text are rejected.
    rejected: Option<&'static str>,
    script: Arc<Mutex<VecDeque<Reply>>>,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Receiver {
    /// Responds by the script, and with Slack's `ok` after its end.
    pub(crate) fn new(script: impl IntoIterator<Item = Reply>) -> Self {
        Self::replying(OK, script)
    }

    /// Responds by the script, and with `reply` after its end.
    pub(crate) fn replying(reply: Reply, script: impl IntoIterator<Item = Reply>) -> Self {
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        Self { reply, rejected: None, script, posts: Arc::default() }
    }

    /// Rejects each post that contains this text.
    pub(crate) fn rejecting(self, rejected: &'static str) -> Self {
        Self { rejected: Some(rejected), ..self }
    }

    pub(crate) async fn serve(&self) -> String {
        self.serve_at(([127, 0, 0, 1], 0).into()).await
    }

    /// Returns the URL to post to, which contains a secret.
    pub(crate) async fn serve_at(&self, address: SocketAddr) -> String {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = self.clone();
        let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: String| {
            receiver.clone().take(uri, headers, body)
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        url(address)
    }

    async fn take(self, uri: Uri, headers: HeaderMap, body: String) -> impl IntoResponse {
        let scripted = self.script.lock().unwrap().pop_front();
        let reply = match self.rejected {
            Some(rejected) if body.contains(rejected) => Reply::Response(413, "", ""),
            _ => scripted.unwrap_or(self.reply),
        };
        let was_accepted = matches!(reply, Reply::Response(200..300, _, _));
        let body = serde_json::from_str(&body).unwrap();
        let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned());
        let post = Post { at: Instant::now(), path, query, headers, body, was_accepted };
        self.posts.lock().unwrap().push(post);
        match reply {
            Reply::Response(status, retry_after, body) => {
                let mut headers = HeaderMap::new();
                if !retry_after.is_empty() {
                    headers.insert("retry-after", retry_after.parse().unwrap());
                }
                (StatusCode::from_u16(status).unwrap(), headers, body)
            }
            Reply::Hang => pending().await,
        }
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// Returns the posts that got a successful response.
    pub(crate) fn accepted(&self) -> Vec<Post> {
        self.posts().into_iter().filter(|post| post.was_accepted).collect()
    }
}

pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}/services/T000/B000/s3cret")
}

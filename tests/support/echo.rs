//! A gRPC service and its client, without generated code. Each message determines how the service
//! responds.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use http_body_util::Full;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    client::GrpcService,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, NamedService},
};
use tower::{Service, service_fn};

/// All methods of `Echo`.
pub(crate) const METHODS: [&str; 5] = [
    "test.Echo/Unary",
    "test.Echo/ServerStream",
    "test.Echo/ClientStream",
    "test.Echo/Bidi",
    "test.Echo/NoTrailers",
];

/// A codec for plain text messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| Status::internal("invalid UTF-8"))
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

/// Responds as the message requests: `ok`, `status 5`, `panic`, `hang`, `none`, `three`,
/// `two then status 13`, `one then hang`, `one then panic`.
async fn respond(script: String) -> Result<Response<Messages>, Status> {
    let words: Vec<_> = script.split(' ').collect();
    let code = || {
        Status::new(words.last().unwrap().parse::<i32>().unwrap().into(), "intended by the test")
    };
    let some = |count: usize| stream::iter(["a", "b", "c"].map(str::to_owned).map(Ok)).take(count);
    Ok(Response::new(match words[0] {
        "status" => return Err(code()),
        "panic" => panic!("a handler panics, intended by the test"),
        "hang" => pending().await,
        "none" => some(0).boxed(),
        "three" => some(3).boxed(),
        "two" => some(2).chain(stream::iter([Err(code())])).boxed(),
        "one" if words[2] == "hang" => some(1).chain(stream::pending()).boxed(),
        "one" => some(1).chain(stream::once(async { panic!("intended by the test") })).boxed(),
        _ => stream::iter([Ok(script)]).boxed(),
    }))
}

async fn first(messages: Response<Messages>) -> Result<Response<String>, Status> {
    let first = messages.into_inner().next().await;
    first.unwrap_or_else(|| Err(Status::internal("no message"))).map(Response::new)
}

async fn read(request: Request<Streaming<String>>) -> Result<String, Status> {
    let mut messages = request.into_inner();
    let mut last = String::new();
    while let Some(message) = messages.message().await? {
        last = message;
    }
    Ok(last)
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        async move {
            let mut grpc = Grpc::new(Text);
            Ok(match request.uri().path() {
                "/test.Echo/Unary" => {
                    let unary = |request: Request<String>| async {
                        first(respond(request.into_inner()).await?).await
                    };
                    grpc.unary(service_fn(unary), request).await
                }
                "/test.Echo/ServerStream" => {
                    let stream = |request: Request<String>| respond(request.into_inner());
                    grpc.server_streaming(service_fn(stream), request).await
                }
                "/test.Echo/ClientStream" => {
                    let stream =
                        |request| async { first(respond(read(request).await?).await?).await };
                    grpc.client_streaming(service_fn(stream), request).await
                }
                "/test.Echo/Bidi" => {
                    let stream = |request| async { respond(read(request).await?).await };
                    grpc.streaming(service_fn(stream), request).await
                }
                "/test.Echo/NoTrailers" => {
                    // The response has one message and no status.
                    let body = Full::new(Bytes::from_static(b"\0\0\0\0\x02ok"));
                    let response = http::Response::builder()
                        .header("content-type", "application/grpc")
                        .body(Body::new(body));
                    response.unwrap()
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        }
        .boxed()
    }
}

/// Calls a method according to its type and reads the whole response.
pub(crate) async fn call<C>(channel: C, method: &str, message: &str) -> Result<Vec<String>, Status>
where
    C: GrpcService<Body>,
    C::ResponseBody: http_body::Body + Send + 'static,
    <C::ResponseBody as http_body::Body>::Error: Into<tower::BoxError> + Send,
    C::Error: Into<tower::BoxError>,
{
    let (mut grpc, path) = ready(channel, method).await?;
    let message = message.to_owned();
    match method.rsplit('/').next().unwrap() {
        "ServerStream" | "Bidi" => all(open_stream(grpc, path, message).await?).await,
        "ClientStream" => {
            let sent = Request::new(stream::iter([message.clone(), message]));
            Ok(vec![grpc.client_streaming(sent, path, Text).await?.into_inner()])
        }
        _ => Ok(vec![grpc.unary(Request::new(message), path, Text).await?.into_inner()]),
    }
}

/// Calls a server-streaming method and returns the open stream.
pub(crate) async fn begin<C>(
    channel: C,
    method: &str,
    message: &str,
) -> Result<Streaming<String>, Status>
where
    C: GrpcService<Body>,
    C::ResponseBody: http_body::Body + Send + 'static,
    <C::ResponseBody as http_body::Body>::Error: Into<tower::BoxError> + Send,
    C::Error: Into<tower::BoxError>,
{
    let (grpc, path) = ready(channel, method).await?;
    open_stream(grpc, path, message.to_owned()).await
}

async fn ready<C>(
    channel: C,
    method: &str,
) -> Result<(tonic::client::Grpc<C>, http::uri::PathAndQuery), Status>
where
    C: GrpcService<Body>,
    C::Error: Into<tower::BoxError>,
{
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.into().to_string()))?;
    Ok((grpc, format!("/{method}").parse().unwrap()))
}

async fn open_stream<C>(
    mut grpc: tonic::client::Grpc<C>,
    path: http::uri::PathAndQuery,
    message: String,
) -> Result<Streaming<String>, Status>
where
    C: GrpcService<Body>,
    C::ResponseBody: http_body::Body + Send + 'static,
    <C::ResponseBody as http_body::Body>::Error: Into<tower::BoxError> + Send,
    C::Error: Into<tower::BoxError>,
{
    let response = if path.path().ends_with("/Bidi") {
        let sent = Request::new(stream::iter([message.clone(), message]));
        grpc.streaming(sent, path, Text).await?
    } else {
        grpc.server_streaming(Request::new(message), path, Text).await?
    };
    Ok(response.into_inner())
}

async fn all(mut messages: Streaming<String>) -> Result<Vec<String>, Status> {
    let mut read = Vec::new();
    while let Some(message) = messages.message().await? {
        read.push(message);
    }
    Ok(read)
}

/// Connects a channel to a server on loopback.
pub(crate) async fn connect(address: SocketAddr) -> tonic::transport::Channel {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
    endpoint.unwrap().connect().await.unwrap()
}

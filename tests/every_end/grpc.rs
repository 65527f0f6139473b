//! Served gRPC: a watched tonic server, with an unwatched tonic client.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyStream, StreamBody};
use tokio::{net::TcpListener, sync::Notify};
use tonic::{
    body::Body,
    service::Routes,
    transport::{Error, Server, server::TcpIncoming},
};
use tower::{
    BoxError, Layer, Service, ServiceExt, layer::layer_fn, service_fn, timeout::TimeoutLayer,
    util::BoxCloneSyncService,
};
use tower_http::catch_panic::CatchPanicLayer;
use tower_lookout::Lookout;

use crate::{
    Play, TIMEOUT,
    echo::{self, Echo, connect},
    table::{End, Traffic},
};

pub(crate) fn method(traffic: Traffic) -> &'static str {
    match traffic {
        Traffic::ServerStream | Traffic::TonicStreamClient => "test.Echo/ServerStream",
        Traffic::ClientStream => "test.Echo/ClientStream",
        Traffic::Bidi => "test.Echo/Bidi",
        _ => "test.Echo/Unary",
    }
}

/// Returns the message that makes the service behave as this end requires.
pub(crate) fn message(end: End, traffic: Traffic) -> &'static str {
    let is_stream =
        matches!(traffic, Traffic::ServerStream | Traffic::Bidi | Traffic::TonicStreamClient);
    match end {
        End::Empty => "none",
        End::CallersStatus => "status 5",
        End::FailureStatus if is_stream => "two then status 13",
        End::FailureStatus | End::TrailersOnly => "status 13",
        End::ClientLeavesInTheBody => "one then hang",
        End::Panic | End::PanicCaughtInside | End::PanicCaughtOutside => "panic",
        End::PanicInTheBody => "one then panic",
        End::ClientLeavesBeforeTheHead | End::TimeoutInside | End::TimeoutOutside => "hang",
        // `around` breaks off the body.
        End::BodyError | End::BodyTimeout => "ok",
        _ if is_stream => "three",
        _ => "ok",
    }
}

type App = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// Adds the lookout's layer, if any, and the layers that cause this end.
fn around(routes: Routes, end: End, lookout: Option<&Lookout>, head_seen: &Arc<Notify>) -> App {
    let routes: App = boxed(routes);
    let breaks = |by| {
        let head_seen = Arc::clone(head_seen);
        move |response: Response<Body>| response.map(|body| broken(body, by, head_seen))
    };
    let inside = match end {
        End::MissingTrailers => boxed(routes.map_response(|response| response.map(untrailed))),
        End::ServiceError => boxed(service_fn(|_| async {
            Err::<Response<Body>, _>(io::Error::other("intended by the test"))
        })),
        End::BodyError => boxed(routes.map_response(breaks(io::ErrorKind::Other))),
        End::BodyTimeout => boxed(routes.map_response(breaks(io::ErrorKind::TimedOut))),
        End::TimeoutInside => boxed(TimeoutLayer::new(TIMEOUT).layer(routes)),
        End::PanicCaughtInside => boxed(CatchPanicLayer::new().layer(routes)),
        _ => routes,
    };
    let Some(lookout) = lookout else { return inside };
    let watched = lookout.grpc_layer().layer(inside);
    match end {
        End::TimeoutOutside => boxed(TimeoutLayer::new(TIMEOUT).layer(watched)),
        End::PanicCaughtOutside => boxed(CatchPanicLayer::new().layer(watched)),
        _ => boxed(watched),
    }
}

fn boxed<S, B>(service: S) -> App
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    BoxCloneSyncService::new(
        service.map_response(|response| response.map(Body::new)).map_err(Into::into),
    )
}

/// Removes the trailers from a body.
fn untrailed(body: Body) -> impl http_body::Body<Data = Bytes, Error = tonic::Status> {
    let is_data = |frame: &Result<Frame<Bytes>, _>| {
        std::future::ready(frame.as_ref().is_ok_and(Frame::is_data))
    };
    StreamBody::new(BodyStream::new(body).filter(is_data))
}

/// Sends the first frame, then an error once the client has the head.
fn broken(
    body: Body,
    by: io::ErrorKind,
    head_seen: Arc<Notify>,
) -> impl http_body::Body<Data = Bytes, Error = BoxError> {
    let first = BodyStream::new(body).take(1).map(|frame| frame.map_err(BoxError::from));
    let failure = async move {
        head_seen.notified().await;
        Err(io::Error::from(by).into())
    };
    StreamBody::new(first.chain(stream::once(failure)))
}

/// Serves `Echo`, and returns a channel to it.
pub(crate) async fn serve(
    end: End,
    lookout: Option<Lookout>,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Error, Future: Send> + Send {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let head_seen = Arc::new(Notify::new());
    let seen = Arc::clone(&head_seen);
    let layer = layer_fn(move |routes: Routes| around(routes, end, lookout.as_ref(), &seen));
    let server = Server::builder().layer(layer).add_service(Echo);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    connect(address).await.map_response(move |response: Response<Body>| {
        head_seen.notify_one();
        response
    })
}

pub(crate) async fn play(play: &Play) {
    let channel = serve(play.end, Some(play.lookout.clone())).await;
    let (method, message) = (method(play.traffic), message(play.end, play.traffic));
    match play.end {
        End::ClientLeavesBeforeTheHead => tokio::select! {
            _ = echo::call(channel, method, message) => panic!("there is no head"),
            () = play.in_flight() => {}
        },
        End::ClientLeavesInTheBody => {
            let mut messages = echo::begin(channel, method, message).await.unwrap();
            messages.message().await.unwrap().unwrap();
        }
        _ => drop(echo::call(channel, method, message).await),
    }
}

//! Outbound HTTP: watched clients of reqwest and hyper-util, with an unwatched server.

use std::net::SocketAddr;

use axum::Router;
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::{BoxError, Layer, Service, ServiceExt, timeout::TimeoutLayer, util::BoxService};

use crate::{
    Play, TIMEOUT,
    server::{method, router},
    table::{End, Traffic},
};

async fn listen(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Returns an address without a listener.
pub(crate) async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub(crate) async fn play(play: &Play) {
    let address = match play.end {
        End::ServiceError => closed().await,
        // The client times out or panics instead of the server.
        End::BodyTimeout => listen(router(End::ClientLeavesInTheBody, play.traffic)).await,
        End::Panic => listen(router(End::Complete, play.traffic)).await,
        end => listen(router(end, play.traffic)).await,
    };
    let url = format!("http://{address}/case");
    let call = if play.traffic == Traffic::Reqwest { reqwest(play, url) } else { hyper(play, url) };
    match play.end {
        End::ClientLeavesBeforeTheHead => tokio::select! {
            _ = call => panic!("there is no head"),
            () = play.in_flight() => {}
        },
        End::Panic => {
            tokio::spawn(call).await.unwrap_err();
        }
        _ => drop(call.await),
    }
}

/// Adds the layers between the lookout's layer and the client.
fn inside<S, R>(play: &Play, client: S) -> BoxService<R, S::Response, BoxError>
where
    S: Service<R, Error: Into<BoxError>, Future: Send> + Send + 'static,
    R: Send + 'static,
{
    match play.end {
        End::TimeoutInside => BoxService::new(TimeoutLayer::new(TIMEOUT).layer(client)),
        End::Panic => BoxService::new(
            client.map_request(|_| panic!("intended by the test")).map_err(Into::into),
        ),
        _ => BoxService::new(client.map_err(Into::into)),
    }
}

/// Adds the layers around the lookout's layer.
fn outside<S, R>(play: &Play, watched: S) -> BoxService<R, S::Response, BoxError>
where
    S: Service<R, Error: Into<BoxError>, Future: Send> + Send + 'static,
    R: Send + 'static,
{
    match play.end {
        End::TimeoutOutside => BoxService::new(TimeoutLayer::new(TIMEOUT).layer(watched)),
        _ => BoxService::new(watched.map_err(Into::into)),
    }
}

/// Returns the number of frames that the client reads.
fn reads(end: End) -> usize {
    match end {
        End::Unread | End::UnreadFailure => 0,
        End::ClientLeavesInTheBody | End::ClientLeavesInAFailure => 1,
        _ => usize::MAX,
    }
}

fn hyper(play: &Play, url: String) -> BoxFuture<'static, Result<(), BoxError>> {
    let client = legacy::Client::builder(TokioExecutor::new()).build_http();
    let layer = play.lookout.client_layer("upstream");
    let service = outside(play, layer.layer(inside(play, client)));
    let request = Request::builder().method(method(play.end)).uri(url);
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let reads = reads(play.end);
    async move {
        let mut response = service.oneshot(request).await?;
        for _ in 0..reads {
            let Some(frame) = response.frame().await else { break };
            frame?;
        }
        Ok(())
    }
    .boxed()
}

fn reqwest(play: &Play, url: String) -> BoxFuture<'static, Result<(), BoxError>> {
    let client = reqwest::Client::builder().no_proxy();
    let client = match play.end {
        // The timeout leaves enough time for the head on a busy machine.
        End::BodyTimeout => client.read_timeout(TIMEOUT * 4),
        _ => client,
    };
    let layer = play.lookout.client_layer("upstream");
    let service = outside(play, layer.layer(inside(play, client.build().unwrap())));
    let request = reqwest::Request::new(method(play.end), url.parse().unwrap());
    let reads = reads(play.end);
    async move {
        let mut response = service.oneshot(request).await?;
        for _ in 0..reads {
            let Some(_) = response.chunk().await? else { break };
        }
        Ok(())
    }
    .boxed()
}

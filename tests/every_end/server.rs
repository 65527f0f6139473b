//! Served HTTP: axum with event streams and WebSockets, and a bare tower stack under hyper.

use std::{convert::Infallible, future::pending, io, net::SocketAddr};

use axum::{
    Router,
    extract::{FromRequestParts, ws::WebSocketUpgrade},
    response::{IntoResponse, Sse, sse::Event},
    routing::any,
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, BodyStream, Empty};
use hyper::{body::Incoming, client::conn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_http::{
    catch_panic::CatchPanicLayer,
    timeout::{ResponseBodyTimeoutLayer, TimeoutLayer},
};
use tower_lookout::observe::UpgradeWatch;

use crate::{
    Play, TIMEOUT,
    script::{Script, Step},
    table::{End, Traffic},
};

/// How the service behaves when it gets a request.
#[derive(Clone)]
pub(crate) enum Behaviour {
    Response { status: u16, length: Option<&'static str>, body: Script },
    Error,
    Panic,
    Hang,
}

pub(crate) fn behaviour(end: End) -> Behaviour {
    use Step::{Data, Error, Hang, Panic, Pause, Trailers};
    let five = || Data("12345");
    let full = || Script::new([Data("1234567890")]).exact(10);
    let response = |status, body| Behaviour::Response { status, length: None, body };
    match end {
        End::Complete | End::HeadOfAStream => response(200, Script::new([five(), five()])),
        End::ExactLength | End::Head => response(200, full()),
        End::ContentLengthStream => Behaviour::Response {
            status: 200,
            length: Some("10"),
            body: Script::new([five(), five()]),
        },
        End::Trailers => response(200, Script::new([five(), Trailers])),
        End::Empty => response(200, Script::default()),
        End::NoContent => response(204, Script::default()),
        End::NotModified => response(304, full()),
        End::CallersStatus => response(404, full()),
        End::FailureStatus => response(500, full()),
        // The server sends the head during the pause.
        End::BodyError => response(200, Script::new([five(), Pause, Error])),
        End::BodyTimeout | End::ClientLeavesInTheBody => response(200, Script::new([five(), Hang])),
        End::PanicInTheBody => response(200, Script::new([five(), Pause, Panic])),
        End::ClientLeavesInAFailure => response(500, Script::new([five(), Hang])),
        End::Unread => response(200, full()),
        End::UnreadFailure => response(500, full()),
        End::ServiceError => Behaviour::Error,
        End::Panic | End::PanicCaughtInside | End::PanicCaughtOutside => Behaviour::Panic,
        End::ClientLeavesBeforeTheHead | End::TimeoutInside | End::TimeoutOutside => {
            Behaviour::Hang
        }
        End::TrailersOnly | End::MissingTrailers => panic!("only gRPC ends so"),
    }
}

async fn handle(behaviour: Behaviour) -> Result<Response<Script>, io::Error> {
    match behaviour {
        Behaviour::Response { status, length, body } => {
            let response = Response::builder().status(status);
            let response = match length {
                Some(length) => response.header("content-length", length),
                None => response,
            };
            Ok(response.body(body).unwrap())
        }
        Behaviour::Error => Err(io::Error::other("no database")),
        Behaviour::Panic => panic!("intended by the test"),
        Behaviour::Hang => pending().await,
    }
}

type App = BoxCloneSyncService<Request<Incoming>, Response<axum::body::Body>, io::Error>;

fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT)
}

/// Aborts a body with tower-http's own error.
fn body_timeout() -> ResponseBodyTimeoutLayer {
    ResponseBodyTimeoutLayer::new(TIMEOUT)
}

/// Builds a bare tower stack.
fn bare(play: &Play) -> App {
    let behaviour = behaviour(play.end);
    let service = service_fn(move |_: Request<Incoming>| handle(behaviour.clone()));
    let layer = play.lookout.layer();
    match play.end {
        End::BodyTimeout => boxed(layer.layer(body_timeout().layer(service))),
        End::TimeoutInside => boxed(layer.layer(timeout().layer(service))),
        End::TimeoutOutside => boxed(timeout().layer(layer.layer(service))),
        End::PanicCaughtInside => boxed(layer.layer(CatchPanicLayer::new().layer(service))),
        End::PanicCaughtOutside => boxed(CatchPanicLayer::new().layer(layer.layer(service))),
        _ => boxed(layer.layer(service)),
    }
}

fn boxed<S, B>(service: S) -> App
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<tower::BoxError>,
    B: Body<Data = Bytes, Error: Into<tower::BoxError>> + Send + 'static,
{
    BoxCloneSyncService::new(
        service
            .map_response(|response| response.map(axum::body::Body::new))
            .map_err(|error: S::Error| io::Error::other(error)),
    )
}

/// Builds an axum router whose handler responds as this traffic requires.
pub(crate) fn router(end: End, traffic: Traffic) -> Router {
    let behaviour = behaviour(end);
    let handler = move |request: axum::extract::Request| {
        let behaviour = behaviour.clone();
        async move {
            let response = handle(behaviour).await.unwrap();
            match (traffic, response.status()) {
                (Traffic::Sse, StatusCode::OK) => events(response.into_body()).into_response(),
                (Traffic::WebSocket, StatusCode::OK) => switch(request, response.into_body()).await,
                _ => response.map(axum::body::Body::new),
            }
        }
    };
    Router::new().route("/case", any(handler))
}

fn events(script: Script) -> Sse<impl futures_util::Stream<Item = Result<Event, io::Error>>> {
    Sse::new(BodyStream::new(script).map(|frame| Ok(Event::default().data(text(frame?)))))
}

fn text(frame: http_body::Frame<Bytes>) -> String {
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

/// Plays the script over a WebSocket.
async fn switch(request: axum::extract::Request, script: Script) -> axum::response::Response {
    let (mut parts, _) = request.into_parts();
    let watch: UpgradeWatch = parts.extensions.remove().unwrap();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.unwrap();
    upgrade.on_upgrade(move |mut socket| async move {
        let _open = watch.open();
        let mut script = BodyStream::new(script);
        loop {
            tokio::select! {
                frame = script.next() => match frame {
                    Some(Ok(frame)) => socket.send(text(frame).into()).await.unwrap(),
                    _ => break,
                },
                // The client has disconnected.
                None | Some(Err(_)) = socket.recv() => break,
            }
        }
    })
}

fn axum(play: &Play) -> App {
    let router = router(play.end, play.traffic);
    let layer = play.lookout.layer();
    let router = match play.end {
        End::BodyTimeout => router.layer(body_timeout()).layer(layer),
        End::TimeoutInside => router.layer(timeout()).layer(layer),
        End::TimeoutOutside => router.layer(layer).layer(timeout()),
        End::PanicCaughtInside => router.layer(CatchPanicLayer::new()).layer(layer),
        End::PanicCaughtOutside => router.layer(layer).layer(CatchPanicLayer::new()),
        _ => router.layer(layer),
    };
    let router =
        ServiceExt::<Request<Incoming>>::map_err(router, |never: Infallible| -> io::Error {
            match never {}
        });
    BoxCloneSyncService::new(router)
}

/// Serves one connection with hyper. A panic ends only the connection's task.
async fn serve(app: App) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = auto::Builder::new(TokioExecutor::new())
            .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(app))
            .await;
    });
    address
}

pub(crate) async fn play(play: &Play) {
    match play.traffic {
        Traffic::HyperHttp1 | Traffic::HyperHttp2 => {
            run_client(play, serve(bare(play)).await).await
        }
        Traffic::WebSocket => run_websocket_client(play, serve(axum(play)).await).await,
        _ => run_client(play, serve(axum(play)).await).await,
    }
}

/// Returns the method of the request.
pub(crate) fn method(end: End) -> Method {
    match end {
        End::Head | End::HeadOfAStream => Method::HEAD,
        _ => Method::GET,
    }
}

/// Runs the client.
async fn run_client(play: &Play, address: SocketAddr) {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let request = Request::builder()
        .method(method(play.end))
        .uri(format!("http://{address}/case"))
        .header("host", "test")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let is_http2 = matches!(play.traffic, Traffic::AxumHttp2 | Traffic::HyperHttp2);
    let (connection, mut response) = if is_http2 {
        let (mut send, connection) =
            conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let response = async move { send.send_request(request).await }.boxed();
        (tokio::spawn(connection.map(|_| ())), response)
    } else {
        let (mut send, connection) = conn::http1::handshake(stream).await.unwrap();
        let response = async move { send.send_request(request).await }.boxed();
        (tokio::spawn(connection.map(|_| ())), response)
    };
    match play.end {
        End::ClientLeavesBeforeTheHead => tokio::select! {
            _ = &mut response => panic!("there is no head"),
            () = play.in_flight() => {}
        },
        End::ClientLeavesInTheBody | End::ClientLeavesInAFailure => {
            let mut body = response.await.unwrap().into_body();
            body.frame().await.unwrap().unwrap();
        }
        _ => {
            if let Ok(response) = response.await {
                let _ = response.into_body().collect().await;
            }
        }
    }
    connection.abort();
}

/// Runs the client of a WebSocket.
async fn run_websocket_client(play: &Play, address: SocketAddr) {
    let connects = tokio_tungstenite::connect_async(format!("ws://{address}/case"));
    if play.end == End::ClientLeavesBeforeTheHead {
        tokio::select! {
            _ = connects => panic!("there is no head"),
            () = play.in_flight() => {}
        }
        return;
    }
    let Ok((mut socket, _)) = connects.await else { return };
    while let Some(Ok(_)) = socket.next().await {
        if play.end == End::ClientLeavesInTheBody {
            break; // without a close frame
        }
    }
}

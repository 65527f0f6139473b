//! Outbound gRPC: a watched tonic client, with an unwatched server.

use tonic::transport::Endpoint;
use tower::{Layer, ServiceExt, timeout::TimeoutLayer};

use crate::{
    Play, TIMEOUT,
    client::closed,
    echo,
    grpc::{message, method, serve},
    table::End,
};

pub(crate) async fn play(play: &Play) {
    let layer = play.lookout.client_layer("echo");
    let (method, message) = (method(play.traffic), message(play.end, play.traffic));
    if play.end == End::ServiceError {
        let nobody = Endpoint::from_shared(format!("http://{}", closed().await)).unwrap();
        let call = echo::call(layer.layer(nobody.connect_lazy()), method, message).await;
        call.unwrap_err();
        return;
    }
    // The client times out instead of the server.
    let end = if play.end == End::TimeoutInside { End::TimeoutOutside } else { play.end };
    let channel = serve(end, None).await;
    match play.end {
        End::ClientLeavesBeforeTheHead => tokio::select! {
            _ = echo::call(layer.layer(channel), method, message) => panic!("there is no head"),
            () = play.in_flight() => {}
        },
        End::ClientLeavesInTheBody => {
            let mut messages = echo::begin(layer.layer(channel), method, message).await.unwrap();
            messages.message().await.unwrap().unwrap();
        }
        End::TimeoutOutside => {
            let channel = TimeoutLayer::new(TIMEOUT).layer(layer.layer(channel));
            echo::call(channel, method, message).await.unwrap_err();
        }
        End::TimeoutInside => {
            let channel = layer.layer(TimeoutLayer::new(TIMEOUT).layer(channel));
            echo::call(channel, method, message).await.unwrap_err();
        }
        End::Panic => {
            let panics = channel.map_request(|_| panic!("intended by the test"));
            let call = async move { echo::call(layer.layer(panics), method, message).await };
            tokio::spawn(call).await.unwrap_err();
        }
        _ => drop(echo::call(layer.layer(channel), method, message).await),
    }
}

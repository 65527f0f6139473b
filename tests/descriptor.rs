//! A gRPC server's descriptor declares its methods, and whether the client and the server stream.

#![cfg(all(feature = "prost", feature = "prometheus"))]

mod support;

use std::{convert::Infallible, future::pending};

use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};
use tower_lookout::Preset;

use support::{start, sum};

#[tokio::test]
async fn a_method_of_the_descriptor_has_its_own_series_before_its_first_response() {
    let (lookout, scrape) = start(|builder| {
        builder
            .preset(Preset::GoGrpcMiddleware)
            .grpc_descriptor(tonic_health::pb::FILE_DESCRIPTOR_SET)
    });
    let mut server = lookout
        .grpc_layer()
        .layer(service_fn(|_| pending::<Result<Response<Empty<&[u8]>>, Infallible>>()));
    let calls =
        ["grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch", "shop.Orders/Create"].map(
            |method| {
                let request = Request::post(format!("/{method}"));
                server.call(request.header("content-type", "application/grpc").body(()).unwrap())
            },
        );
    let active = |method: &str| {
        let labels = [("grpc_method", method)];
        sum(&scrape.render(), "rpc_server_active_calls", &labels)
    };
    assert_eq!(["Check", "Watch", "Create", "_OTHER"].map(active), [1.0, 1.0, 0.0, 1.0]);
    let streams = [("grpc_method", "Watch"), ("grpc_type", "server_stream")];
    assert_eq!(sum(&scrape.render(), "grpc_server_started_total", &streams), 1.0);
    drop(calls);
    assert_eq!(["Check", "Watch", "Create", "_OTHER"].map(active), [0.0; 4]);
}

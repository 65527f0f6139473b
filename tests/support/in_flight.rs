//! A request in flight, so that a rule fires.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::sync::oneshot;
use tower::{Layer, ServiceExt, service_fn};
use tower_lookout::Lookout;

/// A request that stays in flight until this is dropped.
pub(crate) struct InFlight {
    _end: oneshot::Sender<()>,
}

pub(crate) fn request(lookout: &Lookout) -> InFlight {
    let (end, ended) = oneshot::channel::<()>();
    let ended = Arc::new(Mutex::new(Some(ended)));
    let service = lookout.layer().layer(service_fn(move |_: Request<()>| {
        let ended = ended.lock().unwrap().take();
        async move {
            let _ = ended.unwrap().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    }));
    tokio::spawn(service.oneshot(Request::new(())));
    InFlight { _end: end }
}

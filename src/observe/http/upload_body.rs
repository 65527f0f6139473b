use std::{
    any::Any,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::observe::exchange::upload::Upload;

pin_project! {
    /// A request body that resets the age of its request whenever bytes arrive.
    #[derive(Debug, Default)]
    pub(crate) struct UploadBody<B> {
        #[pin]
        inner: B,
        upload: Option<Upload>,
    }
}

impl<B> UploadBody<B> {
    pub(crate) fn new(inner: B, upload: Option<Upload>) -> Self {
        Self { inner, upload }
    }
}

impl<B: Body> Body for UploadBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let polled = this.inner.poll_frame(cx);
        if let (Poll::Ready(frame), Some(upload)) = (&polled, &this.upload) {
            let has_frame = matches!(frame, Some(Ok(_)));
            if !(upload.on_data() && has_frame) {
                *this.upload = None;
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Returns whether the head allows a body.
pub(crate) fn may_have_body<B>(request: &Request<B>) -> bool {
    request.headers().get(header::CONTENT_LENGTH).is_none_or(|length| length != "0")
}

/// Returns whether the request has a body that [`watch_body`] can wrap.
#[inline(always)]
pub(crate) fn has_watchable_body<B: 'static>(request: &Request<B>) -> bool {
    let body: &dyn Any = request.body();
    #[cfg(feature = "axum")]
    if let Some(body) = body.downcast_ref::<axum::body::Body>() {
        return !body.is_end_stream();
    }
    #[cfg(feature = "tonic")]
    if let Some(body) = body.downcast_ref::<tonic::body::Body>() {
        return !body.is_end_stream();
    }
    let _ = body;
    false
}

/// Wraps the body if its type can hold any other body, so that the request keeps its type. The
/// compiler resolves the comparison of the types: for all other bodies this compiles to nothing.
#[inline(always)]
pub(crate) fn watch_body<B: 'static>(request: &mut Request<B>, upload: Option<Upload>) {
    let Some(upload) = upload else { return };
    let body: &mut dyn Any = request.body_mut();
    #[cfg(feature = "axum")]
    if let Some(body) = body.downcast_mut::<axum::body::Body>() {
        *body = axum::body::Body::new(UploadBody::new(std::mem::take(body), Some(upload)));
        return;
    }
    #[cfg(feature = "tonic")]
    if let Some(body) = body.downcast_mut::<tonic::body::Body>() {
        *body = tonic::body::Body::new(UploadBody::new(std::mem::take(body), Some(upload)));
        return;
    }
    let _ = (body, upload);
}

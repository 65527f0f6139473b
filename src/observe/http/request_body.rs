use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::upload_body::UploadBody;
use crate::observe::{
    detail::{Detail, DetailHandle},
    exchange::upload::Upload,
    head::grpc::Framing,
};

pin_project! {
    /// A request body that counts its bytes as the inner service reads them. A
    /// [`Detailed`](crate::observe::Detailed) layer passes it to the inner service.
    ///
    /// The inner body's hints are passed on unchanged.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: UploadBody<B>,
        detail: Option<Arc<Detail>>,
        framing: Framing,
    }
}

impl<B> RequestBody<B> {
    pub(crate) fn new(inner: B, handle: &DetailHandle, upload: Option<Upload>) -> Self {
        let inner = UploadBody::new(inner, upload);
        Self { inner, detail: handle.detail(), framing: Framing::default() }
    }
}

/// Creates a body that is not counted, for layers that create requests themselves.
impl<B: Default> Default for RequestBody<B> {
    fn default() -> Self {
        Self { inner: UploadBody::default(), detail: None, framing: Framing::default() }
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let polled = this.inner.poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(detail)) = (&polled, this.detail)
            && let Some(data) = frame.data_ref()
        {
            let mut messages = 0;
            if detail.is_grpc() {
                (*this.framing, messages) = this.framing.begun(data);
            }
            detail.request.add(data.remaining(), messages);
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

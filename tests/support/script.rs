//! A response body that follows a script.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body that follows a script.
#[derive(Clone, Default)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    hint: SizeHint,
}

#[derive(Clone)]
pub(crate) enum Step {
    Data(&'static str),
    Trailers,
    Error,
    Panic,
    /// Is pending once, so that the server can flush.
    Pause,
    /// Is pending forever.
    Hang,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), hint: SizeHint::default() }
    }

    /// Sets the exact length, which `is_end_stream` relies on.
    pub(crate) fn exact(self, length: u64) -> Self {
        Self { hint: SizeHint::with_exact(length), ..self }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data(text)) => {
                if let Some(left) = self.hint.exact() {
                    self.hint = SizeHint::with_exact(left - text.len() as u64);
                }
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
            }
            Some(Step::Trailers) => {
                let trailers = [("x-checksum".parse().unwrap(), "7".parse().unwrap())];
                Poll::Ready(Some(Ok(Frame::trailers(trailers.into_iter().collect()))))
            }
            Some(Step::Error) => Poll::Ready(Some(Err(io::Error::other("disk gone")))),
            Some(Step::Panic) => panic!("a body panics, intended by the test"),
            Some(Step::Pause) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.hint.exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

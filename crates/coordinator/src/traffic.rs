//! Bodies on their way in and out: every byte that is held for a peer is counted, and who waits for whom is known.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::connections::Exchange;

/// Any reason why a body breaks off.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Received {
    inner: Incoming,
    exchange: Arc<Exchange>,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Sent<B> {
    inner: B,
    exchange: Arc<Exchange>,
}

/// There is no room for this body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more bodies are on their way than the Coordinator holds at once")]
pub(crate) struct NoRoom;

impl Received {
    /// Counts `inner` for `exchange`.
    pub(crate) fn new(inner: Incoming, exchange: Arc<Exchange>) -> Self {
        if inner.is_end_stream() {
            exchange.received();
        }
        Self { inner, exchange }
    }

    fn count(&self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        if !self.exchange.hold(frame.data_ref().map_or(0, Bytes::len)) {
            return Err(NoRoom.into());
        }
        if self.inner.is_end_stream() {
            self.exchange.received();
        }
        Ok(frame)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            Some(Ok(frame)) => Some(self.count(frame)),
            Some(Err(error)) => Some(Err(error.into())),
            None => {
                self.exchange.received();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Whoever drops a body before its end wants no more of it.
impl Drop for Received {
    fn drop(&mut self) {
        self.exchange.received();
    }
}

impl<B: Body> Sent<B> {
    /// Counts `inner` for `exchange`, whose work is done. An answer of unknown length counts with what is known.
    pub(crate) fn new(inner: B, exchange: Arc<Exchange>) -> Self {
        exchange.answered();
        // Without room the connection is closed, and the answer with it.
        let _ = exchange.hold(usize::try_from(inner.size_hint().lower()).unwrap_or(usize::MAX));
        Self { inner, exchange }
    }
}

impl<B: Body + Unpin> Body for Sent<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.exchange.moved();
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

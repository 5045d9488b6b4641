//! Bodies on their way in and out: every byte that is held for a peer is counted, and who waits for whom is known.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::connections::Exchange;

/// Bytes of an answer that are handed on at once.
const PIECE: usize = 64 << 10;
/// Bytes of an unwanted body that are read at most.
const MOST_DISCARDED: usize = 64 << 10;
/// Longest time for them.
const DISCARD_WITHIN: Duration = Duration::from_secs(5);

/// Any reason why a body breaks off.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Received {
    inner: Option<Incoming>,
    exchange: Arc<Exchange>,
}

/// The body of an answer, in pieces: what was handed on is out of our hands, and what was not is still counted.
#[derive(Debug)]
pub(crate) struct Sent<B> {
    inner: B,
    /// Taken from `inner`, not handed on yet.
    rest: Bytes,
    /// Bytes that are counted but did not come from `inner` yet.
    announced: usize,
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
        Self { inner: Some(inner), exchange }
    }

    fn count(&self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        if !self.exchange.hold(frame.data_ref().map_or(0, Bytes::len)) {
            return Err(NoRoom.into());
        }
        if self.is_end_stream() {
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
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        Poll::Ready(match ready!(Pin::new(inner).poll_frame(context)) {
            Some(Ok(frame)) => Some(self.count(frame)),
            Some(Err(error)) => Some(Err(error.into())),
            None => {
                self.exchange.received();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

/// Whoever drops a body before its end wants no more of it. A small rest is read all the same: many clients take an
/// answer that comes before they have sent everything for a broken connection.
impl Drop for Received {
    fn drop(&mut self) {
        self.exchange.received();
        let unread = self.inner.take().filter(|inner| !inner.is_end_stream());
        if let (Some(rest), Ok(runtime)) = (unread, Handle::try_current()) {
            runtime.spawn(timeout(DISCARD_WITHIN, discard(rest, Arc::clone(&self.exchange))));
        }
    }
}

async fn discard(mut rest: Incoming, exchange: Arc<Exchange>) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = rest.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > MOST_DISCARDED {
            return;
        }
        exchange.moved();
    }
}

impl<B: Body<Data = Bytes>> Sent<B> {
    /// Counts `inner` for `exchange`, whose work is done.
    pub(crate) fn new(inner: B, exchange: Arc<Exchange>) -> Self {
        exchange.answered();
        let announced = usize::try_from(inner.size_hint().lower()).unwrap_or(usize::MAX);
        // Without room the connection is closed, and the answer with it.
        let _ = exchange.hold(announced);
        Self { inner, rest: Bytes::new(), announced, exchange }
    }

    fn count(&mut self, data: Bytes) {
        let unannounced = data.len().saturating_sub(self.announced);
        self.announced = self.announced.saturating_sub(data.len());
        let _ = self.exchange.hold(unannounced);
        self.rest = data;
    }

    fn piece(&mut self) -> Frame<Bytes> {
        self.exchange.moved();
        Frame::data(self.rest.split_to(self.rest.len().min(PIECE)))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        Poll::Ready(match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => {
                self.count(data);
                Some(Ok(self.piece()))
            }
            Some(Ok(Err(trailers))) => Some(Ok(trailers)),
            Some(Err(error)) => Some(Err(error)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

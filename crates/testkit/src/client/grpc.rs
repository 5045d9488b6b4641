//! One call of the marble API on a connection of its own, as a marble makes it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::Uri;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use marblerun_api::grpc::marble_client::MarbleClient;
use marblerun_api::grpc::{ActivationReq, ActivationResp, ChallengeReq, ChallengeResp};
use tonic::Status;
use tonic::body::Body;

use super::tls::{self, Identity};

const DEADLINE: Duration = Duration::from_secs(60);
const LARGEST_ANSWER: usize = 64 << 20;

/// What the Coordinator says to an activation; an outer error means that it never got to say anything (the handshake
/// failed, or the connection broke).
///
/// # Errors
/// If there is no gRPC answer.
pub async fn activate(
    address: SocketAddr,
    identity: Option<&Identity>,
    request: ActivationReq,
) -> Result<Result<ActivationResp, Status>> {
    exchange(address, identity, async |mut client| client.activate(request).await).await
}

/// What the Coordinator says to a marble that asks for a challenge; an outer error as in [`activate`].
///
/// # Errors
/// If there is no gRPC answer.
pub async fn challenge(
    address: SocketAddr,
    identity: Option<&Identity>,
    nonce: &[u8],
) -> Result<Result<ChallengeResp, Status>> {
    let request = ChallengeReq { nonce: nonce.to_vec() };
    exchange(address, identity, async |mut client| client.challenge(request).await).await
}

async fn exchange<T>(
    address: SocketAddr,
    identity: Option<&Identity>,
    call: impl AsyncFnOnce(MarbleClient<Channel>) -> Result<tonic::Response<T>, Status>,
) -> Result<Result<T, Status>> {
    let exchanging = connected(address, identity, call);
    tokio::time::timeout(DEADLINE, exchanging).await.context("no answer in time")?
}

async fn connected<T>(
    address: SocketAddr,
    identity: Option<&Identity>,
    call: impl AsyncFnOnce(MarbleClient<Channel>) -> Result<tonic::Response<T>, Status>,
) -> Result<Result<T, Status>> {
    let stream = tls::connect(address, identity, &[b"h2"]).await?;
    let (sender, connection) = http2::handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .context("HTTP/2 connection")?;
    let driver = tokio::spawn(connection);
    let origin: Uri = format!("https://localhost:{}", address.port()).parse().context("address")?;
    let client = MarbleClient::with_origin(Channel(sender), origin).max_decoding_message_size(LARGEST_ANSWER);
    let answer = call(client).await;
    driver.abort();
    match answer {
        Ok(answer) => Ok(Ok(answer.into_inner())),
        // A broken connection has a source; a status that came over the wire has none.
        Err(status) if std::error::Error::source(&status).is_some() => Err(status).context("gRPC connection"),
        Err(status) => Ok(Err(status)),
    }
}

/// One HTTP/2 connection as a service for gRPC.
struct Channel(http2::SendRequest<Body>);

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

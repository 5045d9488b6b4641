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
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::Status;
use tonic::body::Body;

use super::tls::{self, Identity};

const DEADLINE: Duration = Duration::from_secs(60);
const LARGEST_ANSWER: usize = 64 << 20;

/// A connection on which nothing was asked yet.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: TlsStream<TcpStream>,
}

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
    let whole = async { connect(address, identity).await?.activate(request).await };
    tokio::time::timeout(DEADLINE, whole).await.context("no answer in time")?
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
    let whole = async {
        let connection = connect(address, identity).await?;
        exchange(connection, async |mut client| client.challenge(request).await).await
    };
    tokio::time::timeout(DEADLINE, whole).await.context("no answer in time")?
}

/// Shakes hands and asks nothing yet.
///
/// # Errors
/// If the server cannot be reached or breaks off.
pub async fn connect(address: SocketAddr, identity: Option<&Identity>) -> Result<Connection> {
    Ok(Connection { address, stream: tls::connect(address, identity, &[b"h2"]).await? })
}

impl Connection {
    /// As [`activate`], on this connection.
    ///
    /// # Errors
    /// As [`activate`].
    pub async fn activate(self, request: ActivationReq) -> Result<Result<ActivationResp, Status>> {
        let exchanging = exchange(self, async |mut client| client.activate(request).await);
        tokio::time::timeout(DEADLINE, exchanging).await.context("no answer in time")?
    }
}

async fn exchange<T>(
    Connection { address, stream }: Connection,
    call: impl AsyncFnOnce(MarbleClient<Channel>) -> Result<tonic::Response<T>, Status>,
) -> Result<Result<T, Status>> {
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

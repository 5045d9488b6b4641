//! One activation on a connection of its own, as a marble makes it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::Uri;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use marblerun_api::grpc::marble_client::MarbleClient;
use marblerun_api::grpc::{ActivationReq, ActivationResp};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
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
) -> Result<Result<ActivationResp, tonic::Status>> {
    let whole = async { exchange(connect(address, identity).await?, request).await };
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
    pub async fn activate(self, request: ActivationReq) -> Result<Result<ActivationResp, tonic::Status>> {
        tokio::time::timeout(DEADLINE, exchange(self, request)).await.context("no answer in time")?
    }
}

async fn exchange(
    Connection { address, stream }: Connection,
    request: ActivationReq,
) -> Result<Result<ActivationResp, tonic::Status>> {
    let (sender, connection) = http2::handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .context("HTTP/2 connection")?;
    let driver = tokio::spawn(connection);
    let service = tower::service_fn(move |request: http::Request<Body>| sender.clone().send_request(request));
    let origin: Uri = format!("https://localhost:{}", address.port()).parse().context("address")?;
    let mut client = MarbleClient::with_origin(service, origin).max_decoding_message_size(LARGEST_ANSWER);
    let answer = client.activate(request).await;
    driver.abort();
    match answer {
        Ok(answer) => Ok(Ok(answer.into_inner())),
        // A broken connection has a source; a status that came over the wire has none.
        Err(status) if std::error::Error::source(&status).is_some() => Err(status).context("gRPC connection"),
        Err(status) => Ok(Err(status)),
    }
}

//! One activation on a connection of its own, as a marble makes it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::Uri;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use marblerun_api::grpc::marble_client::MarbleClient;
use marblerun_api::grpc::{ActivationReq, ActivationResp};
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
) -> Result<Result<ActivationResp, tonic::Status>> {
    tokio::time::timeout(DEADLINE, exchange(address, identity, request)).await.context("no answer in time")?
}

async fn exchange(
    address: SocketAddr,
    identity: Option<&Identity>,
    request: ActivationReq,
) -> Result<Result<ActivationResp, tonic::Status>> {
    let stream = tls::connect(address, identity, &[b"h2"]).await?;
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

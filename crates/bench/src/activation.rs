//! One activation as a marble does it: TCP, mutual TLS, HTTP/2, one call, close.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use marblerun_api::grpc::marble_client::MarbleClient;
use marblerun_api::grpc::{ActivationReq, Parameters};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;
use tower::service_fn;

use crate::identity::Identity;

/// An activation that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// Activates and returns the time from opening the connection to the complete answer.
pub(crate) async fn activate(
    address: SocketAddr,
    identity: &Identity,
    marble_type: &str,
) -> anyhow::Result<Duration> {
    let request = request(identity, marble_type)?;
    let start = Instant::now();
    let call = tokio::time::timeout(DEADLINE, call(address, identity, request));
    let (connection, _) = call.await.context("no answer in time")??;
    let elapsed = start.elapsed();
    // Closing is the marble's last step, not part of the wait for its parameters.
    let _closed = tokio::time::timeout(DEADLINE, connection).await;
    Ok(elapsed)
}

/// Activates and returns what the marble was given.
pub(crate) async fn parameters(
    address: SocketAddr,
    identity: &Identity,
    marble_type: &str,
) -> anyhow::Result<Parameters> {
    let call = tokio::time::timeout(DEADLINE, call(address, identity, request(identity, marble_type)?));
    Ok(call.await.context("no answer in time")??.1)
}

async fn call(
    address: SocketAddr,
    identity: &Identity,
    request: ActivationReq,
) -> anyhow::Result<(JoinHandle<hyper::Result<()>>, Parameters)> {
    let stream = connect(address, identity).await?;
    let (sender, connection) =
        http2::handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let transport = service_fn(move |request| sender.clone().send_request(request));
    let origin = http::Uri::from_static("https://localhost");
    let answer = MarbleClient::with_origin(transport, origin).activate(request).await?;
    Ok((connection, complete(answer.into_inner().parameters)?))
}

async fn connect(address: SocketAddr, identity: &Identity) -> anyhow::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    TlsConnector::from(identity.tls.clone()).connect(name, stream).await.context("TLS handshake")
}

fn request(identity: &Identity, marble_type: &str) -> anyhow::Result<ActivationReq> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).ok().context("no randomness")?;
    Ok(ActivationReq {
        quote: identity.evidence.clone(),
        csr: identity.csr.clone(),
        marble_type: marble_type.to_owned(),
        uuid: uuid::Builder::from_random_bytes(random).into_uuid().to_string(),
        challenge: Vec::new(),
    })
}

/// An answer without the marble's key is no activation.
fn complete(parameters: Option<Parameters>) -> anyhow::Result<Parameters> {
    let given = parameters.context("the answer has no parameters")?;
    let key = given.env.get("MARBLE_PREDEFINED_PRIVATE_KEY");
    ensure!(key.is_some_and(|key| !key.is_empty()), "the answer lacks MARBLE_PREDEFINED_PRIVATE_KEY");
    Ok(given)
}

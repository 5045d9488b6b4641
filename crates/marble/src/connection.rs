//! One TLS connection to the Coordinator's marble API, HTTP/2 on it, and a gRPC client on that.
//!
//! The Coordinator's certificate is **not** verified here: a marble learns only on this connection, from evidence, which
//! one is right (see `coordinator.rs`), if it is told what to expect at all. The handshake's signature is, so that the
//! channel ends at whoever showed the certificate.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use marblerun_api::grpc::marble_client::MarbleClient;
use marblerun_api::tls::AnyServer;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;

use crate::config::Address;
use crate::identity::Identity;

/// For name resolution, TCP and the TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest answer that is read: several files of the largest size that a template may give.
const MAX_ANSWER: usize = 128 << 20;

/// The marble API over one connection.
pub(crate) type Client = MarbleClient<Channel>;

/// A connection to whoever holds the key of the certificate that it showed.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) shown: CertificateDer<'static>,
}

/// A gRPC client on a new connection, proving `identity` in the handshake.
///
/// # Errors
/// In words, for the log: what failed on the way.
pub(crate) async fn connect(address: &Address, identity: &Identity) -> Result<Connection, String> {
    let tls = tokio::time::timeout(CONNECT_TIMEOUT, handshake(address, identity))
        .await
        .map_err(|_| format!("no TLS connection within {} seconds", CONNECT_TIMEOUT.as_secs()))??;
    let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let shown = shown.ok_or("the server showed no certificate")?.clone().into_owned();
    let (send, connection) = Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(tls))
        .await
        .map_err(|error| format!("HTTP/2 handshake: {error}"))?;
    let driver = tokio::spawn(async move {
        // What ends the connection also fails the call on it, which reports it.
        let _ = connection.await;
    });
    let origin =
        format!("https://{address}").parse().map_err(|error| format!("address {address}: {error}"))?;
    let channel = Channel { send, driver };
    let client = MarbleClient::with_origin(channel, origin).max_decoding_message_size(MAX_ANSWER);
    Ok(Connection { client, shown })
}

async fn handshake(address: &Address, identity: &Identity) -> Result<TlsStream<TcpStream>, String> {
    let config = client_config(identity).map_err(|error| format!("TLS configuration: {error}"))?;
    let name = ServerName::try_from(address.host.clone()).map_err(|error| format!("host name: {error}"))?;
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| format!("connecting: {error}"))?;
    let _ = tcp.set_nodelay(true);
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, tcp).await.map_err(|error| format!("TLS handshake: {error}"))
}

fn client_config(identity: &Identity) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = AnyServer::new(&provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(vec![identity.certificate().clone()], identity.private_key())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// One HTTP/2 connection as a service for gRPC; closed when dropped.
pub(crate) struct Channel {
    send: SendRequest<Body>,
    driver: JoinHandle<()>,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.send.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.send.send_request(request))
    }
}

//! Calls of the client API: the status, setting a manifest, and whatever a session asks. The server is one that this
//! program started.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Method;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use marblerun_api::rest::{Base64, Envelope, v2};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// Setting a manifest with a thousand certificates, or with RSA-4096 keys on a busy machine, may take a while.
const DEADLINE: Duration = Duration::from_secs(180);
const ANSWER_BYTES_AT_MOST: usize = 1 << 20;

/// A user of the client API without a certificate.
#[derive(Clone)]
pub(crate) struct HttpClient {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl HttpClient {
    /// Connects anew for every call.
    pub(crate) fn new(address: SocketAddr, tls: Arc<ClientConfig>) -> Self {
        Self { address, tls }
    }

    /// Where it connects to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The Coordinator's state, 0 to 3.
    pub(crate) async fn state(&self) -> anyhow::Result<u8> {
        let status: v2::Status = self.call(Method::GET, "/api/v2/status", Vec::new()).await?;
        Ok(status.code)
    }

    /// Sets the manifest.
    pub(crate) async fn set_manifest(&self, manifest: Vec<u8>) -> anyhow::Result<()> {
        let body = serde_json::to_vec(&v2::SetManifest { manifest: Base64(manifest) })?;
        let _: serde_json::Value = self.call(Method::POST, "/api/v2/manifest", body).await?;
        Ok(())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<T> {
        let mut session = self.anonymous_session().await?;
        session.call(method, path, body).await
    }

    /// A connection for many calls without a login.
    pub(crate) async fn anonymous_session(&self) -> anyhow::Result<Session> {
        self.session(&self.tls).await
    }

    /// A connection for many calls, as whom `tls` logs in.
    pub(crate) async fn session(&self, tls: &Arc<ClientConfig>) -> anyhow::Result<Session> {
        Session::open(self.address, tls).await
    }
}

/// One connection, one call after the other.
pub(crate) struct Session {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    async fn open(address: SocketAddr, tls: &Arc<ClientConfig>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        // Without this the end of a handshake waits 40 ms for a delayed acknowledgement.
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(tls.clone()).connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection: tokio::spawn(connection) })
    }

    /// The payload of a success.
    pub(crate) async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<T> {
        self.done(method, path, body).await?.with_context(|| format!("{path}: the answer has no data"))
    }

    /// The payload of a success, if it has one.
    pub(crate) async fn done<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Option<T>> {
        let exchange = tokio::time::timeout(DEADLINE, self.exchange(method, path, body));
        let answer = exchange.await.with_context(|| format!("{path}: no answer in time"))??;
        let envelope: Envelope<T> = serde_json::from_slice(&answer)
            .with_context(|| format!("{path}: {}", String::from_utf8_lossy(&answer)))?;
        match envelope.status.as_str() {
            "success" => Ok(envelope.data),
            status => bail!("{path}: {status}: {}", envelope.message.unwrap_or_default()),
        }
    }

    async fn exchange(&mut self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<Bytes> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "localhost")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?.into_body();
        let answer = Limited::new(answer, ANSWER_BYTES_AT_MOST).collect().await;
        Ok(answer.map_err(anyhow::Error::from_boxed)?.to_bytes())
    }
}

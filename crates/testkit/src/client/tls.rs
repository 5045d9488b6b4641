//! TLS that accepts any server certificate, keeps it, and shows a client certificate if it was given one.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use marblerun_api::tls::AnyServer;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate chain (leaf first) and its private key, to log in with.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// From PEM texts. The chain is shown as it stands, in its order, whether or not it makes sense.
    ///
    /// # Errors
    /// If a text holds no certificate or no key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let key = PrivateKeyDer::from_pem_slice(key).context("private key to log in with")?;
        Self::new(chain.context("certificate to log in with")?, &key)
    }

    /// From DER.
    ///
    /// # Errors
    /// If the key is of no kind that TLS knows.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'static>) -> Result<Self> {
        let key = aws_lc_rs::sign::any_supported_type(key).context("private key to log in with")?;
        Ok(Self(Arc::new(CertifiedKey::new(chain, key))))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} certificates)", self.0.cert.len())
    }
}

/// A configuration for one connection that offers the protocols `alpn`.
///
/// # Errors
/// If the cryptography has no TLS version in common with itself.
pub fn client_config(identity: Option<&Identity>, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyServer::new(&provider));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS versions")?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(Always(identity.0.clone()))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// A connection to `address`, with its handshake done.
///
/// # Errors
/// If the server cannot be reached or breaks off.
pub async fn connect(
    address: SocketAddr,
    identity: Option<&Identity>,
    alpn: &[&[u8]],
) -> Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(client_config(identity, alpn)?);
    let socket = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    socket.set_nodelay(true).context("TCP_NODELAY")?;
    connector.connect(server_name(), socket).await.context("TLS handshake")
}

/// The certificate chain that a listener presents.
///
/// # Errors
/// As [`connect`], or if it presents none.
pub async fn presented(
    address: SocketAddr,
    identity: Option<&Identity>,
    alpn: &[&[u8]],
) -> Result<Vec<CertificateDer<'static>>> {
    let stream = connect(address, identity, alpn).await?;
    let chain = stream.get_ref().1.peer_certificates().context("the server presents no certificate")?;
    Ok(chain.iter().map(|certificate| certificate.clone().into_owned()).collect())
}

/// The name that clients send.
pub fn server_name() -> ServerName<'static> {
    ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into())
}

/// Shows its certificate whatever issuers or algorithms the server hints at, and without comparing key and
/// certificate: what the server makes of a strange one is the test.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

//! Somebody outside the mesh who tries to read the notes.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use marblerun_marble::{Identity, Names};
use rustls::client::WantsClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Tries without any certificate.
pub(crate) async fn without_certificate(port: u16, trusted: &Path) -> anyhow::Result<String> {
    refusal(port, builder(trusted)?.with_no_client_auth()).await
}

/// Tries with a certificate that it made itself, for the names that a marble would have.
pub(crate) async fn with_own_certificate(port: u16, trusted: &Path) -> anyhow::Result<String> {
    let identity = Identity::generate(&Names::parse("localhost")?)?;
    let chain = vec![identity.certificate().clone()];
    refusal(port, builder(trusted)?.with_client_auth_cert(chain, identity.private_key())?).await
}

/// A stranger can check whom it talks to: the mesh's certificate is public.
fn builder(trusted: &Path) -> anyhow::Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted)?)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots))
}

/// How the server refuses: with TLS 1.3 it says so after the handshake, when the client reads. Being served is the
/// one thing that must not happen.
async fn refusal(port: u16, config: ClientConfig) -> anyhow::Result<String> {
    let tcp = TcpStream::connect(("localhost", port)).await.context("connecting to the notes service")?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut tls = match connector.connect(ServerName::try_from("localhost")?, tcp).await {
        Ok(tls) => tls,
        Err(error) => return Ok(error.to_string()),
    };
    let _ = tls.write_all(b"GET /notes HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut answer = Vec::new();
    match tls.read_to_end(&mut answer).await {
        Err(error) if answer.is_empty() => Ok(error.to_string()),
        _ => bail!("a stranger was served: {}", String::from_utf8_lossy(&answer)),
    }
}

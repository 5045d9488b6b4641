//! TLS between marbles, from what activation put into the environment.
//!
//! Both sides must show a certificate that chains to the marble root; without one there is no connection. The chain
//! proves *membership*: which marble it is, is in the certificate ([`PeerIdentity`]), and a service that serves only
//! some types must look.

mod peer;

use std::sync::Arc;

use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use peer::{PeerError, PeerIdentity};

/// PEM of the certificate that every marble's certificate chains to.
pub const ROOT_CA: &str = "MARBLE_PREDEFINED_ROOT_CA";
/// PEM of this marble's certificate, then the Coordinator's intermediate.
pub const CERTIFICATE_CHAIN: &str = "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN";
/// PEM of this marble's private key, PKCS#8.
pub const PRIVATE_KEY: &str = "MARBLE_PREDEFINED_PRIVATE_KEY";

/// This marble's certificate and key, and the root of its mesh. Has no `Debug`, since it holds a private key.
pub struct Credentials {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
}

impl Credentials {
    /// From the predefined variables of an activated marble:
    /// `Credentials::from_variables(|name| std::env::var(name).ok())`.
    ///
    /// # Errors
    /// Which variable is missing, or is not the PEM that it should be.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, TlsError> {
        let pem = |name| variable(name).ok_or(TlsError::Missing { name });
        let chain = certificates(CERTIFICATE_CHAIN, &pem(CERTIFICATE_CHAIN)?)?;
        let mut roots = RootCertStore::empty();
        for root in certificates(ROOT_CA, &pem(ROOT_CA)?)? {
            roots.add(root)?;
        }
        let key = zeroize::Zeroizing::new(pem(PRIVATE_KEY)?);
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| TlsError::Pem { name: PRIVATE_KEY, why: error.to_string() })?;
        Ok(Self { chain, key, roots: roots.into() })
    }

    /// Certificate chain and key.
    pub(crate) fn into_parts(self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain, self.key)
    }

    /// Who this marble is, as its own certificate says.
    ///
    /// # Errors
    /// If the certificate is not one of a marble.
    pub fn identity(&self) -> Result<PeerIdentity, PeerError> {
        PeerIdentity::proved_by(&self.chain)
    }

    /// A server that shows this marble's certificate and admits only clients with one of this mesh.
    ///
    /// # Errors
    /// If key and certificate do not fit each other.
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider()).build()?;
        Ok(ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())?)
    }

    /// A client that shows this marble's certificate and talks only to servers with one of this mesh that is issued
    /// for the name it dials.
    ///
    /// # Errors
    /// As [`Credentials::server_config`].
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), provider()).build()?;
        Ok(ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(verifier)
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())?)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// At least one: an empty list of roots or an empty chain must not go unnoticed.
fn certificates(name: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem { name, why: error.to_string() })?;
    if all.is_empty() { Err(TlsError::Pem { name, why: "no certificate in it".into() }) } else { Ok(all) }
}

/// There is no TLS configuration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Not an activated marble's environment.
    #[error("{name} is not set; start this program as a marble, through marblerun-premain")]
    Missing {
        /// Which variable.
        name: &'static str,
    },
    /// Not the PEM that it should be.
    #[error("{name} does not hold the expected PEM: {why}")]
    Pem {
        /// Which variable.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// What TLS says.
    #[error("TLS configuration: {0}")]
    Tls(#[from] rustls::Error),
    /// The verifier cannot be built.
    #[error("TLS verifier: {0}")]
    Verifier(String),
}

impl From<VerifierBuilderError> for TlsError {
    fn from(error: VerifierBuilderError) -> Self {
        Self::Verifier(error.to_string())
    }
}

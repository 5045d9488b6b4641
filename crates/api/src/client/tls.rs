//! Who counts as the Coordinator: pinned root certificates, or, said aloud by the caller, anyone.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_cert::der::Decode as _;

use super::ClientError;
use crate::tls::AnyServer;

/// Whom to take for the Coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// A server that presents one of these certificates itself, or a chain that one of them signed, and whose
    /// certificate names the host that was called.
    Pinned(Vec<CertificateDer<'static>>),
    /// Whoever answers. Only for the connection that fetches evidence, and where the user asked for it.
    Anyone,
}

/// The client certificate and key of a user. It has no `Debug`: it may hold a secret.
pub struct Identity {
    certificates: Vec<CertificateDer<'static>>,
    key: Key,
}

enum Key {
    Der(PrivateKeyDer<'static>),
    Elsewhere(Arc<dyn SigningKey>),
}

impl Identity {
    /// A certificate (leaf first, then, if there are any, those that signed it) and the leaf's private key.
    #[must_use]
    pub fn new(certificates: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { certificates, key: Key::Der(key) }
    }

    /// The same with a key that is not in this process, as in a token.
    #[must_use]
    pub fn with_signer(certificates: Vec<CertificateDer<'static>>, key: Arc<dyn SigningKey>) -> Self {
        Self { certificates, key: Key::Elsewhere(key) }
    }
}

pub(super) fn config(trust: Trust, identity: Option<Identity>) -> Result<Arc<ClientConfig>, ClientError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Pinned(roots) => Arc::new(Pinned::new(roots, provider.clone())?),
        Trust::Anyone => Arc::new(AnyServer::new(&provider)),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificates, key: Key::Der(key) }) => {
            builder.with_client_auth_cert(certificates, key).map_err(setup)?
        }
        Some(Identity { certificates, key: Key::Elsewhere(key) }) => builder.with_client_cert_resolver(
            Arc::new(SingleCertAndKey::from(CertifiedKey::new(certificates, key))),
        ),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn setup(error: impl std::fmt::Display) -> ClientError {
    ClientError::Setup(error.to_string())
}

/// The Coordinator presents its root certificate itself. A CA certificate as the server's own is what the web's
/// rules (RFC 5280 path building) refuse, so the very certificate is compared, and then everything that is not the
/// path is still checked: its names, its dates and, in the handshake, its key.
#[derive(Debug)]
struct Pinned {
    roots: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn new(roots: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self, ClientError> {
        let mut store = RootCertStore::empty();
        for root in &roots {
            store.add(root.clone()).map_err(setup)?;
        }
        let algorithms = provider.signature_verification_algorithms;
        // An empty store is an error here: nobody to trust is never everybody.
        let chains =
            WebPkiServerVerifier::builder_with_provider(store.into(), provider).build().map_err(setup)?;
        Ok(Self { roots, chains, algorithms })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.roots.iter().any(|root| root == presented) {
            return self.chains.verify_server_cert(presented, others, name, ocsp, now);
        }
        verify_server_name(&ParsedCertificate::try_from(presented)?, name)?;
        in_force(presented, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn in_force(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let parsed = x509_cert::Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate().validity();
    let now = now.as_secs();
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}
